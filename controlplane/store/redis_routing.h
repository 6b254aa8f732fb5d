/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who serves what, and how to find out: the nodes, the slot map and its refreshing. Internal to the
 * Redis client.
 */
#pragma once

#include "redis_node.h"

struct redis_routing;

/* A question for the slot map that is under way to a node. */
struct redis_refresh {
    struct redis_routing *routing;
    bool under_way;
};

struct redis_routing {
    struct redis_node_config node_config;
    bool single;
    unsigned seeds;                            /* nodes[0..seeds) are never forgotten */
    struct redis_node *nodes[REDIS_NODES_MAX]; /* NULL: free */
    unsigned nodes_end;                        /* all behind it are free */
    bool listed[REDIS_NODES_MAX];              /* in the slot map */
    uint16_t owner[REDIS_SLOTS];               /* index of nodes, or REDIS_NO_NODE */
    unsigned slots[REDIS_NODES_MAX];           /* that a node serves */

    bool known;  /* the map was read once */
    bool urgent; /* it is likely out of date */
    struct redis_refresh refresh[REDIS_NODES_MAX];
    unsigned asked;    /* whom last */
    uint64_t asked_at; /* ms */
    uint64_t read_at;  /* ms */
    uint64_t refreshes, refreshes_failed;

    void *context;
    /* These slots are served by another node than before. */
    void (*on_moved)(void *context, unsigned first, unsigned last);
};

/* 0, or -ENOMEM. `routing->node_config` and on_moved are the caller's to set before. */
int redis_routing_init(struct redis_routing *routing, const struct redis_address *seeds,
                       unsigned count, bool single);
void redis_routing_free(struct redis_routing *routing);

/* The node that serves the slot, NULL if none does; slot -1: any. */
struct redis_node *redis_routing_node(struct redis_routing *routing, int slot);

/* The node of that address, which is made if need be; NULL when there are too many. */
struct redis_node *redis_routing_find(struct redis_routing *routing,
                                      const struct redis_address *address);

/* A node said so. */
void redis_routing_move(struct redis_routing *routing, unsigned slot,
                        const struct redis_address *to);

/* True while the map hasn't been read yet, but may well be soon. */
bool redis_routing_hopes(const struct redis_routing *routing);

/* Has the map read soon. */
void redis_routing_doubt(struct redis_routing *routing);

/* Some times a second. */
void redis_routing_tick(struct redis_routing *routing);

/* Calls `each` for every run of slots that the node serves. */
void redis_routing_slots_of(const struct redis_routing *routing, const struct redis_node *node,
                            void (*each)(void *context, unsigned first, unsigned last),
                            void *context);

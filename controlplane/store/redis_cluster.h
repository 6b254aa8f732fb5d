/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A client of Redis Cluster, or of a single Redis server, for programs with an event loop
 * (libevent). Nothing here waits: commands are submitted, and answered by a call from the loop.
 *
 * Commands go, pipelined, to the node that serves their key's slot. MOVED, ASK, TRYAGAIN,
 * CLUSTERDOWN, LOADING, lost connections and silent nodes are dealt with: the command is sent
 * again, with a backoff and jitter that fit the error, to whoever serves the slot by then, until
 * its deadline. So a command may be carried out more than once: submit only such as may be
 * repeated.
 *
 * The slot map is refreshed every few seconds, after a MOVED, and four times a second, from other
 * nodes, while a node that serves slots is down.
 *
 * Redis answers OK before it has replicated. What was written to a node that failed over, or that
 * restarted, may be gone: on_doubt tells for which slots that is so.
 *
 * Needs a user with +cluster|slots, +asking, +info and the rights for what is submitted; without
 * +info it works, but can't tell that a node was restarted.
 *
 * Source: Redis Cluster specification; CLUSTER SLOTS, INFO, AUTH (Redis 7). Speaks RESP2.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "redis_errors.h"
#include "redis_slots.h"

struct event_base;
struct redisReply;
struct redis_cluster;

enum redis_outcome {
    REDIS_ANSWERED, /* `reply` is the server's; not an error reply */
    REDIS_REFUSED,  /* `reply` is the server's error, `error` its kind; trying again won't help soon
                     */
    REDIS_UNREACHABLE, /* nobody serves the slot now, and the command was not to wait */
    REDIS_EXPIRED,     /* the deadline has passed; `error` says what stood in the way */
    REDIS_CANCELLED,   /* the client was closed */
};

struct redis_result {
    enum redis_outcome outcome;
    enum redis_error error;
    bool repeated; /* it may have been carried out before: a connection was lost meanwhile */
    const struct redisReply *reply; /* hiredis'; gone after the call */
};

typedef void redis_done(void *user, const struct redis_result *result);

/* All strings are copied. */
struct redis_cluster_config {
    const struct redis_address *seeds; /* nodes to start from; any of the cluster's will do */
    unsigned seeds_count;
    bool single;          /* one server, which serves all keys; the first seed */
    const char *user;     /* "" or NULL: the default user */
    const char *password; /* "" or NULL: none is sent */

    uint32_t connect_ms; /* a connection attempt may take so long; 0: 1000 */
    uint32_t reply_ms;   /* a node that owes answers may be silent for so long; 0: 2000 */

    /* Commands without an answer, and their bytes, beyond which -EAGAIN is returned; 0: 1024, 64
     * MiB */
    unsigned commands_max;
    size_t bytes_max;

    void *user_data; /* of the calls below; each may be NULL */

    /* Writes to these slots may have been lost though they were acknowledged. */
    void (*on_doubt)(void *user_data, unsigned first_slot, unsigned last_slot);

    /* Something that an operator may want to read. */
    void (*on_note)(void *user_data, const char *text);
};

/* NULL when out of memory, or if there are no seeds. Connects from the event loop. */
struct redis_cluster *redis_cluster_new(struct event_base *base,
                                        const struct redis_cluster_config *config);

/* Cancels what is under way. Not to be called from a redis_done. */
void redis_cluster_free(struct redis_cluster *cluster);

struct redis_request {
    int argc;
    const char *const *argv;
    const size_t *sizes; /* bytes of each argument */
    int key;             /* the argument that decides on the slot */
    uint32_t timeout_ms; /* the deadline, from now */
    bool wait;           /* for a node that is away to come back, or for another to take over */
    redis_done *done;    /* called once, unless submitting failed; NULL: never */
    void *user;
};

/* 0, -ENOMEM, or -EAGAIN when too much is under way. `done` is never called before it returns. */
int redis_cluster_submit(struct redis_cluster *cluster, const struct redis_request *request);

/* How many more commands would be taken now. */
unsigned redis_cluster_room(const struct redis_cluster *cluster);

/* Observation ---------------------------------------------------------------------------------- */

enum redis_node_state {
    REDIS_NODE_IDLE,       /* not connected, and no reason to be */
    REDIS_NODE_CONNECTING, /* or authenticating */
    REDIS_NODE_READY,
    REDIS_NODE_RESTING, /* failed; will be tried again */
};

enum redis_role { REDIS_ROLE_UNKNOWN, REDIS_ROLE_MASTER, REDIS_ROLE_REPLICA };

struct redis_node_info {
    struct redis_address address;
    enum redis_node_state state;
    enum redis_role role; /* as it says itself */
    unsigned slots;       /* that it serves */
    unsigned under_way;   /* commands */
    uint64_t commands;    /* answered */
    uint64_t bytes;       /* of commands answered */
    uint64_t errors[REDIS_ERROR_KINDS];
    uint64_t restarts; /* seen: its run_id changed */
    enum redis_error last_error;
    char last_text[128]; /* of the last error */
    uint64_t replication_offset;
    uint64_t replication_lag; /* bytes that its slowest connected replica is behind; masters only */
    unsigned replicas;        /* connected to it */
    uint64_t memory_used, memory_max; /* bytes; max 0: unlimited */
    uint32_t round_trip_us;           /* of the last INFO */
    bool info_denied;                 /* by ACL: restarts go unnoticed */
};

struct redis_cluster_info {
    unsigned nodes;
    unsigned slots_served, slots_reachable;
    unsigned under_way;
    size_t under_way_bytes;
    uint64_t retries, redirects, expired, refreshes, refreshes_failed, doubts;
    uint64_t errors[REDIS_ERROR_KINDS]; /* also of nodes that have left */
    uint64_t map_age_ms;                /* since the slot map was last read */
};

void redis_cluster_info(const struct redis_cluster *cluster, struct redis_cluster_info *info);

/* False past the last node. */
bool redis_cluster_node_info(const struct redis_cluster *cluster, unsigned index,
                             struct redis_node_info *info);

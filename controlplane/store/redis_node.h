/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One node: connects when there is something to send, greets (AUTH, INFO), rests after failures,
 * and watches run_id and replication offset by INFO. Internal to the Redis client.
 */
#pragma once

#include "redis_command.h"

struct redis_node;
struct redis_resolver;

struct redis_node_config {
    struct event_base *base;
    char *user, *password; /* NULL: none */
    uint32_t connect_ms, reply_ms;
    struct redis_resolver *resolver; /* that all nodes share */
    uint64_t *errors;                /* [REDIS_ERROR_KINDS], of all nodes together */

    void *context; /* of the calls below */

    /* The answer to a command that isn't internal; the command is the callee's now. */
    void (*on_reply)(void *context, struct redis_node *node, struct redis_command *command,
                     struct redisReply *reply);
    /* The connection is gone; these commands have no answer. */
    void (*on_down)(void *context, struct redis_node *node, struct redis_commands *orphans);
    /* run_id has changed since the last connection: the server was restarted. */
    void (*on_restart)(void *context, struct redis_node *node);
    void (*on_note)(void *context, struct redis_node *node, const char *text);
};

/* `config` must outlive the node. */
struct redis_node *redis_node_new(const struct redis_node_config *config,
                                  const struct redis_address *address);

/* Its commands go to on_down() first. */
void redis_node_free(struct redis_node *node);

/* Takes the command over, and connects if need be. Only when redis_node_usable(). */
void redis_node_send(struct redis_node *node, struct redis_command *command);

/* Connects, if it isn't connected and doesn't rest. */
void redis_node_connect(struct redis_node *node);

/* Some times a second: deadlines, and INFO every two seconds. */
void redis_node_tick(struct redis_node *node);

/* False while it rests after a failure. */
bool redis_node_usable(const struct redis_node *node);

/* Milliseconds until it is usable. */
uint32_t redis_node_rest(const struct redis_node *node);

/* True if it is connected and answers promptly. */
bool redis_node_well(const struct redis_node *node);

/* True from a failure until the next success. */
bool redis_node_failing(const struct redis_node *node);

enum redis_error redis_node_last_error(const struct redis_node *node);

/* Counts an error reply that somebody else has dealt with. */
void redis_node_count_error(struct redis_node *node, enum redis_error error, const char *text);

const struct redis_address *redis_node_address(const struct redis_node *node);

unsigned redis_node_depth(const struct redis_node *node);

/* All but `slots`. */
void redis_node_info(const struct redis_node *node, struct redis_node_info *info);

/* SPDX-License-Identifier: BSD-3-Clause */
/* A command on its way to a node and back: internal to the Redis client. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "monotonic.h"
#include "redis_cluster.h"

struct redis_command {
    TAILQ_ENTRY(redis_command) link;
    char *bytes; /* as sent: an array of bulk strings */
    size_t size;
    int slot;      /* -1: any node will do */
    bool internal; /* concerns one connection, and ends with it */
    bool wait;
    bool repeated; /* see struct redis_result */
    unsigned attempts;
    enum redis_error error; /* of the last attempt */
    uint64_t deadline;      /* ms, monotonic_ms() */
    uint64_t not_before;    /* ms: when to try again */
    redis_done *done;       /* NULL: nobody wants to know */
    void *user;
};

TAILQ_HEAD(redis_commands, redis_command);

/* NULL when out of memory. */
struct redis_command *redis_command_new(int argc, const char *const *argv, const size_t *sizes);

/* Tells the submitter, and frees the command. */
void redis_command_finish(struct redis_command *command, enum redis_outcome outcome,
                          enum redis_error error, const struct redisReply *reply);

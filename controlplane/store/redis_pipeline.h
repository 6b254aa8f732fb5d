/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One connection to a Redis server, and the commands on it: sent as fast as the socket takes them,
 * answered in order. Driven by an event loop; nothing here waits. Internal to the Redis client.
 */
#pragma once

#include "redis_command.h"

struct event_base;

struct redis_pipeline_owner {
    void *context;
    /* The connection stands. */
    void (*on_connect)(void *context);
    /*
     * The answer to the oldest command, which is the owner's now. The owner may not close the
     * pipeline from here; false has it closed, with REDIS_ERROR_closed.
     */
    bool (*on_reply)(void *context, struct redis_command *command, struct redisReply *reply);
    /* The connection is gone; the commands without an answer are the owner's now. */
    void (*on_close)(void *context, enum redis_error error, const char *text,
                     struct redis_commands *orphans);
};

struct redis_pipeline;

/* Begins to connect; the host is a number. NULL if that fails at once; `owner` is then told
 * nothing. */
struct redis_pipeline *redis_pipeline_open(struct event_base *base,
                                           const struct redis_address *address,
                                           const struct redis_pipeline_owner *owner);

/* Takes the command over. It is sent when the connection stands. */
void redis_pipeline_send(struct redis_pipeline *pipeline, struct redis_command *command);

/*
 * Closes it for this reason if it took longer than `connect_ms` to connect, or if the server owes
 * an answer and hasn't sent a byte for `reply_ms`. Returns false if it was closed.
 */
bool redis_pipeline_check(struct redis_pipeline *pipeline, uint32_t connect_ms, uint32_t reply_ms);

/* Closes it, and hands the commands without an answer to on_close(). */
void redis_pipeline_close(struct redis_pipeline *pipeline, enum redis_error error,
                          const char *text);

/* Commands without an answer. */
unsigned redis_pipeline_depth(const struct redis_pipeline *pipeline);

/* Milliseconds for which the server has owed an answer and not sent a byte. */
uint64_t redis_pipeline_silence(const struct redis_pipeline *pipeline);

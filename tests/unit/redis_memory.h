/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A Redis within the process: what is submitted to redis_cluster_submit() is answered from the
 * event loop, from strings and streams kept here, or with whatever trouble a test asks for. To be
 * linked with -Wl,--wrap=redis_cluster_submit; which client a command comes from makes no
 * difference.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "controlplane/store/redis_cluster.h"

/* Begins empty, without trouble. */
void redis_memory_open(struct event_base *base);

/* Answers all that is under way, at once: then who asked may be freed. */
void redis_memory_settle(void);

/* Cancels it instead. */
void redis_memory_close(void);

/* Commands with this name, whose key holds this text, are answered so instead, `times` times. */
struct redis_trouble {
    const char *command; /* NULL: no trouble */
    const char *key;     /* NULL: any */
    enum redis_outcome outcome;
    const char *reply; /* RESP; NULL: none */
    bool carried_out;  /* but nobody is told */
    unsigned times;    /* counts down */
};

extern struct redis_trouble redis_trouble;

/* While it is set, submitting fails: too much is under way. */
extern bool redis_full;

/* Commands of this name so far. */
unsigned redis_memory_asked(const char *command);

/* A string. */
void redis_memory_put(const char *key, const void *bytes, size_t size);
const void *redis_memory_get(const char *key, size_t *size);

/* A stream's next entry, under the ID ms-number. */
void redis_memory_append(const char *key, uint64_t ms, uint64_t number, const void *bytes,
                         size_t size);

/* Leaves only the last `count` entries of a stream. */
void redis_memory_trim(const char *key, unsigned count);

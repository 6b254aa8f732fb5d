/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where chunks are kept: a directory of files, or Redis. One face for both; nothing here waits.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "redis_cluster.h"

enum {
    STORE_APPLIANCES_MAX = 64, /* appliances are numbered from 0 */
    STORE_TEXT_SIZE = 192,
};

enum store_result {
    STORE_OK,
    STORE_ABSENT,    /* there is no such chunk */
    STORE_FOREIGN,   /* there is something else where the chunk should be */
    STORE_AWAY,      /* the store, or the part of it that has the chunk, can't be reached now */
    STORE_REFUSED,   /* it is full, or denies us the right */
    STORE_CANCELLED, /* the store was closed */
};

/* Reports of a write and of a read. `bytes` are gone after the call. */
typedef void store_written(void *user, unsigned chunk, enum store_result result);
typedef void store_fetched(void *user, unsigned appliance, unsigned chunk, enum store_result result,
                           const uint8_t *bytes, size_t size);

struct store_info {
    const char *kind;            /* "file", "redis" */
    char place[STORE_TEXT_SIZE]; /* the directory, or the nodes that were configured */
    uint64_t chunks_written, chunks_read, bytes_written, bytes_read;
    uint64_t write_errors, read_errors;
    unsigned under_way;               /* requests */
    char last_error[STORE_TEXT_SIZE]; /* "" if there was none */
};

struct store;

/* What a kind of store does; see the functions of the same name below. */
struct store_kind {
    const char *name;
    int (*write)(struct store *store, unsigned appliance, unsigned chunk, const uint8_t *bytes,
                 size_t size, store_written *done, void *user);
    int (*fetch)(struct store *store, unsigned appliance, unsigned chunk, store_fetched *done,
                 void *user);
    unsigned (*room)(const struct store *store);
    struct redis_cluster *(*redis)(struct store *store); /* NULL: there is none */
    void (*close)(struct store *store);
};

/* What all kinds begin with. */
struct store {
    const struct store_kind *kind;
    struct store_info info;
};

/*
 * Writes a chunk; `bytes` are copied. Not while another write of the same chunk is under way.
 * 0, -EAGAIN when too much is under way, or -ENOMEM.
 */
int store_write(struct store *store, unsigned appliance, unsigned chunk, const uint8_t *bytes,
                size_t size, store_written *done, void *user);

/* Reads a chunk. The same errors. */
int store_fetch(struct store *store, unsigned appliance, unsigned chunk, store_fetched *done,
                void *user);

/* How many more requests would be taken now. */
unsigned store_room(const struct store *store);

/* The client behind a store in Redis, else NULL. */
struct redis_cluster *store_redis(struct store *store);

const struct store_info *store_info(const struct store *store);

/* Finishes the writes that are under way, as far as they can be finished at once; cancels the rest.
 */
void store_close(struct store *store);

/* Keeps the text of an error for store_info(). */
void store_note_error(struct store *store, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Kinds ---------------------------------------------------------------------------------------- */

struct event_base;

/*
 * A directory of files, one a chunk, written by a thread of its own. A batch of chunks goes to
 * temporary names, is made durable by one syncfs(), and then renamed: whatever happens, each chunk
 * is there whole, in its old version or its new.
 *
 * Makes the directory if need be, but not its parents. NULL with one line of explanation in
 * `error`; a directory that another process uses is refused.
 */
struct store *store_open_file(struct event_base *base, const char *directory, char *error,
                              size_t error_size);

struct store_redis_config {
    struct redis_cluster_config client; /* its user_data, on_doubt and on_note are the store's */
    uint32_t expiry; /* seconds that Redis keeps a chunk that isn't written anew */

    void *user_data; /* of the calls below; each may be NULL */

    /* What was written as this chunk, of any appliance, may be lost. */
    void (*on_doubt)(void *user_data, unsigned chunk);
    void (*on_note)(void *user_data, const char *text);
};

/* Redis Cluster or a single server. NULL when out of memory or when no nodes are given. */
struct store *store_open_redis(struct event_base *base, const struct store_redis_config *config);

/* The slot of a chunk: bits reversed, so that runs of chunks spread over all nodes. */
unsigned store_redis_slot(unsigned chunk);

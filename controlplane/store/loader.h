/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads the chunks of an appliance from the store into the tables: at start, for recovery, and
 * whenever a gap in another's deltas has to be closed. Announces are served meanwhile; what clients
 * said since wins over what was stored.
 */
#pragma once

#include "chunk.h"
#include "importer.h"
#include "store.h"

enum loader_chunk {
    LOADER_ABSENT,
    LOADER_LOADED,
    LOADER_DAMAGED, /* not a chunk, or with a wrong checksum */
    LOADER_NEWER,   /* written by a newer version of Muster; not to be overwritten */
    LOADER_FOREIGN, /* another appliance's, another chunk, or something of another type */
    LOADER_FAILED,  /* the store did not give it */
    LOADER_CHUNK_KINDS,
};

const char *loader_chunk_name(enum loader_chunk kind);

struct loader_info {
    bool running;
    unsigned appliance;
    unsigned chunks_done; /* of TRANSFER_CHUNKS; a failed one counts until it is tried again */
    uint64_t chunks[LOADER_CHUNK_KINDS];
    uint64_t swarms, peers; /* handed to the tables */
    uint64_t peers_expired; /* left out, for they were too old */
    uint64_t peers_dead;    /* left out, for they are known to have stopped since */
    uint64_t bytes;
    double seconds; /* that it took, or takes so far */
};

struct loader_config {
    struct event_base *base;
    struct store *store;
    struct jobs *jobs;
    struct dataplane *dataplane;
    struct seen_clock *clock;               /* the appliance's */
    const struct swarms_timeouts *timeouts; /* as they are in force; may change */

    void *user; /* of the calls below; each may be NULL */

    /* A chunk was dealt with. `header` is there when it was loaded. */
    void (*on_chunk)(void *user, unsigned appliance, unsigned chunk, enum loader_chunk kind,
                     const struct chunk_header *header);
    /* All are, and are in the tables. */
    void (*on_done)(void *user, const struct loader_info *info);
    /* Takes the peers that are known to have stopped out of `peers`; returns how many are left. */
    uint32_t (*filter)(void *user, const uint8_t *info_hash, uint8_t family, void *peers,
                       uint32_t count);
};

struct loader;

/* NULL when out of memory. */
struct loader *loader_new(const struct loader_config *config);
void loader_free(struct loader *loader);

/*
 * Begins to load; `writer_ahead` is what the appliance's clock is ahead of ours, in seconds, as far
 * as known. Not while it is running.
 */
void loader_start(struct loader *loader, unsigned appliance, int64_t writer_ahead);

/* Only looks at the chunks: on_chunk() tells of each, but nothing gets into the tables. */
void loader_inspect(struct loader *loader, unsigned appliance);

/* Begins to load those of the same appliance that the store did not give the last time. */
void loader_retry(struct loader *loader);

/*
 * Begins to load (or only to look at, as the last time) some chunks of an appliance: those that are
 * true.
 */
void loader_resume(struct loader *loader, unsigned appliance, const bool chunks[TRANSFER_CHUNKS]);

const struct loader_info *loader_info(const struct loader *loader);

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writes this appliance's chunks to the store, over and over: all tables are exported once an
 * interval, run of chunks by run, evenly spread; a chunk is written when its bytes differ from
 * those stored last, when the store may have lost it, or when it is due to be refreshed.
 *
 * A chunk that can't be written is tried again in the next interval. Nothing is queued: what a
 * store that is away costs is one digest a chunk.
 */
#pragma once

#include "chunk.h"
#include "loader.h"
#include "store.h"

struct snapshot_config {
    struct event_base *base;
    struct store *store;
    struct jobs *jobs;
    struct dataplane *dataplane;
    struct seen_clock *clock; /* the appliance's */

    unsigned appliance;
    uint64_t epoch;
    uint64_t layout;   /* fingerprint of the secret by which info-hashes map to chunks */
    uint32_t interval; /* seconds, within which a change is stored */
    uint32_t refresh;  /* seconds, within which every chunk is written, changed or not */
};

struct snapshot_info {
    bool running;    /* false until snapshot_start() */
    bool urgent;     /* one is under way that was asked for */
    double progress; /* of the current pass, or of the one that was asked for, 0..1 */
    uint64_t passes; /* through all chunks */
    uint64_t chunks_written, chunks_unchanged, chunks_failed;
    uint64_t bytes_written, peers_written;
    unsigned chunks_newer;  /* now kept by a newer version in the store: never written */
    unsigned chunks_stored; /* that are in the store, as far as known */
    uint64_t peers_stored, bytes_stored; /* in them */
    uint32_t oldest_dirty;               /* seconds since the chunk was stored that waits longest */
    uint64_t doubts;                     /* chunks that the store may have lost, since the start */
    double last_pass_seconds;
};

struct snapshot;

/* NULL when out of memory. */
struct snapshot *snapshot_new(const struct snapshot_config *config);
void snapshot_free(struct snapshot *snapshot);

/* Before snapshot_start(), if the epoch of the configuration wasn't final. */
void snapshot_set_epoch(struct snapshot *snapshot, uint64_t epoch);

/*
 * Begins to write. Not before what is stored was read, or it would be overwritten; see
 * snapshot_found().
 */
void snapshot_start(struct snapshot *snapshot);

/* Writes no more. */
void snapshot_stop(struct snapshot *snapshot);

/*
 * Writes all chunks that have changed as fast as it goes; `done` (may be NULL) is called when all
 * of them have been tried, with the number of those that could not be written. Several may ask at
 * once: all are told. -ENOMEM, or -EBUSY before snapshot_start().
 */
int snapshot_now(struct snapshot *snapshot, void (*done)(void *user, unsigned failed), void *user);

/*
 * The store has this in place of our chunk, as loader's on_chunk() tells. A newer version's chunk
 * isn't written; neither is one that could not be read (LOADER_FAILED), until it was.
 */
void snapshot_found(struct snapshot *snapshot, unsigned chunk, enum loader_chunk kind);

/* The store may have lost the chunk. */
void snapshot_doubt(struct snapshot *snapshot, unsigned chunk);

/* Torrents (a swarm each) and peers, as the last pass counted them. */
void snapshot_census(const struct snapshot *snapshot, uint64_t *torrents, uint64_t *peers);

/* Live settings. */
void snapshot_set(struct snapshot *snapshot, uint32_t interval, uint32_t refresh);

void snapshot_info(const struct snapshot *snapshot, struct snapshot_info *info);

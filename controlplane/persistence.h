/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What outlives the process: ties the store, recovery at start, snapshots and the fleet together.
 * One face for main() and the operator.
 *
 * At start, what is stored is read into the tables while announces are served; only then are
 * snapshots written. Chunks that the store couldn't give are asked for again and again, and not
 * written before they were read.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fleet/fleet.h"
#include "persistence_settings.h"
#include "store/snapshot.h"

struct persistence_config {
    const struct persistence_settings *settings;
    struct event_base *base;
    struct jobs *jobs;
    struct dataplane *dataplane;
    const struct swarms_secret *secret;     /* by which info-hashes map to chunks */
    const struct swarms_timeouts *timeouts; /* as they are in force; may change */

    void *user; /* of the call below */
    /* Something that an operator may want to read. */
    void (*on_note)(void *user, bool warning, const char *text);
};

enum persistence_state {
    PERSISTENCE_WAITING, /* for the fleet's members */
    PERSISTENCE_LOADING, /* what is stored, into the tables */
    PERSISTENCE_SERVING,
    PERSISTENCE_STOPPED,
};

struct persistence_info {
    enum persistence_state state;
    unsigned sources, sources_done; /* appliances whose snapshots are read at start */
    double progress;                /* of loading, 0..1 */
    double seconds;                 /* that loading took, or takes so far */
    struct loader_info loaded;      /* sums over all sources */
    unsigned chunks_unread;         /* of ours, that the store could not give yet */
    struct snapshot_info snapshot;
    struct store_info store;
    bool has_fleet;
};

struct persistence;

/*
 * Opens the store and begins to load. NULL with one line of explanation in `error`. Not to be
 * called with PERSISTENCE_NONE.
 */
struct persistence *persistence_start(const struct persistence_config *config, char *error,
                                      size_t error_size);

/* Writes all that has changed; see snapshot_now(). -EBUSY while it is still loading. */
int persistence_snapshot(struct persistence *persistence, void (*done)(void *user, unsigned failed),
                         void *user);

/* Settings that may change while it runs: interval and refresh. */
void persistence_set(struct persistence *persistence, const struct persistence_settings *settings);

/* Runs the event loop until a last snapshot is written, for `seconds` at most; closes the store. */
void persistence_stop(struct persistence *persistence, uint32_t seconds);

/* After persistence_stop() and dataplane_stop(). */
void persistence_free(struct persistence *persistence);

void persistence_info(const struct persistence *persistence, struct persistence_info *info);

/* The Redis client, and the fleet; NULL where there is none. */
const struct redis_cluster *persistence_redis(const struct persistence *persistence);
const struct fleet *persistence_fleet(const struct persistence *persistence);

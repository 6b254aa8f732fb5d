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
#include "store/snapshot.h"

enum persistence_kind { PERSISTENCE_NONE, PERSISTENCE_FILE, PERSISTENCE_REDIS };

enum { PERSISTENCE_NODES_MAX = 16, PERSISTENCE_NODE_SIZE = 128 };

/* What the configuration says; no pointers, so that it may be copied. */
struct persistence_settings {
    enum persistence_kind kind;
    char directory[256]; /* of PERSISTENCE_FILE */
    uint32_t interval;   /* seconds, within which a change is stored */
    uint32_t refresh;    /* seconds, within which every chunk is written, changed or not */

    struct {
        unsigned nodes_count;
        char nodes[PERSISTENCE_NODES_MAX][PERSISTENCE_NODE_SIZE]; /* host:port */
        bool single;                                              /* a server, not a cluster */
        char user[64];                                            /* "": the default user */
        char password_file[256];                                  /* "": none */
        uint32_t expiry; /* seconds that Redis keeps what isn't written anew */
    } redis;

    struct {
        bool enabled; /* needs PERSISTENCE_REDIS */
        unsigned
            number; /* of this appliance, 0 to 63; its snapshots bear it, also without a fleet */
        char name[MEMBER_NAME_SIZE]; /* "": the host's */
        uint32_t retention;          /* seconds that streams hold deltas */
    } fleet;
};

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

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The data plane without packets: swarm tables with a thread each, which work on jobs as workers
 * do. Implements of dataplane.h what persistence and sharing need; announces come as function
 * calls.
 */
#pragma once

#include "dataplane/dataplane.h"

struct tables_config {
    unsigned workers;
    uint32_t torrents_max;
    uint64_t peers_max;
    struct swarms_secret secret;
    struct swarms_timeouts timeouts;
    unsigned deltas; /* records of each worker's ring, a power of two; 0: none */
};

/* NULL when out of memory. */
struct dataplane *tables_start(const struct tables_config *config);
void tables_stop(struct dataplane *dataplane);

/*
 * Answers announces of one owner, as swarms_announce(), as if `age` seconds ago; works out their
 * hashes.
 */
void tables_announce(struct dataplane *dataplane, unsigned worker,
                     struct swarms_announce *const announces[], unsigned count, uint32_t age);

/* Calls `each` for every peer of a torrent. */
void tables_list(struct dataplane *dataplane, const uint8_t *info_hash, uint8_t family,
                 void (*each)(void *user, const uint8_t *peer, uint8_t flags, uint32_t seen),
                 void *user);

/* Sums over all tables. */
void tables_counters(struct dataplane *dataplane, struct swarms_counters *sum);

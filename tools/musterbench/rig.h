/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One worker without ports: its pipeline and its tables, and requests in memory where a NIC would
 * have put them.
 *
 * The frames lie in a ring like the mbufs of a pool, each behind its struct request. They are
 * written by rig_fill(), the whole ring before any of it is served, outside of the time measured.
 * The ring (RIG_FRAMES_DEFAULT) is as many as go around in a worker with a receive and a transmit
 * ring of 1024 descriptors: their lines do not fit the first-level cache, and about fit the second.
 */
#pragma once

#include "../../dataplane/pipeline.h"
#include "../workload/stream.h"
#include "machine.h"

enum {
    RIG_FRAMES_DEFAULT = 2048, /* --frames 8192 for frames that come from the third level */
    RIG_BURST = 32,            /* what musterd takes unless told otherwise (workers.burst) */
};

struct rig {
    struct pipeline pipeline;
    struct dataplane_settings settings;
    struct listen_table listen;
    struct swarms_secret secret;
    uint64_t counters[COUNTERS];
    struct stream stream;

    unsigned frames;
    struct request **requests;
    uint64_t announces, connects, scrapes; /* in the ring */
    bool offload;                          /* checksums are the port's */

    void *ring_memory, *table_memory, *limiter_memory;
    size_t ring_size, table_size;
    enum machine_pages ring_pages, table_pages, limiter_pages;
};

struct rig_config {
    const struct workload *workload;
    struct swarms_limits limits;
    unsigned frames;
    unsigned worker, workers;
    bool offload;
    bool rate_limits; /* rate limits are checked, as for a port without XDP in front */
    enum machine_pages pages;
    uint64_t seed;
};

/* 0, or a negative errno. */
int rig_init(struct rig *rig, const struct rig_config *config);
void rig_free(struct rig *rig);

/* Fills the ring with the next requests of the workload. */
void rig_fill(struct rig *rig);

/* Fills the ring with announces of the peers from `first` on. Returns how many, at most `count`. */
unsigned rig_fill_announces(struct rig *rig, uint32_t first, uint32_t count);

/* Serves one burst of the ring as a worker would. */
void rig_serve(struct rig *rig, unsigned first, unsigned count);

/* Announces every peer once. */
void rig_populate(struct rig *rig);

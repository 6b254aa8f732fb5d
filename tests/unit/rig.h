/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Workers without ports or threads: their pipelines, with small tables, and requests carried
 * between them by hand. Asserts by cmocka.
 */
#pragma once

#include "dataplane/pipeline.h"
#include "frame.h"

enum { RIG_WORKERS_MAX = 8 };

struct rig {
    unsigned workers;
    struct pipeline pipelines[RIG_WORKERS_MAX];
    void *tables[RIG_WORKERS_MAX];
    uint64_t counters[RIG_WORKERS_MAX][COUNTERS];
    struct dataplane_settings settings;
    struct listen_table listen;
    struct swarms_secret secret;
};

void rig_start(struct rig *rig, unsigned workers);
void rig_start_with(struct rig *rig, unsigned workers, const struct swarms_limits *limits);
void rig_stop(struct rig *rig);

/*
 * Lets worker 0 receive a frame, and all of them work until it came out: replied to, dropped or
 * punted, as its verdict says.
 */
void rig_serve(struct rig *rig, struct frame *frame);

/* The same for several at once, at most SWARMS_BURST_MAX. */
void rig_serve_burst(struct rig *rig, struct frame *frames, unsigned count);

/* The same, received by another worker than 0. */
void rig_serve_at(struct rig *rig, unsigned worker, struct frame *frames, unsigned count);

/* Sum over the workers. */
uint64_t rig_count(const struct rig *rig, enum counter counter);

/* A connection ID for the client of frame.h. */
uint64_t rig_connection_id(const struct rig *rig, bool ipv6);

/* Of the reply in a frame: its payload, and a number in it. */
const uint8_t *rig_payload(const struct frame *frame);
uint32_t rig_load32(const uint8_t *at);

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the data plane is doing: read once a second for everyone who wants to know (load for the
 * announce interval, metrics, stats, the page, the watchdog), with rates over the last second and
 * five minutes of history. It is the only reader of dataplane_worker_info(), whose `alive` is per
 * call.
 */
#pragma once

#include "../../dataplane/dataplane.h"

enum {
    OBSERVATION_HISTORY = 300,     /* seconds */
    OBSERVATION_XDP_MAX = 48,      /* XDP verdicts */
    OBSERVATION_STUCK_SECONDS = 3, /* a worker that made no loop for so long is called stuck */
};

struct controlplane;
struct observation;

/* Sums over all workers, and what they hold. */
struct observation_totals {
    uint64_t counters[COUNTERS];
    uint64_t burst_sizes[HISTOGRAM_BURST];
    uint64_t service_times[HISTOGRAM_SERVICE];
    uint64_t xdp[OBSERVATION_XDP_MAX];
    struct swarms_counters swarms;
};

/* One second, in numbers a second. */
struct observation_rates {
    double time; /* wall clock, seconds */
    double received, sent, bytes_sent;
    double connects, announces_ipv4, announces_ipv6, scrapes, errors;
    double dropped;         /* by workers and by XDP */
    double load, load_mean; /* share of time at work, 0..1: the busiest worker's, and of all */
    double service_p50, service_p99; /* seconds from receive to send */
    uint64_t torrents, peers, seeders;
};

/* NULL when out of memory. Nothing is read before the first observation_tick(). */
struct observation *observation_new(struct controlplane *controlplane);
void observation_free(struct observation *observation);

/* Once a second, by the control plane's tick. */
void observation_tick(struct observation *observation);

/* Counters as they are at this moment; rates stay those of the last tick. */
void observation_refresh(struct observation *observation);

/* The last whole second; zeros before the second tick. */
const struct observation_rates *observation_rates(const struct observation *observation);

/* The second `ago` seconds before that, or NULL. */
const struct observation_rates *observation_past(const struct observation *observation,
                                                 unsigned ago);

const struct observation_totals *observation_totals(const struct observation *observation);

/* The same as rates: what each counter grew by in the last second. */
double observation_counter_rate(const struct observation *observation, enum counter counter);
double observation_xdp_rate(const struct observation *observation, unsigned verdict);

const struct dataplane_worker_info *observation_worker(const struct observation *observation,
                                                       unsigned worker);
/* Of the last second: share of time at work 0..1, and packets received. */
double observation_worker_load(const struct observation *observation, unsigned worker);
double observation_worker_rate(const struct observation *observation, unsigned worker,
                               enum counter counter);

const struct dataplane_port_info *observation_port(const struct observation *observation,
                                                   unsigned port);

/* A worker that made no loop for OBSERVATION_STUCK_SECONDS, or -1. For the watchdog and /healthz.
 */
int observation_stuck_worker(const struct observation *observation);

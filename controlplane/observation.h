/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the data plane is doing: read once a second for everyone who wants to know (load for the
 * announce interval, metrics, stats, the page, the watchdog), with rates over the last second and
 * five minutes of history. It is the only reader of dataplane_worker_info(), whose `alive` is per
 * call.
 */
#pragma once

#include "../bpf/steering_verdicts.h"
#include "../dataplane/dataplane.h"

enum {
    OBSERVATION_HISTORY = 300,     /* seconds */
    OBSERVATION_STUCK_SECONDS = 3, /* a worker that made no loop for so long is called stuck */
};

struct observation;
struct steering;

/* Sums over all workers, and over all CPUs. */
struct observation_totals {
    uint64_t counters[COUNTERS];
    uint64_t xdp[STEERING_COUNTERS]; /* zeros where XDP doesn't steer */
    uint64_t burst_sizes[HISTOGRAM_BURST];
    uint64_t service_times[HISTOGRAM_SERVICE];
    struct swarms_counters swarms;
};

/* One second of the whole appliance, in numbers a second. */
struct observation_rates {
    double time;           /* wall clock, seconds; 0: not filled yet */
    double received, sent; /* packets, what XDP answered or dropped included */
    double bytes_sent;     /* by workers */
    double connects, announces_ipv4, announces_ipv6, scrapes, errors;
    double dropped;                  /* by workers and by XDP */
    double load, load_mean;          /* time at work, 0..1: of the busiest worker, and of all */
    double service_p50, service_p99; /* seconds from receive to send */
    uint64_t torrents, peers, seeders;
};

/* `steering` may be NULL. NULL when out of memory. */
struct observation *observation_new(struct dataplane *dataplane, struct steering *steering);
void observation_free(struct observation *observation);

/* Once a second, by the control plane's tick. */
void observation_tick(struct observation *observation);

/* Reads the counters as they are at this moment; rates stay those of the last tick. */
void observation_refresh(struct observation *observation);

/* The second that ended `ago` ticks ago; one without traffic or before the start is all zeros. */
const struct observation_rates *observation_rates(const struct observation *observation,
                                                  unsigned ago);

unsigned observation_workers(const struct observation *observation);
unsigned observation_ports(const struct observation *observation);

const struct observation_totals *observation_totals(const struct observation *observation);
const struct dataplane_worker_info *observation_worker(const struct observation *observation,
                                                       unsigned worker);
const struct dataplane_port_info *observation_port(const struct observation *observation,
                                                   unsigned port);

/* What grew in the last second, a second. */
double observation_counter_rate(const struct observation *observation, unsigned counter);
double observation_xdp_rate(const struct observation *observation, unsigned counter);

/* Packets for the tracker since the start: received by workers, or answered or dropped by XDP. */
uint64_t observation_received(const struct observation *observation);

struct observation_worker_rates {
    bool alive;                      /* went through its loop within OBSERVATION_STUCK_SECONDS */
    double load;                     /* 0..1 */
    double received, sent, dropped;  /* packets a second */
    double burst_mean;               /* packets */
    double service_p50, service_p99; /* seconds */
};
struct observation_worker_rates observation_worker_rates(const struct observation *observation,
                                                         unsigned worker);

struct observation_port_rates {
    double rx_packets, rx_bytes, rx_lost, tx_packets, tx_bytes; /* a second */
};
struct observation_port_rates observation_port_rates(const struct observation *observation,
                                                     unsigned port);

/* A worker that is stuck, or -1. For the watchdog and /healthz. */
int observation_stuck_worker(const struct observation *observation);

/* Of cycles_busy and cycles_total. */
double observation_cycles_per_second(const struct observation *observation);

/*
 * The time below which `share` (0..1) of the bursts of a service-time histogram lie, in seconds;
 * within a bucket they are taken to be spread evenly. 0 when the histogram is empty.
 */
double observation_service_quantile(const uint64_t service_times[HISTOGRAM_SERVICE], double share);

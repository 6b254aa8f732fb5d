/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A worker: one core that goes round and round, taking packets from its queues and its rings
 * through the stages of pipeline.h, and keeping house now and then. Nothing here blocks (but to
 * sleep when there is nothing to do and the settings say so), allocates, logs, or takes a lock.
 *
 * Everything is private to the worker's thread but for what is marked as shared.
 */
#pragma once

#include <stdatomic.h>

#include "clock.h"
#include "jobs.h"
#include "memory.h"
#include "pipeline.h"
#include "port.h"
#include "settings.h"

struct rte_mbuf;

enum {
    /* Items of the ring between two workers: what a worker may fall behind, 100 us at 10 M/s. */
    WORKER_RING_SLOTS = 1024,
    /* Half of a turn's lanes are for what others handed over, half for the queues. */
    WORKER_TAKE_MAX = SWARMS_BURST_MAX / 2,
};

/* A queue of a port that this worker polls, and the kernel's side of it. */
struct worker_queue {
    uint16_t port; /* ethdev's */
    uint16_t queue;
    uint16_t exception;      /* ethdev's, or PORT_NONE */
    struct request received; /* what a request from here begins as */
};

/* Replies on their way to one port. */
struct worker_transmit {
    uint16_t port, queue; /* ethdev's; PORT_NONE: no queue of ours, replies go home */
    bool resting;         /* what is to be sent is lost */
    unsigned count;
    struct rte_mbuf *mbufs[SWARMS_BURST_MAX];
    /* A packet that was sent isn't ours any more: what is to be counted of it then. */
    uint8_t counters[SWARMS_BURST_MAX]; /* enum counter */
    uint16_t lengths[SWARMS_BURST_MAX]; /* bytes */
};

/* What the worker tells about itself. A set of words that are each right by themselves. */
struct worker_report {
    uint64_t loops;
    uint64_t cycles_busy, cycles_total;
    uint64_t burst_packets, burst_cycles; /* of all bursts together */
    uint64_t counters[COUNTERS];
    uint64_t burst_sizes[HISTOGRAM_BURST];
    uint64_t service_times[HISTOGRAM_SERVICE];
    struct swarms_counters swarms;
};

enum { WORKER_REPORT_WORDS = sizeof(struct worker_report) / sizeof(uint64_t) };
_Static_assert(sizeof(struct worker_report) % sizeof(uint64_t) == 0, "words only");

struct worker {
    struct pipeline pipeline;
    struct worker_report report;

    /* Where requests come from, and where replies go to. */
    unsigned queues_count, queues_used, ports_count;
    struct worker_queue queues[DATAPLANE_PORTS_MAX]; /* at most one of a port; used ones first */
    struct worker_transmit transmits[DATAPLANE_PORTS_MAX]; /* by request->port */
    struct handoff_ring *in[DATAPLANE_WORKERS_MAX];        /* from each worker; NULL from itself */
    struct handoff_ring *out[DATAPLANE_WORKERS_MAX];       /* to each worker */
    struct lane home[DATAPLANE_WORKERS_MAX];               /* replies that another has to send */
    struct lane arriving; /* taken from `in`; joins in the next turn */
    unsigned turn;        /* which source comes first */

    /* Housekeeping. */
    const struct clock *clock;
    uint64_t loop_start, next_housekeeping, last_expiry; /* time stamp counter */
    double expiry_due; /* cache lines that it is time to look at */
    unsigned idle_turns;
    struct worker_jobs jobs;
    struct memory tables, limits, deltas;

    /* Set before it runs. */
    unsigned core;
    struct swarms_limits swarms_limits;
    const struct swarms_secret *secret;
    const struct settings *settings; /* as they are published */
    unsigned deltas_slots;           /* 0: none */
    bool huge_pages;

    /* Shared with the control thread. */
    _Alignas(64) _Atomic bool stop;
    /* Ports to be left alone, by bit, below a number that is another one each time; and what of it
     * the worker knows: when both are the same it touches none of these ports. */
    _Atomic uint64_t rest_wanted, rest_heeded;
    _Alignas(64) _Atomic uint64_t generation; /* of the settings in use */
    _Alignas(64) _Atomic uint64_t reported[WORKER_REPORT_WORDS];
};

/*
 * Lays out the tables; to be run on the worker's core, so that the memory is of its node. 0 or a
 * negative errno. Argument: struct worker.
 */
int worker_prepare(void *worker);

/* The loop; returns 0 when worker->stop is set. Argument: struct worker. */
int worker_run(void *worker);

/* Gives back what worker_prepare() took. */
void worker_release(struct worker *worker);

/* For the control thread: what the worker last told. */
void worker_read_report(const struct worker *worker, struct worker_report *report);

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The stages of one worker, over bursts of requests: parse, admit, steer, act, finish. No ports, no
 * rings, no DPDK: worker.c brings requests in and takes them away by their lanes, and so do benches
 * and fuzzers.
 *
 * From one pipeline_begin() to the next, at most SWARMS_BURST_MAX requests are brought in by
 * pipeline_parse() and pipeline_join() together: that bounds every lane.
 *
 * Private to the thread that runs it.
 */
#pragma once

#include "dataplane.h"
#include "deltas.h"
#include "listen.h"
#include "request.h"

/* Requests that go the same way. */
struct lane {
    unsigned count;
    struct request *requests[SWARMS_BURST_MAX];
};

struct pipeline {
    /* Set once. */
    const struct listen_table *listen;
    const struct swarms_secret *secret;
    struct swarms *swarms;
    unsigned worker, workers;
    uint64_t *counters;           /* [COUNTERS] */
    uint64_t random;              /* state of the jitter; any seed */
    struct deltas *deltas;        /* where announces are told on; NULL: nowhere */
    struct limiter_line *limiter; /* LIMITER_TABLE_SIZE, zeroed; may be NULL if all is screened */

    /* Set now and then. */
    const struct dataplane_settings *settings;
    uint32_t now;         /* seconds, see swarms_announce() */
    uint64_t nanoseconds; /* CLOCK_MONOTONIC */

    /* Within the pipeline. */
    struct lane requests;           /* parsed; then admitted */
    struct lane announces, scrapes; /* for our own tables */
    struct lane replies;            /* that were made here, but for their headers */

    /* Out of it. */
    struct lane sends;                       /* replies to be sent */
    struct lane drops;                       /* to be freed; counted already */
    struct lane punts;                       /* to the kernel, or dropped as not_ours */
    struct lane away[DATAPLANE_WORKERS_MAX]; /* to the worker of that number */
};

/* Empties all lanes. */
void pipeline_begin(struct pipeline *pipeline);

/* Received frames, in order: into requests, punts and drops. */
void pipeline_parse(struct pipeline *pipeline, struct request *const requests[], unsigned count);

/* Bans, connection IDs, rate limits, the access list; answers connects. */
void pipeline_admit(struct pipeline *pipeline);

/* Works out what is asked, and sorts by owner: announces, scrapes or away. */
void pipeline_steer(struct pipeline *pipeline);

/*
 * Asks for what pipeline_join() will look at. Another core has written it, and gets it here in
 * about 150 ns: expect it a round before it is to join.
 */
void pipeline_expect(struct request *const requests[], unsigned count);

/* Adds what other workers handed over: announces and scrapes of ours, and replies to send. */
void pipeline_join(struct pipeline *pipeline, struct request *const requests[], unsigned count);

/* Asks the tables. Scrapes that have rows of others left go away; all else becomes replies. */
void pipeline_act(struct pipeline *pipeline);

/* Writes the headers of the replies that were made here. */
void pipeline_finish(struct pipeline *pipeline);

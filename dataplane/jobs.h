/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Jobs of the control plane (dataplane.h) on their way to a worker and back, and the worker's part
 * of them: one after the other, a slice at a time.
 */
#pragma once

#include "dataplane.h"
#include "handoff.h"
#include "slices.h"

enum {
    /* Jobs under way at a worker. */
    JOBS_SLOTS = 64,
};

struct worker_jobs {
    struct handoff_ring *submitted, *finished; /* JOBS_SLOTS each */
    struct dataplane_job *current;             /* the worker's */
    size_t position;                           /* in its buffer */
    unsigned slivers;                          /* since the last slice */
    unsigned under_way;                        /* the control thread's: not collected yet */
};

/*
 * For the worker, now and then and when it has nothing else to do. True when there is more to do at
 * once. Leaves an export to slivers if there were any since the last call, and no other job waits.
 */
bool jobs_slice(struct worker_jobs *jobs, struct swarms *swarms,
                const struct swarms_timeouts *timeouts, uint32_t now);

/* For the worker, after each burst while there is more to do: a bit of an export, if it is one. */
void jobs_sliver(struct worker_jobs *jobs, struct swarms *swarms, uint32_t now);

/* For the control thread. -EAGAIN when there are JOBS_SLOTS under way. */
int jobs_put(struct worker_jobs *jobs, struct dataplane_job *job);
struct dataplane_job *jobs_collect(struct worker_jobs *jobs);

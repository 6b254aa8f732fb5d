/* SPDX-License-Identifier: BSD-3-Clause */
#include "jobs.h"

#include <errno.h>

/* Each of these does a slice, and returns true when its job is done. */

static bool export_slice(struct dataplane_job *job, struct swarms *swarms, unsigned lines,
                         uint32_t now)
{
    if (job->size < TRANSFER_SIZE_MIN) {
        job->error = -EINVAL;
        return true;
    }
    job->used += transfer_export(swarms, &job->export, job->buffer + job->used,
                                 job->size - job->used, lines, now);
    return job->export.done || job->size - job->used < TRANSFER_SIZE_MIN;
}

static bool import_slice(struct dataplane_job *job, size_t *position, struct swarms *swarms,
                         const struct swarms_timeouts *timeouts, uint32_t now)
{
    int64_t consumed;

    if (*position >= job->used)
        return true;
    consumed = transfer_import(swarms, job->buffer + *position, job->used - *position,
                               SLICE_IMPORT_PEERS, timeouts, now, &job->result);
    if (consumed < 0) {
        job->error = (int)consumed;
        return true;
    }
    *position += (size_t)consumed;
    return *position >= job->used;
}

static bool run_slice(struct worker_jobs *jobs, struct swarms *swarms,
                      const struct swarms_timeouts *timeouts, uint32_t now)
{
    struct dataplane_job *job = jobs->current;

    switch (job->kind) {
    case DATAPLANE_JOB_EXPORT:
        return export_slice(job, swarms, SLICE_EXPORT_LINES, now);
    case DATAPLANE_JOB_IMPORT:
        return import_slice(job, &jobs->position, swarms, timeouts, now);
    case DATAPLANE_JOB_TOP:
        inspect_top(swarms, job->top, SLICE_TOP_LINES);
        return job->top->done;
    case DATAPLANE_JOB_SHOW:
        inspect_show(swarms, job->show, now);
        return true;
    case DATAPLANE_JOB_CLIENTS:
        inspect_clients(swarms, job->clients);
        return true;
    }
    job->error = -EINVAL;
    return true;
}

static void begin(struct worker_jobs *jobs, struct dataplane_job *job)
{
    jobs->current = job;
    jobs->position = 0;
    jobs->slivers = 0;
    job->error = 0;
    if (job->kind == DATAPLANE_JOB_EXPORT)
        job->used = 0;
}

static void finish(struct worker_jobs *jobs)
{
    void *job = jobs->current;

    handoff_put(jobs->finished, &job, 1); /* has room: jobs_put() sees to that */
    jobs->current = NULL;
}

/* An export that goes on in slivers, and that no other job waits for. */
static bool goes_on_in_slivers(struct worker_jobs *jobs)
{
    bool slivers = jobs->slivers > 0;

    jobs->slivers = 0;
    return slivers && !handoff_waits(jobs->submitted);
}

bool jobs_slice(struct worker_jobs *jobs, struct swarms *swarms,
                const struct swarms_timeouts *timeouts, uint32_t now)
{
    void *job = NULL;

    if (!jobs->current) {
        if (handoff_take(jobs->submitted, &job, 1) == 0)
            return false;
        begin(jobs, job);
    }
    if (!goes_on_in_slivers(jobs) && run_slice(jobs, swarms, timeouts, now))
        finish(jobs);
    return true;
}

void jobs_sliver(struct worker_jobs *jobs, struct swarms *swarms, uint32_t now)
{
    struct dataplane_job *job = jobs->current;

    if (!job || job->kind != DATAPLANE_JOB_EXPORT)
        return;
    jobs->slivers++;
    if (export_slice(job, swarms, SLIVER_EXPORT_LINES, now))
        finish(jobs);
}

int jobs_put(struct worker_jobs *jobs, struct dataplane_job *job)
{
    void *item = job;

    if (jobs->under_way == JOBS_SLOTS || handoff_put(jobs->submitted, &item, 1) == 0)
        return -EAGAIN;
    jobs->under_way++;
    return 0;
}

struct dataplane_job *jobs_collect(struct worker_jobs *jobs)
{
    void *job;

    if (handoff_take(jobs->finished, &job, 1) == 0)
        return NULL;
    jobs->under_way--;
    return job;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include <event2/event.h>
#include <stdlib.h>

#include "jobs.h"

/* Between two looks for finished jobs; longer delays recovery, which is a ping-pong of jobs. */
enum { COLLECT_EVERY_US = 1000 };

struct jobs {
    struct dataplane *dataplane;
    struct event *timer; /* armed only while jobs are under way */
    unsigned under_way[DATAPLANE_WORKERS_MAX];
    unsigned total;
};

static void arm(struct jobs *jobs)
{
    const struct timeval interval = {.tv_usec = COLLECT_EVERY_US};

    if (jobs->total > 0 && !evtimer_pending(jobs->timer, NULL))
        evtimer_add(jobs->timer, &interval);
}

static void collect(struct jobs *jobs, unsigned worker)
{
    struct dataplane_job *job;

    while ((job = dataplane_collect(jobs->dataplane, worker)) != NULL) {
        jobs->under_way[worker]--;
        jobs->total--;
        job->done(job);
    }
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct jobs *jobs = arg;
    unsigned workers = dataplane_workers(jobs->dataplane);

    for (unsigned worker = 0; worker < workers; worker++) {
        if (jobs->under_way[worker] > 0)
            collect(jobs, worker);
    }
    arm(jobs);
}

struct jobs *jobs_new(struct event_base *base, struct dataplane *dataplane)
{
    struct jobs *jobs = calloc(1, sizeof(*jobs));

    if (!jobs)
        return NULL;
    jobs->dataplane = dataplane;
    jobs->timer = evtimer_new(base, on_timer, jobs);
    if (!jobs->timer) {
        free(jobs);
        return NULL;
    }
    return jobs;
}

void jobs_free(struct jobs *jobs)
{
    if (!jobs)
        return;
    event_free(jobs->timer);
    free(jobs);
}

int jobs_submit(struct jobs *jobs, unsigned worker, struct dataplane_job *job)
{
    int error = dataplane_submit(jobs->dataplane, worker, job);

    if (error != 0)
        return error;
    jobs->under_way[worker]++;
    jobs->total++;
    arm(jobs);
    return 0;
}

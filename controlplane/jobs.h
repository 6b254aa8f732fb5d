/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Jobs on their way to the workers and back (dataplane.h, "Jobs"). A worker's finished jobs come
 * back in one stream, whoever submitted them; this hands each to its submitter.
 */
#pragma once

#include "../dataplane/dataplane.h"

struct event_base;
struct jobs;

/* NULL when out of memory. */
struct jobs *jobs_new(struct event_base *base, struct dataplane *dataplane);

/* Jobs under way are forgotten: stop the data plane first, it may still write to them. */
void jobs_free(struct jobs *jobs);

/*
 * Hands `job` to `worker`; job->done(job) is called from the event loop when it came back, at most
 * about a millisecond late. 0, or -EAGAIN when the worker's mailbox is full: try later.
 */
int jobs_submit(struct jobs *jobs, unsigned worker, struct dataplane_job *job);

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One question to several workers, and one answer when the last of them has replied
 * (dataplane/swarms/inspect.h).
 */
#pragma once

#include "../../jobs.h"
#include "../call.h"

struct inspection;

/* What a job is to fill; the inspection's own, zeroed. */
union inspection_answer {
    struct inspect_top top;
    struct inspect_show show;
    struct inspect_clients clients;
};

/* Makes the answer out of the jobs that came back well, and ends the call. */
typedef void inspection_done(struct call *call, const struct inspection *inspection);

/* `count` jobs of one kind. NULL when out of memory. */
struct inspection *inspection_new(struct call *call, enum dataplane_job_kind kind, unsigned count,
                                  inspection_done *done);

unsigned inspection_count(const struct inspection *inspection);
union inspection_answer *inspection_answer(const struct inspection *inspection, unsigned n);
unsigned inspection_worker(const struct inspection *inspection, unsigned n);
void inspection_set_worker(struct inspection *inspection, unsigned n, unsigned worker);

/* Submits the jobs; job n to worker n unless told otherwise. Frees the inspection in the end. */
void inspection_start(struct inspection *inspection, struct jobs *jobs);

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One question to several workers, and one answer when the last of them has replied
 * (dataplane/swarms/inspect.h).
 */
#pragma once

#include "../jobs.h"

struct inspection;

/* What a job is to fill; the inspection's own, zeroed. */
union inspection_answer {
    struct inspect_top top;
    struct inspect_show show;
    struct inspect_clients clients;
};

/* All workers have answered, or `error` (negative errno) says why not. */
typedef void inspection_done(void *user, const struct inspection *inspection, int error);

/* `count` jobs of one kind. NULL when out of memory. */
struct inspection *inspection_new(enum dataplane_job_kind kind, unsigned count,
                                  inspection_done *done, void *user);

unsigned inspection_count(const struct inspection *inspection);
union inspection_answer *inspection_answer(const struct inspection *inspection, unsigned n);
unsigned inspection_worker(const struct inspection *inspection, unsigned n);
void inspection_set_worker(struct inspection *inspection, unsigned n, unsigned worker);

/*
 * The first of all workers' tops together, at most `most`, in order; how many there are. 0 when out
 * of memory, too.
 */
unsigned inspection_top(const struct inspection *inspection, struct inspect_swarm *rows,
                        unsigned most);

/* Submits the jobs; job n to worker n unless told otherwise. Frees the inspection in the end. */
void inspection_start(struct inspection *inspection, struct jobs *jobs);

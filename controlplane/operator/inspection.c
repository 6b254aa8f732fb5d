/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "inspection.h"

struct question {
    struct inspection *inspection;
    struct dataplane_job job;
    unsigned worker;
    union inspection_answer answer;
};

struct inspection {
    inspection_done *done;
    void *user;
    int error;      /* of the first job that failed */
    unsigned count, /* of questions */
        open;       /* not answered yet; one more while they are being submitted */
    struct question questions[];
};

struct inspection *inspection_new(enum dataplane_job_kind kind, unsigned count,
                                  inspection_done *done, void *user)
{
    struct inspection *inspection =
        calloc(1, sizeof(*inspection) + count * sizeof(inspection->questions[0]));

    if (!inspection)
        return NULL;
    inspection->done = done;
    inspection->user = user;
    inspection->count = count;
    for (unsigned n = 0; n < count; n++) {
        struct question *question = &inspection->questions[n];

        question->inspection = inspection;
        question->worker = n;
        question->job.kind = kind;
        question->job.user = question;
        question->job.top = &question->answer.top;
        question->job.show = &question->answer.show;
        question->job.clients = &question->answer.clients;
    }
    return inspection;
}

unsigned inspection_count(const struct inspection *inspection)
{
    return inspection->count;
}

union inspection_answer *inspection_answer(const struct inspection *inspection, unsigned n)
{
    return (union inspection_answer *)&inspection->questions[n].answer;
}

unsigned inspection_worker(const struct inspection *inspection, unsigned n)
{
    return inspection->questions[n].worker;
}

void inspection_set_worker(struct inspection *inspection, unsigned n, unsigned worker)
{
    inspection->questions[n].worker = worker;
}

/* Top ---------------------------------------------------------------------------------------- */

static int by_peers(const void *a, const void *b)
{
    const struct inspect_swarm *left = a, *right = b;
    uint64_t left_peers = (uint64_t)left->seeders + left->leechers;
    uint64_t right_peers = (uint64_t)right->seeders + right->leechers;

    return (left_peers < right_peers) - (left_peers > right_peers);
}

static int by_rate(const void *a, const void *b)
{
    const struct inspect_swarm *left = a, *right = b;

    return (left->announces_per_min < right->announces_per_min) -
           (left->announces_per_min > right->announces_per_min);
}

unsigned inspection_top(const struct inspection *inspection, struct inspect_swarm *rows,
                        unsigned most)
{
    enum inspect_by by = inspection->questions[0].answer.top.by;
    struct inspect_swarm *all = calloc((size_t)inspection->count * INSPECT_TOP_MAX, sizeof(*all));
    unsigned count = 0;

    for (unsigned n = 0; all && n < inspection->count; n++) {
        const struct inspect_top *top = &inspection->questions[n].answer.top;

        memcpy(&all[count], top->rows, top->count * sizeof(*all));
        count += top->count;
    }
    if (count > 0)
        qsort(all, count, sizeof(*all), by == INSPECT_BY_RATE ? by_rate : by_peers);
    if (count > most)
        count = most;
    if (count > 0)
        memcpy(rows, all, count * sizeof(*all));
    free(all);
    return count;
}

/* Asking ------------------------------------------------------------------------------------- */

static void close_one(struct inspection *inspection, int error)
{
    if (inspection->error == 0)
        inspection->error = error;
    if (--inspection->open > 0)
        return;
    inspection->done(inspection->user, inspection, inspection->error);
    free(inspection);
}

static void on_job_done(struct dataplane_job *job)
{
    const struct question *question = job->user;

    close_one(question->inspection, job->error);
}

void inspection_start(struct inspection *inspection, struct jobs *jobs)
{
    int error = 0;

    inspection->open = 1;
    for (unsigned n = 0; n < inspection->count && error == 0; n++) {
        struct question *question = &inspection->questions[n];

        question->job.done = on_job_done;
        inspection->open++;
        error = jobs_submit(jobs, question->worker, &question->job);
        if (error != 0)
            inspection->open--;
    }
    close_one(inspection, error);
}

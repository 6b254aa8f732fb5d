/* SPDX-License-Identifier: BSD-3-Clause */
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
    struct call *call;
    inspection_done *done;
    int error;      /* of the first job that failed */
    unsigned count, /* of questions */
        open;       /* not answered yet; one more while they are being submitted */
    struct question questions[];
};

struct inspection *inspection_new(struct call *call, enum dataplane_job_kind kind, unsigned count,
                                  inspection_done *done)
{
    struct inspection *inspection =
        calloc(1, sizeof(*inspection) + count * sizeof(inspection->questions[0]));

    if (!inspection) {
        call_error(call, JSON_RPC_INTERNAL_ERROR, NULL, "out of memory");
        return NULL;
    }
    inspection->call = call;
    inspection->done = done;
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

static void close_one(struct inspection *inspection, int error)
{
    if (inspection->error == 0)
        inspection->error = error;
    if (--inspection->open > 0)
        return;
    if (inspection->error != 0)
        call_error(inspection->call, JSON_RPC_BUSY, "try again in a moment",
                   "a worker couldn't look into its table: %s", strerror(-inspection->error));
    else
        inspection->done(inspection->call, inspection);
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

/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <time.h>

#include "inspection.h"
#include "survey.h"

struct survey {
    struct dataplane *dataplane;
    struct jobs *jobs;
    bool asking;
    double answered; /* monotonic, seconds; 0: never */
    struct survey_result last;
};

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

struct survey *survey_new(struct dataplane *dataplane, struct jobs *jobs)
{
    struct survey *survey = calloc(1, sizeof(*survey));

    if (survey) {
        survey->dataplane = dataplane;
        survey->jobs = jobs;
    }
    return survey;
}

void survey_free(struct survey *survey)
{
    free(survey);
}

static void take_answer(void *user, const struct inspection *inspection, int error)
{
    struct survey *survey = user;
    struct survey_result *last = &survey->last;

    survey->asking = false;
    if (error)
        return; /* the next look asks again */
    *last = (struct survey_result){0};
    last->count = inspection_top(inspection, last->top, SURVEY_TOP);
    for (unsigned worker = 0; worker < inspection_count(inspection); worker++) {
        const struct inspect_top *top = &inspection_answer(inspection, worker)->top;

        for (unsigned class = 0; class < INSPECT_SIZES; class ++)
            last->sizes[class] += top->sizes[class];
    }
    survey->answered = seconds();
}

static void ask(struct survey *survey)
{
    struct inspection *inspection = inspection_new(
        DATAPLANE_JOB_TOP, dataplane_workers(survey->dataplane), take_answer, survey);

    if (!inspection)
        return;
    for (unsigned worker = 0; worker < inspection_count(inspection); worker++) {
        struct inspect_top *top = &inspection_answer(inspection, worker)->top;

        top->by = INSPECT_BY_PEERS;
        top->want = SURVEY_TOP;
    }
    survey->asking = true;
    inspection_start(inspection, survey->jobs);
}

bool survey_look(struct survey *survey, struct survey_result *result)
{
    double age = seconds() - survey->answered;

    if (!survey->asking && (survey->answered == 0 || age >= SURVEY_SECONDS))
        ask(survey);
    *result = survey->last;
    result->age = age;
    return survey->answered > 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The largest swarms and how many there are of each size, for the page. The workers go through
 * their tables for it, a slice a loop, so it is asked for only while somebody looks, and at most
 * once in SURVEY_SECONDS.
 */
#pragma once

#include "../../dataplane/swarms/inspect.h"

enum {
    SURVEY_SECONDS = 10, /* that an answer stays fresh */
    SURVEY_TOP = 10,     /* swarms that are named */
};

struct dataplane;
struct jobs;
struct survey;

struct survey_result {
    double age; /* seconds */
    unsigned count;
    struct inspect_swarm top[SURVEY_TOP]; /* in descending order of their peers */
    uint64_t sizes[INSPECT_SIZES];        /* inspect_top's, of all workers */
};

/* NULL when out of memory. */
struct survey *survey_new(struct dataplane *dataplane, struct jobs *jobs);

/* Once the event loop has ended: nobody may answer any more. */
void survey_free(struct survey *survey);

/* The last answer, and asks for another if it is no longer fresh. False: there is none yet. */
bool survey_look(struct survey *survey, struct survey_result *result);

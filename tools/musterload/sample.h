/* SPDX-License-Identifier: BSD-3-Clause */
/* What happened every few seconds of a step, as one line of JSON each in a file: for long runs. */
#pragma once

#include <stdint.h>
#include <stdio.h>

#include "../workload/histogram.h"

enum { SAMPLE_SECONDS = 2 };

struct load;

struct sample {
    FILE *file;          /* NULL: none is wanted */
    uint64_t next, last; /* ticks */

    /* Totals at `last`. */
    uint64_t sent, replies, lost, late, refused;
    struct histogram latency;
};

/* A negative errno if the file can't be made. NULL for no file. */
int sample_open(struct sample *sample, const char *path);
void sample_close(struct sample *sample);

/* The load's counts begin anew. */
void sample_begin(struct sample *sample, const struct load *load, uint64_t now);

/* Writes a line if it is time to. */
void sample_take(struct sample *sample, const struct load *load, uint64_t now);

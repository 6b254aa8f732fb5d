/* SPDX-License-Identifier: BSD-3-Clause */
/* A stream to hand to functions that explain themselves line by line, and its text afterwards. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

struct report {
    FILE *stream;
    char *text; /* valid after report_end() */
    size_t size;
};

/* False when out of memory. */
bool report_begin(struct report *report);

/* Ends the stream; a trailing newline is cut off. */
void report_end(struct report *report);
void report_free(struct report *report);

/* A new array, of a string each line. */
json_t *report_lines(const struct report *report);

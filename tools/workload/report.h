/* SPDX-License-Identifier: BSD-3-Clause */
/* Results as they come: lines for people, or one JSON object for scripts. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct report {
    bool json;
    bool begun; /* something was written, in JSON: since the last bracket */
    unsigned depth;
};

void report_begin(struct report *report, bool json);

/* A heading; not in JSON. */
void report_section(struct report *report, const char *title);

/* In JSON: an array under this key, and an object in it for each step; nothing else. */
void report_steps_begin(struct report *report, const char *key);
void report_step_begin(struct report *report);
void report_step_end(struct report *report);
void report_steps_end(struct report *report);

void report_text(struct report *report, const char *key, const char *label, const char *value);

/* `decimals` digits after the point; `unit` may be "". Large numbers get spaces between thousands.
 */
void report_number(struct report *report, const char *key, const char *label, double value,
                   unsigned decimals, const char *unit);

void report_end(struct report *report);

/* Sorts the values and returns the middle one. */
double report_median(double values[], unsigned count);

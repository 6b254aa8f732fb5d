/* SPDX-License-Identifier: BSD-3-Clause */
/* One line on the terminal that tells how it goes, once a second. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct load;

struct progress {
    const char *phase;
    bool shown, enabled;
    uint64_t next, last; /* ticks */
    uint64_t sent, replies;
};

/* Shown on standard error when that is a terminal. */
void progress_begin(struct progress *progress, const struct load *load, const char *phase);
void progress_show(struct progress *progress, const struct load *load, uint64_t now);
void progress_end(struct progress *progress);

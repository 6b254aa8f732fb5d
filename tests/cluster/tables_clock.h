/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The clock of the tables, as dataplane_now() promises: seconds, about those of the wall clock at
 * the start, and steady from then on.
 */
#pragma once

#include <stdint.h>
#include <time.h>

struct tables_clock {
    time_t ahead; /* of the monotonic clock */
};

static inline time_t tables_clock_monotonic(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

static inline void tables_clock_start(struct tables_clock *clock)
{
    clock->ahead = time(NULL) - tables_clock_monotonic();
}

static inline uint32_t tables_clock_now(const struct tables_clock *clock)
{
    return (uint32_t)(clock->ahead + tables_clock_monotonic());
}

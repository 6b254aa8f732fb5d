/* SPDX-License-Identifier: BSD-3-Clause */
/* Time without system calls: the time stamp counter, set by the kernel's clocks once, at start. */
#pragma once

#include <stdint.h>
#include <time.h>

struct clock {
    uint64_t start;       /* time stamp counter */
    uint64_t hz;          /* of the counter */
    uint64_t scale;       /* nanoseconds a tick, times 2^32 */
    uint64_t nanoseconds; /* CLOCK_MONOTONIC at the start */
    uint64_t seconds;     /* CLOCK_REALTIME at the start */
};

static inline void clock_start(struct clock *clock, uint64_t counter, uint64_t hz)
{
    struct timespec monotonic, wall;

    clock_gettime(CLOCK_MONOTONIC, &monotonic);
    clock_gettime(CLOCK_REALTIME, &wall);
    *clock = (struct clock){
        .start = counter,
        .hz = hz,
        .scale = (uint64_t)(((unsigned __int128)1000000000 << 32) / hz),
        .nanoseconds = (uint64_t)monotonic.tv_sec * 1000000000 + (uint64_t)monotonic.tv_nsec,
        .seconds = (uint64_t)wall.tv_sec,
    };
}

/* CLOCK_MONOTONIC's, but for what the kernel slews it. */
static inline uint64_t clock_nanoseconds(const struct clock *clock, uint64_t counter)
{
    unsigned __int128 elapsed = (unsigned __int128)(counter - clock->start) * clock->scale;

    return clock->nanoseconds + (uint64_t)(elapsed >> 32);
}

/* Seconds of the tables, see dataplane_now(). */
static inline uint32_t clock_seconds(const struct clock *clock, uint64_t counter)
{
    return (uint32_t)(clock->seconds + (counter - clock->start) / clock->hz);
}

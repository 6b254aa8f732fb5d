/* SPDX-License-Identifier: BSD-3-Clause */
#include "seen_clock.h"

#include "steady_clock.h"

void seen_clock_set(struct seen_clock *clock, uint32_t worker)
{
    uint64_t steady = steady_clock_ms() / 1000;
    uint64_t expected = seen_clock_steady(clock) + (uint64_t)(worker - clock->worker);

    if (clock->wall != 0 && steady <= expected + 1 && expected <= steady + 1)
        steady = expected;
    clock->worker = worker;
    clock->steps_ms = steady_clock_steps_ms();
    clock->wall = steady + (uint64_t)(clock->steps_ms / 1000);
}

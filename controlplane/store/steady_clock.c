/* SPDX-License-Identifier: BSD-3-Clause */
#include "steady_clock.h"

#include <time.h>

#include "monotonic.h"

enum { SLACK_MS = 100 }; /* a smaller difference is rounding, not a step */

static uint64_t wall_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t steady_clock_ms(void)
{
    static uint64_t wall_ahead; /* of the monotonic clock */

    if (wall_ahead == 0)
        wall_ahead = wall_ms() - monotonic_ms();
    return wall_ahead + monotonic_ms();
}

int64_t steady_clock_steps_ms(void)
{
    static int64_t steps;
    int64_t now = (int64_t)(wall_ms() - steady_clock_ms());

    if (now - steps > SLACK_MS || steps - now > SLACK_MS)
        steps = now;
    return steps;
}

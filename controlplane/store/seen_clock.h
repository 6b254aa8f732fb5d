/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One instant on two clocks: the workers' (seconds from any start, see dataplane_now()) and the
 * wall's. Their seconds begin at different moments, so that the difference between them, in whole
 * seconds, is one or the other by when one looks. An appliance has one of these, which all its
 * parts set to now before they use it: were there two, what a snapshot says of a peer could be a
 * second later than what the stream says of its stop, and the snapshot would bring the peer back.
 */
#pragma once

#include <stdint.h>

struct seen_clock {
    uint32_t worker;
    uint64_t wall;    /* Unix seconds; 0: never set */
    int64_t steps_ms; /* in it, see steady_clock.h */
};

/*
 * Sets it to now; `worker` is the workers' clock. The difference between the two changes only with
 * steps of the wall clock, and when one goes wrong by more than a second: what didn't change shall
 * encode to the same bytes.
 */
void seen_clock_set(struct seen_clock *clock, uint32_t worker);

/* Its time on the steady clock, in seconds. */
static inline uint64_t seen_clock_steady(const struct seen_clock *clock)
{
    return clock->wall - (uint64_t)(clock->steps_ms / 1000);
}

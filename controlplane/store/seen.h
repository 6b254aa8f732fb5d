/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * When a peer was last seen, and what is known of it, in 16 bits: seconds of the wall clock modulo
 * 2^14, and two flags. Read against the time at which it was written: the latest second with these
 * 14 bits that isn't later. Unambiguous, since no peer older than SWARMS_TIMEOUT_MAX is written.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../../dataplane/swarms/transfer.h"
#include "seen_clock.h"

enum {
    SEEN_BITS = 14,
    SEEN_MASK = (1 << SEEN_BITS) - 1,
    SEEN_SEEDER = 1 << 14,
    SEEN_COMPLETED = 1 << 15,
};

_Static_assert((int)SWARMS_TIMEOUT_MAX <= (int)SEEN_MASK, "last-seen is unambiguous");

/* `seen` on the workers' clock, not older than SWARMS_TIMEOUT_MAX; the future is stored as now. */
static inline uint16_t seen_encode(uint32_t seen, uint8_t flags, struct seen_clock now)
{
    uint32_t age = now.worker > seen ? now.worker - seen : 0;

    return (uint16_t)(((now.wall - age) & SEEN_MASK) | (flags & TRANSFER_SEEDER ? SEEN_SEEDER : 0) |
                      (flags & TRANSFER_COMPLETED ? SEEN_COMPLETED : 0));
}

/* What decoding needs to know of time. */
struct seen_times {
    uint64_t written;     /* on the writer's wall clock */
    int64_t writer_ahead; /* seconds that the writer's clock is ahead of ours, as far as known */
    struct seen_clock now;
    uint32_t timeout; /* seconds; older peers are left out */
};

/* Age in seconds, on our clock; the future counts as now. */
static inline uint32_t seen_age(uint16_t state, const struct seen_times *times)
{
    int64_t age_when_written = (int64_t)((times->written - state) & SEEN_MASK);
    int64_t since = (int64_t)(times->now.wall - times->written + (uint64_t)times->writer_ahead);

    if (since > UINT32_MAX - (int64_t)SEEN_MASK)
        return UINT32_MAX;
    return since < -age_when_written ? 0 : (uint32_t)(since + age_when_written);
}

/* enum transfer_flags */
static inline uint8_t seen_flags(uint16_t state)
{
    return (uint8_t)((state & SEEN_SEEDER ? TRANSFER_SEEDER : 0) |
                     (state & SEEN_COMPLETED ? TRANSFER_COMPLETED : 0));
}

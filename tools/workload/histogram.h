/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Counts of values, exact to 1/32 of the value, in fixed memory: for latencies in ticks of the time
 * stamp counter or in nanoseconds.
 */
#pragma once

#include <stdint.h>

enum {
    HISTOGRAM_STEP_BITS = 5, /* 2^this buckets for each power of two */
    HISTOGRAM_VALUE_BITS = 40,
    HISTOGRAM_BUCKETS = (HISTOGRAM_VALUE_BITS - HISTOGRAM_STEP_BITS + 1) << HISTOGRAM_STEP_BITS,
};

struct histogram {
    uint64_t count, sum, max;
    uint32_t buckets[HISTOGRAM_BUCKETS];
};

static inline unsigned histogram_bucket(uint64_t value)
{
    unsigned shift;

    if (value >> HISTOGRAM_VALUE_BITS)
        return HISTOGRAM_BUCKETS - 1;
    if (value >> HISTOGRAM_STEP_BITS == 0)
        return (unsigned)value;
    shift = 63 - (unsigned)__builtin_clzll(value) - HISTOGRAM_STEP_BITS;
    return (shift << HISTOGRAM_STEP_BITS) + (unsigned)(value >> shift);
}

static inline void histogram_add(struct histogram *histogram, uint64_t value)
{
    histogram->count++;
    histogram->sum += value;
    if (value > histogram->max)
        histogram->max = value;
    histogram->buckets[histogram_bucket(value)]++;
}

/* The value that `share` (0..1) of all don't exceed; 0 when there are none. */
double histogram_quantile(const struct histogram *histogram, double share);

void histogram_merge(struct histogram *to, const struct histogram *from);

/* SPDX-License-Identifier: BSD-3-Clause */
#include "histogram.h"

/* The largest value of a bucket. */
static double bucket_end(unsigned bucket)
{
    unsigned steps = 1u << HISTOGRAM_STEP_BITS, shift = bucket >> HISTOGRAM_STEP_BITS;

    if (shift <= 1)
        return bucket;
    return (double)((uint64_t)(bucket % steps + steps + 1) << (shift - 1)) - 1;
}

double histogram_quantile(const struct histogram *histogram, double share)
{
    double wanted = share * (double)histogram->count;
    uint64_t seen = 0;

    for (unsigned bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
        seen += histogram->buckets[bucket];
        if (seen > 0 && (double)seen >= wanted) {
            double end = bucket_end(bucket);

            return end < (double)histogram->max ? end : (double)histogram->max;
        }
    }
    return 0;
}

void histogram_merge(struct histogram *to, const struct histogram *from)
{
    to->count += from->count;
    to->sum += from->sum;
    if (from->max > to->max)
        to->max = from->max;
    for (unsigned bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++)
        to->buckets[bucket] += from->buckets[bucket];
}

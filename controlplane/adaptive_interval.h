/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The announce interval as a function of load, so that a restart or a flash crowd spreads out
 * instead of coming back as a herd.
 *
 * Up to the threshold clients are told the base interval. From there to full load it grows
 * exponentially to the maximum: the same step of load always multiplies the interval, and so
 * divides the future load, by the same factor. It depends on load alone, not on the interval told
 * before: clients obey only at their next announce, half an hour from now, and a controller that
 * kept adding to its last answer until it saw an effect would always run to the maximum.
 */
#pragma once

#include <stdint.h>

struct adaptive_interval {
    uint32_t base, maximum; /* seconds; maximum <= base: never stretched */
    double threshold;       /* of load, 0..1 */
};

/* Seconds; load above 1 counts as 1. Moves in steps of a 16th of the base, so that it rarely
 * changes. */
uint32_t adaptive_interval(const struct adaptive_interval *rule, double load);

/*
 * `smoothed` after another sample of load that lasted `seconds`. Follows a rise within seconds, a
 * fall within minutes: a pause in a flood isn't its end.
 */
double adaptive_load(double smoothed, double sample, double seconds);

/* SPDX-License-Identifier: BSD-3-Clause */
#include <math.h>

#include "adaptive_interval.h"

/* Time constants. Shorter ones follow noise, longer ones let too many clients come back soon. */
static const double rise_seconds = 5;
static const double fall_seconds = 60;

enum { STEPS_IN_BASE = 16 };

uint32_t adaptive_interval(const struct adaptive_interval *rule, double load)
{
    double excess, stretched, step;

    if (rule->maximum <= rule->base || rule->base == 0 || !(load > rule->threshold))
        return rule->base;
    if (load >= 1)
        return rule->maximum;
    excess = (load - rule->threshold) / (1 - rule->threshold);
    stretched = rule->base * pow((double)rule->maximum / rule->base, excess);
    step = fmax(1, (double)rule->base / STEPS_IN_BASE);
    return (uint32_t)fmin(rule->maximum,
                          rule->base + floor((stretched - rule->base) / step) * step);
}

double adaptive_load(double smoothed, double sample, double seconds)
{
    double constant = sample > smoothed ? rise_seconds : fall_seconds;

    return smoothed + (sample - smoothed) * (1 - exp(-seconds / constant));
}

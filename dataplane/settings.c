/* SPDX-License-Identifier: BSD-3-Clause */
#include "settings.h"

#include <errno.h>
#include <stdlib.h>

static bool valid(const struct dataplane_settings *values)
{
    return values->burst >= 1 && values->burst <= SWARMS_BURST_MAX &&
           values->interval_jitter < values->interval && values->timeouts.peer >= 1 &&
           values->timeouts.peer <= SWARMS_TIMEOUT_MAX;
}

int settings_publish(struct settings *settings, const struct dataplane_settings *values)
{
    struct settings_version *older = atomic_load_explicit(&settings->latest, memory_order_relaxed);
    struct settings_version *latest;

    if (!valid(values))
        return -EINVAL;
    latest = malloc(sizeof(*latest));
    if (!latest)
        return -ENOMEM;
    *latest = (struct settings_version){
        .generation = older ? older->generation + 1 : 1,
        .older = older,
        .settings = *values,
    };
    atomic_store_explicit(&settings->latest, latest, memory_order_release);
    return 0;
}

static void free_versions(struct settings_version *version)
{
    while (version) {
        struct settings_version *older = version->older;

        free(version);
        version = older;
    }
}

void settings_free_older(struct settings *settings)
{
    struct settings_version *latest = atomic_load_explicit(&settings->latest, memory_order_relaxed);

    free_versions(latest->older);
    latest->older = NULL;
}

void settings_free(struct settings *settings)
{
    free_versions(atomic_load_explicit(&settings->latest, memory_order_relaxed));
    atomic_store_explicit(&settings->latest, NULL, memory_order_relaxed);
}

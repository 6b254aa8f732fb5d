/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Settings on their way from the control thread to the workers: published as a whole, never changed
 * afterwards, and freed when every worker uses later ones. Nobody waits: a worker looks now and
 * then, and says which generation it uses.
 */
#pragma once

#include <stdatomic.h>

#include "dataplane.h"

struct settings_version {
    uint64_t generation; /* 1, 2, ... */
    struct settings_version *older;
    struct dataplane_settings settings;
};

struct settings {
    /* Those that some worker may still use hang behind it. */
    struct settings_version *_Atomic latest;
};

/* For the control thread. 0, -EINVAL when a value is out of range, or -ENOMEM. */
int settings_publish(struct settings *settings, const struct dataplane_settings *values);

/* For a worker: the latest. Whatever its pointers point to is there until the worker uses later
 * ones. */
static inline const struct settings_version *settings_latest(const struct settings *settings)
{
    return atomic_load_explicit(&settings->latest, memory_order_acquire);
}

/* For the control thread: frees all older than the latest. No worker may use it any more. */
void settings_free_older(struct settings *settings);

/* Frees everything. */
void settings_free(struct settings *settings);

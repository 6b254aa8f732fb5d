/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control plane's state, and what its parts (the control socket, the store, the fleet) may ask
 * of it. All of it belongs to the control thread, which runs `events`.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#include <event2/event.h>

#include "config.h"

struct access_list;
struct secrets;
struct steering;

struct controlplane {
    const char *config_path;
    struct config config; /* as it runs: the file, plus what was set since */
    struct event_base *events;
    struct dataplane *dataplane;
    struct steering *steering; /* NULL without af_xdp ports */
    struct secrets *secrets;
    struct access_list *access;

    time_t started;    /* wall clock */
    uint32_t interval; /* seconds; what clients are told now, stretched by load */
    double load;       /* busiest worker's share of time at work in the last second, 0..1 */
    bool draining;
    const char *failing; /* why /healthz says no, or NULL */
};

/*
 * Publishes the configuration, and whatever changed beside it (keys, drain, access set), to workers
 * and XDP. Negative errno if one of them wouldn't take it.
 */
int controlplane_publish(struct controlplane *controlplane);

/*
 * Reads the file again. An invalid one changes nothing; else live keys are applied, and those that
 * need a restart named with the reason. Returns 0 or a negative errno; `report` has the errors or
 * what was done, one a line.
 */
int controlplane_reload(struct controlplane *controlplane, FILE *report);

/* config_set(), and applies it. */
int controlplane_set(struct controlplane *controlplane, const char *key, const char *value,
                     FILE *errors);

/* Draining: clients are still answered, but told the longest interval; /healthz says so. */
int controlplane_drain(struct controlplane *controlplane, bool drain);

/* Leaves the event loop; main() then shuts down in order. */
void controlplane_shutdown(struct controlplane *controlplane);

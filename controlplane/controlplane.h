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

#include "access_control.h"
#include "config.h"
#include "links.h"

struct jobs;
struct observation;
struct secrets;
struct bans;
struct steering;

struct controlplane {
    const char *config_path;
    struct config config; /* as it runs: the file, plus what was set since */
    struct event_base *events;
    struct secrets *secrets;
    struct access_control *access;
    struct bans *bans;
    struct steering *steering; /* NULL without af_xdp ports */
    struct dataplane *dataplane;
    struct jobs *jobs;
    struct observation *observation;
    struct persistence *persistence; /* NULL with store.type none */

    time_t started;             /* wall clock */
    double load;                /* the busiest worker's, 0..1, smoothed over some minutes */
    uint32_t interval;          /* seconds; what clients are told now, stretched by load */
    uint64_t limiter_secret[3]; /* of this run */
    uint64_t epoch;             /* of the connection IDs, published last; 0: not yet */
    struct links links;
    bool draining;
    bool failed;         /* it stops because it can't go on */
    const char *failing; /* why /healthz says no, or NULL */
};

/* What needs no other part; `config` has been read. */
void controlplane_init(struct controlplane *controlplane);

/* What workers are to use now: the configuration, and whatever changed beside it. */
void controlplane_settings(struct controlplane *controlplane, struct dataplane_settings *settings);

/* Publishes that to workers and XDP. Negative errno if one of them wouldn't take it. */
int controlplane_publish(struct controlplane *controlplane);

/* Once a second. */
void controlplane_tick(struct controlplane *controlplane);

/* Writes the bans to their file, if they have changed. */
void controlplane_save_bans(struct controlplane *controlplane);

/*
 * Reads the file again. An invalid one changes nothing; else live keys are applied, and those that
 * need a restart named with the reason. 0 or a negative errno; `report` has the errors, or what was
 * done, one a line. The keys' file is read again, too, and, in the background, the access list.
 */
int controlplane_reload(struct controlplane *controlplane, FILE *report);

/* config_set(), and applies it. */
int controlplane_set(struct controlplane *controlplane, const char *key, const char *value,
                     FILE *errors);

/*
 * Reads an access list in the background (NULL: the configured file again), which is the configured
 * one from then on. `done` says how it went. -EBUSY while another is being read.
 */
int controlplane_load_access(struct controlplane *controlplane, const char *path,
                             access_list_done *done, void *user);

/* Draining: clients are still answered, but told the longest interval; /healthz says so. */
int controlplane_drain(struct controlplane *controlplane, bool drain);

/* Leaves the event loop; main() then shuts down in order. */
void controlplane_shutdown(struct controlplane *controlplane);

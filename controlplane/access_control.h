/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which torrents are tracked: the access mode and list that are in force, and how they follow the
 * configuration. A mode comes into force together with the list it was set for, never before; when
 * the list can't be read, the configuration is set back to what is in force.
 */
#pragma once

#include <stddef.h>

#include "access_list.h"
#include "config.h"

struct access_control;

struct access_control_owner {
    struct config *config; /* followed; set back where it can't be */
    struct event_base *events;
    void (*changed)(void *user); /* something else is in force now, and is to be published */
    void *user;
};

/* Reads the configured list, if any, and waits for it. NULL with an explanation. */
struct access_control *access_control_start(const struct access_control_owner *owner, char *error,
                                            size_t error_size);
void access_control_free(struct access_control *control);

/*
 * Makes what the configuration says come into force: when the list has been read, if it is another
 * one (or `again`), and calls `done` then; else with the next publication, which is the caller's.
 * -EBUSY while another list is being read.
 */
int access_control_apply(struct access_control *control, bool again, access_list_done *done,
                         void *user);

/* For settings that are published. */
enum dataplane_access_mode access_control_mode(const struct access_control *control);
const char *access_control_mode_name(const struct access_control *control); /* as in the file */
struct access_list *access_control_list(const struct access_control *control);

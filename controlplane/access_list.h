/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The list of info-hashes that are allowed or denied: read and built in a thread of its own, so
 * that millions of lines don't hold up the event loop, and swapped at once when whole and
 * well-formed. Until then, and when a line is wrong, the old list stays.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "access_parse.h"

struct access_list;
struct access_set; /* dataplane/access_set.h */
struct event_base;

/* Called from the event loop when an asked-for change is in force (error 0) or won't be. */
typedef void access_list_done(void *user, int error, const char *explanation);

struct access_list_status {
    size_t hashes;
    const char *file; /* that was loaded last; "" none */
    time_t loaded;    /* wall clock; 0 never */
    bool changing;    /* a change is under way */
    unsigned edits;   /* hashes added and removed since it was loaded */
};

/* `changed` is called when there is another set to publish. NULL when out of memory. */
struct access_list *access_list_new(struct event_base *events, void (*changed)(void *user),
                                    void *user);

/* Waits for the thread; no worker may use a set any more. */
void access_list_free(struct access_list *list);

/*
 * Reads `path` in the background and then replaces the list. -EBUSY while another change is under
 * way. `done` may be NULL.
 */
int access_list_load(struct access_list *list, const char *path, access_list_done *done,
                     void *user);

/* The same, and waits for it: for the start. The explanation is one or more lines. */
int access_list_load_now(struct access_list *list, const char *path, char *explanation,
                         size_t size);

/* Adds and removes hashes, in the background, too. They last until the next load. */
int access_list_edit(struct access_list *list, const struct access_hash *add, size_t adds,
                     const struct access_hash *remove, size_t removes, access_list_done *done,
                     void *user);

/* The set to publish; NULL: no list was ever loaded. */
const struct access_set *access_list_set(const struct access_list *list);

/* To be called when no worker uses a set older than the one published last. */
void access_list_settled(struct access_list *list);

bool access_list_contains(const struct access_list *list, const struct access_hash *hash);

void access_list_status(const struct access_list *list, struct access_list_status *status);

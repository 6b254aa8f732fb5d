/* SPDX-License-Identifier: BSD-3-Clause */
#include "access_list.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <event2/event.h>

#include "../dataplane/access_set.h"
#include "log.h"

enum { EXPLANATION_SIZE = 2048, PATH_SIZE = 256 };

/* A set that some worker may still use. */
struct retired {
    struct access_set *set;
    struct retired *next;
};

/* What the thread is asked for, and its answer. */
struct change {
    char file[PATH_SIZE]; /* "": an edit */
    struct access_hashes add, remove;

    struct access_hashes hashes;
    struct access_set *set;
    int error;
    char explanation[EXPLANATION_SIZE];

    access_list_done *done;
    void *user;
};

struct access_list {
    void (*changed)(void *user);
    void *user;

    struct access_set *set; /* not replaced while the thread runs */
    struct retired *retired;
    char file[PATH_SIZE];
    time_t loaded;
    unsigned edits;

    bool changing;
    struct change change;
    pthread_t thread;
    int finished; /* eventfd: the thread's last act */
    struct event *finished_event;
};

/* In the thread ------------------------------------------------------------------------------- */

/* Of an empty list there is nothing to point at. */
static struct access_set *set_of(const struct access_hashes *hashes)
{
    return access_set_build(hashes->count ? &hashes->items->bytes : NULL, hashes->count);
}

/* All of `old` but what is to be removed, and what is to be added; the set sorts it. */
static int edit(const struct access_set *old, struct change *change)
{
    size_t count = old ? access_set_count(old) : 0;
    const uint8_t(*hashes)[ACCESS_HASH_SIZE] = old ? access_set_hashes(old) : NULL;
    struct access_set *removed = set_of(&change->remove);
    struct access_hash *items = reallocarray(NULL, count + change->add.count + 1, sizeof(*items));
    size_t kept = 0;

    change->hashes.items = items;
    if (!removed || !items) {
        access_set_free(removed);
        return -ENOMEM;
    }
    for (size_t i = 0; i < count; i++)
        if (!access_set_contains(removed, (const uint8_t *[]){hashes[i]}, 1))
            memcpy(&items[kept++], hashes[i], sizeof(*items));
    memcpy(items + kept, change->add.items, change->add.count * sizeof(*items));
    change->hashes.count = kept + change->add.count;
    access_set_free(removed);
    return 0;
}

static void build(const struct access_set *old, struct change *change)
{
    if (*change->file)
        change->error = access_parse_file(change->file, &change->hashes, change->explanation,
                                          sizeof(change->explanation));
    else
        change->error = edit(old, change);
    if (!change->error) {
        change->set = set_of(&change->hashes);
        change->error = change->set ? 0 : -ENOMEM;
    }
    if (change->error == -ENOMEM)
        snprintf(change->explanation, sizeof(change->explanation),
                 "no memory for another list of info-hashes\n");
    access_hashes_free(&change->hashes);
}

static void *run(void *argument)
{
    struct access_list *list = argument;

    pthread_setname_np(pthread_self(), "muster-access");
    build(list->set, &list->change);
    eventfd_write(list->finished, 1);
    return NULL;
}

/* In the event loop --------------------------------------------------------------------------- */

static void retire(struct access_list *list, struct access_set *set)
{
    struct retired *retired;

    if (!set)
        return;
    retired = malloc(sizeof(*retired));
    if (!retired) {
        log_error("access", "a replaced list of info-hashes stays in memory: out of memory");
        return;
    }
    *retired = (struct retired){set, list->retired};
    list->retired = retired;
}

static void adopt(struct access_list *list, struct change *change)
{
    retire(list, list->set);
    list->set = change->set;
    if (*change->file) {
        memcpy(list->file, change->file, sizeof(list->file));
        list->loaded = time(NULL);
        list->edits = 0;
    } else {
        list->edits += (unsigned)(change->add.count + change->remove.count);
    }
}

/* The thread is done: takes over what it built. */
static void finish(struct access_list *list)
{
    struct change change = list->change;

    pthread_join(list->thread, NULL);
    if (!change.error)
        adopt(list, &change);
    access_hashes_free(&change.add);
    access_hashes_free(&change.remove);
    list->changing = false;
    if (!change.error)
        list->changed(list->user);
    if (change.done)
        change.done(change.user, change.error, change.explanation);
}

static void on_finished(evutil_socket_t descriptor, short what, void *user)
{
    eventfd_t value;

    if (eventfd_read(descriptor, &value) == 0)
        finish(user);
}

static int start(struct access_list *list)
{
    int error = pthread_create(&list->thread, NULL, run, list);

    if (error) {
        access_hashes_free(&list->change.add);
        access_hashes_free(&list->change.remove);
        return -error;
    }
    list->changing = true;
    return 0;
}

int access_list_load(struct access_list *list, const char *path, access_list_done *done, void *user)
{
    if (list->changing)
        return -EBUSY;
    if (strlen(path) >= sizeof(list->change.file) || !*path)
        return -ENAMETOOLONG;
    list->change = (struct change){.done = done, .user = user};
    strcpy(list->change.file, path);
    return start(list);
}

int access_list_load_now(struct access_list *list, const char *path, char *explanation, size_t size)
{
    int error = access_list_load(list, path, NULL, NULL);
    eventfd_t value;

    if (error) {
        snprintf(explanation, size, "%s: can't be read: %s\n", path, strerror(-error));
        return error;
    }
    pthread_join(list->thread, NULL);
    eventfd_read(list->finished, &value);
    list->changing = false;
    if (!list->change.error)
        adopt(list, &list->change);
    snprintf(explanation, size, "%s", list->change.explanation);
    return list->change.error;
}

static bool copy_hashes(struct access_hashes *copy, const struct access_hash *items, size_t count)
{
    copy->items = reallocarray(NULL, count + 1, sizeof(*items));
    if (!copy->items)
        return false;
    if (count)
        memcpy(copy->items, items, count * sizeof(*items));
    copy->count = count;
    return true;
}

int access_list_edit(struct access_list *list, const struct access_hash *add, size_t adds,
                     const struct access_hash *remove, size_t removes, access_list_done *done,
                     void *user)
{
    struct change *change = &list->change;

    if (list->changing)
        return -EBUSY;
    *change = (struct change){.done = done, .user = user};
    if (!copy_hashes(&change->add, add, adds) || !copy_hashes(&change->remove, remove, removes)) {
        access_hashes_free(&change->add);
        return -ENOMEM;
    }
    return start(list);
}

void access_list_settled(struct access_list *list)
{
    for (struct retired *retired = list->retired, *next; retired; retired = next) {
        next = retired->next;
        access_set_free(retired->set);
        free(retired);
    }
    list->retired = NULL;
}

/* What there is ------------------------------------------------------------------------------- */

const struct access_set *access_list_set(const struct access_list *list)
{
    return list->set;
}

bool access_list_contains(const struct access_list *list, const struct access_hash *hash)
{
    return list->set && access_set_contains(list->set, (const uint8_t *[]){hash->bytes}, 1);
}

void access_list_status(const struct access_list *list, struct access_list_status *status)
{
    *status = (struct access_list_status){
        .hashes = list->set ? access_set_count(list->set) : 0,
        .file = list->file,
        .loaded = list->loaded,
        .changing = list->changing,
        .edits = list->edits,
    };
}

struct access_list *access_list_new(struct event_base *events, void (*changed)(void *user),
                                    void *user)
{
    struct access_list *list = calloc(1, sizeof(*list));

    if (!list)
        return NULL;
    list->changed = changed;
    list->user = user;
    list->finished = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (list->finished >= 0)
        list->finished_event =
            event_new(events, list->finished, EV_READ | EV_PERSIST, on_finished, list);
    if (!list->finished_event || event_add(list->finished_event, NULL) < 0) {
        access_list_free(list);
        return NULL;
    }
    return list;
}

void access_list_free(struct access_list *list)
{
    if (!list)
        return;
    if (list->changing) {
        pthread_join(list->thread, NULL);
        access_set_free(list->change.set);
        access_hashes_free(&list->change.add);
        access_hashes_free(&list->change.remove);
    }
    access_list_settled(list);
    access_set_free(list->set);
    if (list->finished_event)
        event_free(list->finished_event);
    if (list->finished >= 0)
        close(list->finished);
    free(list);
}

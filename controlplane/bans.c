/* SPDX-License-Identifier: BSD-3-Clause */
#include "bans.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Sets that workers may still use; more than two only if they never settle. */
enum { RETIRED_MAX = 64 };

struct bans {
    /* Sorted. `applied` says until when the maps hold each one, 0 where they don't have it. */
    size_t count, room;
    struct ban *list;
    uint64_t *applied;

    /* Deleted, and still in the maps. */
    size_t gone_count, gone_room;
    struct ban *gone;

    bool changed; /* since the set was built */
    bool unsaved; /* since bans_saved() */
    struct ban_set *set;
    unsigned retired_count;
    struct ban_set *retired[RETIRED_MAX];
};

struct bans *bans_new(void)
{
    return calloc(1, sizeof(struct bans));
}

void bans_free(struct bans *bans)
{
    if (!bans)
        return;
    bans_settled(bans);
    ban_set_free(bans->set);
    free(bans->list);
    free(bans->applied);
    free(bans->gone);
    free(bans);
}

uint64_t bans_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Text ----------------------------------------------------------------------------------------- */

static int parse_length(const char *text, unsigned bits, uint8_t *length)
{
    char *end;
    unsigned long value;

    *length = (uint8_t)bits;
    if (!text)
        return 0;
    if (*text < '0' || *text > '9')
        return -EINVAL;
    value = strtoul(text, &end, 10);
    *length = (uint8_t)value;
    return *end == '\0' && value <= bits ? 0 : -EINVAL;
}

static void clear_behind(struct ban *ban)
{
    for (unsigned bit = ban->length; bit < 8 * sizeof(ban->bytes); bit++)
        ban->bytes[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
}

int bans_parse(const char *text, struct ban *ban)
{
    char address[BANS_TEXT_SIZE];
    char *slash;
    unsigned bits;

    if (strlen(text) >= sizeof(address))
        return -EINVAL;
    strcpy(address, text);
    slash = strchr(address, '/');
    if (slash)
        *slash++ = '\0';
    memset(ban->bytes, 0, sizeof(ban->bytes));
    if (inet_pton(AF_INET, address, ban->bytes) == 1)
        ban->family = 4;
    else if (inet_pton(AF_INET6, address, ban->bytes) == 1)
        ban->family = 6;
    else
        return -EINVAL;
    bits = ban->family == 4 ? 32 : 128;
    if (parse_length(slash, bits, &ban->length) != 0)
        return -EINVAL;
    clear_behind(ban);
    return 0;
}

void bans_format(const struct ban *ban, char text[BANS_TEXT_SIZE])
{
    char address[INET6_ADDRSTRLEN];

    inet_ntop(ban->family == 4 ? AF_INET : AF_INET6, ban->bytes, address, sizeof(address));
    if (ban->length == (ban->family == 4 ? 32 : 128))
        snprintf(text, BANS_TEXT_SIZE, "%s", address);
    else
        snprintf(text, BANS_TEXT_SIZE, "%s/%u", address, ban->length);
}

/* The list ------------------------------------------------------------------------------------- */

/* The place of a prefix: that of the first one not before it. */
static size_t place_of(const struct bans *bans, const struct ban *prefix)
{
    size_t low = 0, high = bans->count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (ban_compare(&bans->list[middle], prefix) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_at(const struct bans *bans, size_t at, const struct ban *prefix)
{
    return at < bans->count && ban_compare(&bans->list[at], prefix) == 0;
}

static int grow(struct bans *bans)
{
    size_t room = bans->room ? 2 * bans->room : 64;
    struct ban *list;
    uint64_t *applied;

    if (bans->count == BANS_MAX)
        return -ENOSPC;
    if (bans->count < bans->room)
        return 0;
    list = realloc(bans->list, room * sizeof(*list));
    if (!list)
        return -ENOMEM;
    bans->list = list;
    applied = realloc(bans->applied, room * sizeof(*applied));
    if (!applied)
        return -ENOMEM;
    bans->applied = applied;
    bans->room = room;
    return 0;
}

/* Until when the maps hold this prefix, if it was deleted just now and they weren't told. */
static uint64_t take_back(struct bans *bans, const struct ban *prefix)
{
    for (size_t i = 0; i < bans->gone_count; i++) {
        uint64_t applied = bans->gone[i].until;

        if (ban_compare(&bans->gone[i], prefix) != 0)
            continue;
        bans->gone[i] = bans->gone[--bans->gone_count];
        return applied;
    }
    return 0;
}

int bans_add(struct bans *bans, const struct ban *ban)
{
    size_t at = place_of(bans, ban);
    int error;

    if (!is_at(bans, at, ban)) {
        error = grow(bans);
        if (error)
            return error;
        memmove(&bans->list[at + 1], &bans->list[at], (bans->count - at) * sizeof(*bans->list));
        memmove(&bans->applied[at + 1], &bans->applied[at],
                (bans->count - at) * sizeof(*bans->applied));
        bans->applied[at] = take_back(bans, ban);
        bans->count++;
    }
    bans->list[at] = *ban;
    bans->changed = bans->unsaved = true;
    return 0;
}

/* Remembers that the maps hold it; `until` says how long. */
static int note_gone(struct bans *bans, const struct ban *ban, uint64_t applied)
{
    if (applied == 0)
        return 0;
    if (bans->gone_count == bans->gone_room) {
        size_t room = bans->gone_room ? 2 * bans->gone_room : 64;
        struct ban *gone = realloc(bans->gone, room * sizeof(*gone));

        if (!gone)
            return -ENOMEM;
        bans->gone = gone;
        bans->gone_room = room;
    }
    bans->gone[bans->gone_count] = *ban;
    bans->gone[bans->gone_count++].until = applied;
    return 0;
}

int bans_delete(struct bans *bans, const struct ban *prefix)
{
    size_t at = place_of(bans, prefix);
    int error;

    if (!is_at(bans, at, prefix))
        return -ENOENT;
    error = note_gone(bans, &bans->list[at], bans->applied[at]);
    if (error)
        return error;
    bans->count--;
    memmove(&bans->list[at], &bans->list[at + 1], (bans->count - at) * sizeof(*bans->list));
    memmove(&bans->applied[at], &bans->applied[at + 1],
            (bans->count - at) * sizeof(*bans->applied));
    bans->changed = bans->unsaved = true;
    return 0;
}

bool bans_expire(struct bans *bans, uint64_t now)
{
    size_t kept = 0, before = bans->count;

    for (size_t i = 0; i < before; i++) {
        if (bans->list[i].until <= now && note_gone(bans, &bans->list[i], bans->applied[i]) == 0)
            continue;
        bans->list[kept] = bans->list[i];
        bans->applied[kept++] = bans->applied[i];
    }
    bans->count = kept;
    bans->changed |= kept != before;
    return kept != before;
}

bool bans_unsaved(const struct bans *bans)
{
    return bans->unsaved;
}

void bans_saved(struct bans *bans)
{
    bans->unsaved = false;
}

const struct ban *bans_list(const struct bans *bans, size_t *count)
{
    *count = bans->count;
    return bans->list;
}

/* What follows --------------------------------------------------------------------------------- */

static int apply_gone(struct bans *bans, bans_apply_call *lift, void *user)
{
    while (bans->gone_count > 0) {
        int error = lift(user, &bans->gone[bans->gone_count - 1]);

        if (error)
            return error;
        bans->gone_count--;
    }
    return 0;
}

int bans_apply(struct bans *bans, bans_apply_call *add, bans_apply_call *lift, void *user)
{
    struct ban around[129]; /* the prefixes that cover the present one, with the ends that follow */
    size_t depth = 0;
    int error = apply_gone(bans, lift, user);

    for (size_t i = 0; !error && i < bans->count; i++) {
        struct ban ban = bans->list[i];

        while (depth > 0 && !ban_covers(&around[depth - 1], &ban))
            depth--;
        if (depth > 0 && around[depth - 1].until > ban.until)
            ban.until = around[depth - 1].until;
        around[depth++] = ban;
        if (ban.until == bans->applied[i])
            continue;
        error = add(user, &ban);
        if (!error)
            bans->applied[i] = ban.until;
    }
    return error;
}

static bool retire(struct bans *bans, struct ban_set *set)
{
    if (set && bans->retired_count == RETIRED_MAX)
        return false;
    if (set)
        bans->retired[bans->retired_count++] = set;
    return true;
}

const struct ban_set *bans_set(struct bans *bans)
{
    struct ban_set *set = NULL;

    if (!bans->changed)
        return bans->set;
    if (bans->count > 0) {
        set = ban_set_create(bans->list, bans->count);
        if (!set)
            return bans->set;
    }
    if (!retire(bans, bans->set)) {
        ban_set_free(set);
        return bans->set;
    }
    bans->set = set;
    bans->changed = false;
    return set;
}

void bans_settled(struct bans *bans)
{
    while (bans->retired_count > 0)
        ban_set_free(bans->retired[--bans->retired_count]);
}

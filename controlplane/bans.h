/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The banned prefixes, as the operator gave them, and what follows from them: a set for the
 * workers, and the entries of the XDP maps. There the longest prefix decides alone; so an entry
 * ends when the last of the bans that cover it ends.
 *
 * A change costs time in proportion to the list: 0.1 ms for a thousand bans, some 50 ms for
 * BANS_MAX. For the control thread alone. Errors are negative errno.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../bpf/steering_maps.h"
#include "../dataplane/ban_set.h"

enum {
    BANS_MAX = STEERING_BANS_MAX, /* of both families together */
    BANS_TEXT_SIZE = 64,
};

struct bans;

struct bans *bans_new(void); /* NULL without memory */
void bans_free(struct bans *bans);

/*
 * "192.0.2.0/24", or an address; bits behind the prefix are ignored. Leaves `until` alone. -EINVAL.
 */
int bans_parse(const char *text, struct ban *ban);
void bans_format(const struct ban *ban, char text[BANS_TEXT_SIZE]);

/* What bans end by: CLOCK_MONOTONIC in nanoseconds. */
uint64_t bans_clock(void);

/* Adds a ban, or gives the same prefix another end. -ENOSPC: BANS_MAX. */
int bans_add(struct bans *bans, const struct ban *ban);

/* Lifts the ban of exactly this prefix. -ENOENT */
int bans_delete(struct bans *bans, const struct ban *prefix);

/* Takes out what has ended. True when there was something. */
bool bans_expire(struct bans *bans, uint64_t now);

/* Whether bans were given or lifted since bans_saved(); what ends by itself is no change. */
bool bans_unsaved(const struct bans *bans);
void bans_saved(struct bans *bans);

/* In the order of ban_compare(). */
const struct ban *bans_list(const struct bans *bans, size_t *count);

/*
 * Tells what has changed since the last time: prefixes to be added or to end at another time, and
 * prefixes to be lifted. Stops at the first error of a call, and goes on there the next time.
 */
typedef int bans_apply_call(void *user, const struct ban *ban);
int bans_apply(struct bans *bans, bans_apply_call *add, bans_apply_call *lift, void *user);

/*
 * For the workers; NULL while nobody is banned. The set of before is kept until bans_settled().
 * Without memory for a new one, the old one stays.
 */
const struct ban_set *bans_set(struct bans *bans);

/* No worker uses any but the last set. */
void bans_settled(struct bans *bans);

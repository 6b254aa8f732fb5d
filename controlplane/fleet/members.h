/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who is in the fleet: each appliance writes a record of its own to Redis once a second, and reads
 * the others'. An appliance has a number, 0 to 63, and a key for each number is known beforehand:
 * nothing is ever searched for.
 *
 * The difference between two members' clocks is estimated from their beats, to about a second.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../store/store.h"
#include "member_record.h"

enum {
    MEMBERS_MAX = STORE_APPLIANCES_MAX,
    MEMBERS_KEY_SIZE = 48,
};

enum member_health {
    MEMBER_UNKNOWN, /* there is no record, or none that we can read */
    MEMBER_ALIVE,
    MEMBER_SILENT, /* there is a record, but its beat stands still */
    MEMBER_LEFT,   /* it was stopped in order */
};

struct member {
    enum member_health health;
    struct member_record record; /* the last that was read */
    uint64_t read_at;            /* ms, monotonic: when its beat was last seen to change */
    bool clock_known;            /* two beats of it were seen; else `ahead` is a guess */
    int64_t ahead;       /* seconds that its steady clock is ahead of ours; 0 for less than three */
    int64_t ahead_ms;    /* the estimate behind that */
    uint32_t unreadable; /* records of it that were damaged, or of a newer version */
};

struct members_config {
    struct event_base *base;
    struct redis_cluster *redis;
    unsigned self;    /* our number */
    const char *name; /* of ours, for people */
    unsigned streams; /* of deltas that we write */
    uint64_t layout;
    void *user; /* of the calls below */

    /* All numbers have been looked up once, and our epoch is known: its record may be read. */
    void (*on_ready)(void *user);
    /* Before our record is written: fill in what it tells. */
    void (*on_beat)(void *user, struct member_record *record);
    /* A member's record has changed. */
    void (*on_record)(void *user, unsigned number);
    /* Another appliance has taken our number: we must not write any more. */
    void (*on_superseded)(void *user);
    void (*on_note)(void *user, const char *text);
};

struct members;

/* NULL when out of memory. Begins to look up at once, but not to write. */
struct members *members_new(const struct members_config *config);
void members_free(struct members *members);

/* Our record of an earlier run, if there was one; before members_start(). */
const struct member_record *members_former(const struct members *members);

/* Our run's epoch: later than any before it. */
uint64_t members_epoch(const struct members *members);

/* True when all numbers have been looked up, at least once. */
bool members_ready(const struct members *members);

/* Begins to write our record, in this state; also changes it. At once, if `now`. */
void members_tell(struct members *members, enum member_state state);

/* False: another has taken our number. */
bool members_may_write(const struct members *members);

const struct member *members_get(const struct members *members, unsigned number);

/* Our record's beats that were written, and that could not be. */
void members_beats(const struct members *members, uint64_t *written, uint64_t *failed);

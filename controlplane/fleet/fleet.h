/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Several appliances that answer as one: each tells the others what was announced to it, within a
 * second, and reads what it missed from their snapshots. All through Redis; the members don't know
 * each other's addresses.
 *
 * Records merge by last writer wins on last-seen, so that duplicates and reordering are harmless.
 * Who stopped is remembered for a while (tombstones.h), so that older records don't bring a peer
 * back.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../store/loader.h"
#include "members.h"
#include "publisher.h"
#include "subscriber.h"

enum {
    FLEET_LAG_WARNING_MS = 5000, /* clients of different appliances begin to see different swarms */
    FLEET_LAG_ALARM_MS = 30000,  /* the appliance is as good as alone */
};

struct fleet_config {
    struct event_base *base;
    struct store *store; /* in Redis */
    struct jobs *jobs;
    struct dataplane *dataplane;
    struct seen_clock *clock;               /* the appliance's */
    const struct swarms_timeouts *timeouts; /* as they are in force; may change */

    unsigned self;              /* our number, 0 to 63 */
    const char *name;           /* of ours, for people */
    uint64_t layout;            /* see chunk.h */
    uint32_t snapshot_interval; /* seconds, within which every member stores what has changed */
    uint32_t retention;         /* seconds that streams hold deltas */

    void *user; /* of the calls below */

    /*
     * We know who is there, what our epoch is, and what has been announced lately: time to read
     * snapshots, of fleet_sources(), and then to call fleet_serve().
     */
    void (*on_ready)(void *user);
    /* Another appliance has taken our number: nothing may be written under it any more. */
    void (*on_superseded)(void *user);
    void (*on_note)(void *user, const char *text);
    /* For our record. */
    void (*on_census)(void *user, uint64_t *torrents, uint64_t *peers);
};

enum fleet_state {
    FLEET_LOOKING,   /* for the members' records */
    FLEET_LISTENING, /* to their beats and streams, before we read their snapshots */
    FLEET_LOADING,   /* these */
    FLEET_SERVING,
    FLEET_SUPERSEDED,
};

struct fleet_info {
    enum fleet_state state;
    unsigned self;
    uint64_t epoch;
    unsigned members_alive; /* the others */
    uint32_t lag_ms;        /* the largest of all living members' */
    uint64_t beats_written, beats_failed;
    uint64_t resyncs; /* of members whose deltas were missed in part */
    struct publisher_info publisher;
};

struct fleet_member_info {
    unsigned number;
    enum member_health health;
    enum member_state state;
    char name[MEMBER_NAME_SIZE];
    uint64_t epoch;
    uint32_t beat_age_ms;
    int64_t clock_ahead_ms;
    uint64_t peers, torrents;
    uint16_t chunk_version;
    uint32_t unreadable_records;
    bool resync_due;
    struct subscriber_info stream;
};

struct fleet;

/* NULL when out of memory. Looks around at once. */
struct fleet *fleet_new(const struct fleet_config *config);

/* After store_close() and when the data plane has stopped. */
void fleet_free(struct fleet *fleet);

/*
 * The appliances whose snapshots hold all that the fleet knows: those that serve, and those that
 * were there until lately; if none serves, all that were ever there, and we. Returns how many.
 */
unsigned fleet_sources(const struct fleet *fleet, uint8_t numbers[MEMBERS_MAX]);

/* Seconds that an appliance's clock is ahead of ours, as far as known. */
int64_t fleet_ahead(const struct fleet *fleet, unsigned number);

/* For loader_config.filter; `user` is the fleet. */
uint32_t fleet_filter(void *user, const uint8_t *info_hash, uint8_t family, void *peers,
                      uint32_t count);

uint64_t fleet_epoch(const struct fleet *fleet);

/* The tables hold what the fleet knows. */
void fleet_serve(struct fleet *fleet);

/* A member's snapshot could not be read, or not wholly: try again, later. */
void fleet_resync(struct fleet *fleet, unsigned number);

/* We are being stopped in order. */
void fleet_leave(struct fleet *fleet);

/* What `struct subscriber_info` and others say, and 5 s and 30 s of lag, is noted once a second. */
void fleet_info(const struct fleet *fleet, struct fleet_info *info);

/* False if there is no such member. */
bool fleet_member_info(const struct fleet *fleet, unsigned number, struct fleet_member_info *info);

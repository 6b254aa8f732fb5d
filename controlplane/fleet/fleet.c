/* SPDX-License-Identifier: BSD-3-Clause */
#include "fleet.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../store/monotonic.h"
#include "../store/steady_clock.h"

enum {
    TICK_MS = 100,
    BATCH_MS = 200,   /* that a delta waits for others: longer, and clients wait; shorter, and Redis
                         works more */
    POLL_MS = 100,    /* between two looks at a stream */
    LISTEN_MS = 3000, /* two beats at least: whose beat changes is alive */
    LISTEN_MAX_MS = 15000, /* for streams to be caught up with */
    RESYNC_SLACK_MS = 2000,
    RESYNC_RETRY_MS = 5000,
};

struct fleet {
    struct fleet_config config;
    enum fleet_state state;
    struct event *tick;
    struct tombstones *tombstones;
    struct members *members;
    struct publisher *publisher;
    struct subscriber *subscriber;
    struct loader *loader; /* for members whose deltas were missed in part */
    uint64_t listening_since;
    uint64_t resync_at[MEMBERS_MAX]; /* ms; 0: not due */
    bool followed[MEMBERS_MAX];      /* its streams are read */
    uint64_t resyncs;
    uint32_t lag_noted; /* ms: the level that was noted last */
};

static void note(struct fleet *fleet, const char *text)
{
    if (fleet->config.on_note)
        fleet->config.on_note(fleet->config.user, text);
}

/* Members -------------------------------------------------------------------------------------- */

static void on_members_note(void *user, const char *text)
{
    note(user, text);
}

static void on_beat(void *user, struct member_record *record)
{
    struct fleet *fleet = user;

    publisher_describe(fleet->publisher, record);
    if (fleet->config.on_census)
        fleet->config.on_census(fleet->config.user, &record->torrents, &record->peers);
}

static void follow(struct fleet *fleet, unsigned number)
{
    fleet->followed[number] = true;
    subscriber_follow(fleet->subscriber, number, members_get(fleet->members, number));
}

/* How old a delta is can't be said before the clock is known by which it was written. */
static void on_record(void *user, unsigned number)
{
    struct fleet *fleet = user;

    if (fleet->followed[number] || members_get(fleet->members, number)->clock_known)
        follow(fleet, number);
}

/* Of whoever doesn't beat the clock will never be known. */
static void follow_the_silent(struct fleet *fleet, uint64_t now)
{
    for (unsigned number = 0; number < MEMBERS_MAX; number++) {
        const struct member *member = members_get(fleet->members, number);

        if (member->health != MEMBER_UNKNOWN && !fleet->followed[number] &&
            now - member->read_at > LISTEN_MS)
            follow(fleet, number);
    }
}

static void on_superseded(void *user)
{
    struct fleet *fleet = user;

    fleet->state = FLEET_SUPERSEDED;
    publisher_stop(fleet->publisher);
    if (fleet->config.on_superseded)
        fleet->config.on_superseded(fleet->config.user);
}

/* Of our own streams only what an earlier run has left there is of interest. */
static void follow_former_self(struct fleet *fleet)
{
    const struct member_record *former = members_former(fleet->members);
    struct member self = {0};

    if (!former)
        return;
    self.record = *former;
    self.ahead = -former->steps_ms / 1000; /* the wall clock is taken to have been right at last */
    subscriber_follow(fleet->subscriber, fleet->config.self, &self);
}

static void on_members_ready(void *user)
{
    struct fleet *fleet = user;

    fleet->state = FLEET_LISTENING;
    fleet->listening_since = monotonic_ms();
    follow_former_self(fleet);
    publisher_start(fleet->publisher, members_epoch(fleet->members),
                    members_former(fleet->members));
    members_tell(fleet->members, MEMBER_STARTING);
}

/* Resynchronisation ---------------------------------------------------------------------------- */

static void on_gap(void *user, unsigned number)
{
    fleet_resync(user, number);
}

void fleet_resync(struct fleet *fleet, unsigned number)
{
    /* What was missed is in the member's snapshot once its next pass is through. */
    uint64_t passed = (uint64_t)fleet->config.snapshot_interval * 1000 + RESYNC_SLACK_MS;

    if (number != fleet->config.self && fleet->resync_at[number] == 0)
        fleet->resync_at[number] = monotonic_ms() + passed;
}

static void on_resynced(void *user, const struct loader_info *info)
{
    struct fleet *fleet = user;
    char text[160];

    if (info->chunks[LOADER_FAILED] > 0)
        fleet->resync_at[info->appliance] = monotonic_ms() + RESYNC_RETRY_MS;
    snprintf(text, sizeof(text),
             "member %u: read its snapshot: %llu peers, %.1f s, %llu chunks failed",
             info->appliance, (unsigned long long)info->peers, info->seconds,
             (unsigned long long)info->chunks[LOADER_FAILED]);
    note(fleet, text);
}

static void resync_next(struct fleet *fleet, uint64_t now)
{
    if (fleet->state != FLEET_SERVING || loader_info(fleet->loader)->running)
        return;
    for (unsigned number = 0; number < MEMBERS_MAX; number++) {
        if (fleet->resync_at[number] == 0 || now < fleet->resync_at[number])
            continue;
        fleet->resync_at[number] = 0;
        fleet->resyncs++;
        loader_start(fleet->loader, number, fleet_ahead(fleet, number));
        return;
    }
}

/* Time ----------------------------------------------------------------------------------------- */

/* True when we have heard all that is to be heard before snapshots are read. */
static bool has_listened(const struct fleet *fleet, uint64_t now)
{
    bool others = false, caught_up = subscriber_idle(fleet->subscriber);

    for (unsigned number = 0; number < MEMBERS_MAX; number++) {
        bool exists = members_get(fleet->members, number)->health != MEMBER_UNKNOWN;
        struct subscriber_info info;

        others |= exists;
        subscriber_info(fleet->subscriber, number, &info);
        caught_up &= info.caught_up && (fleet->followed[number] || !exists);
    }
    if (now - fleet->listening_since > LISTEN_MAX_MS)
        return true;
    return caught_up && (!others || now - fleet->listening_since > LISTEN_MS);
}

static void stop_listening(struct fleet *fleet)
{
    fleet->state = FLEET_LOADING;
    subscriber_drop(fleet->subscriber, fleet->config.self);
    subscriber_expect_all(fleet->subscriber);
    fleet->config.on_ready(fleet->config.user);
}

static void note_lag(struct fleet *fleet)
{
    struct fleet_info info;
    uint32_t level;
    char text[96];

    fleet_info(fleet, &info);
    level = info.lag_ms >= FLEET_LAG_ALARM_MS     ? FLEET_LAG_ALARM_MS
            : info.lag_ms >= FLEET_LAG_WARNING_MS ? FLEET_LAG_WARNING_MS
                                                  : 0;
    if (level == fleet->lag_noted)
        return;
    fleet->lag_noted = level;
    snprintf(text, sizeof(text),
             level ? "deltas of other members lag by %.1f s"
                   : "deltas of other members no longer lag",
             info.lag_ms / 1000.0);
    note(fleet, text);
}

static void on_tick(evutil_socket_t fd, short what, void *user)
{
    struct fleet *fleet = user;
    uint64_t now = monotonic_ms();

    follow_the_silent(fleet, now);
    if (fleet->state == FLEET_LISTENING && has_listened(fleet, now))
        stop_listening(fleet);
    resync_next(fleet, now);
    note_lag(fleet);
}

/* Face ----------------------------------------------------------------------------------------- */

static bool make_parts(struct fleet *fleet)
{
    const struct fleet_config *config = &fleet->config;
    struct redis_cluster *redis = store_redis(config->store);
    struct publisher_config publisher = {.base = config->base,
                                         .redis = redis,
                                         .dataplane = config->dataplane,
                                         .clock = config->clock,
                                         .tombstones = fleet->tombstones,
                                         .self = config->self,
                                         .batch_ms = BATCH_MS,
                                         .retention = config->retention};
    struct subscriber_config subscriber = {.base = config->base,
                                           .redis = redis,
                                           .jobs = config->jobs,
                                           .dataplane = config->dataplane,
                                           .clock = config->clock,
                                           .tombstones = fleet->tombstones,
                                           .timeouts = config->timeouts,
                                           .poll_ms = POLL_MS,
                                           .user = fleet,
                                           .on_gap = on_gap};
    struct loader_config loader = {.base = config->base,
                                   .store = config->store,
                                   .jobs = config->jobs,
                                   .dataplane = config->dataplane,
                                   .clock = config->clock,
                                   .timeouts = config->timeouts,
                                   .user = fleet,
                                   .on_done = on_resynced,
                                   .filter = fleet_filter};
    struct members_config members = {.base = config->base,
                                     .redis = redis,
                                     .self = config->self,
                                     .name = config->name,
                                     .streams = dataplane_workers(config->dataplane),
                                     .layout = config->layout,
                                     .user = fleet,
                                     .on_ready = on_members_ready,
                                     .on_beat = on_beat,
                                     .on_record = on_record,
                                     .on_superseded = on_superseded,
                                     .on_note = on_members_note};

    fleet->publisher = publisher_new(&publisher);
    fleet->subscriber = subscriber_new(&subscriber);
    fleet->loader = loader_new(&loader);
    fleet->members = members_new(&members);
    return fleet->publisher && fleet->subscriber && fleet->loader && fleet->members;
}

struct fleet *fleet_new(const struct fleet_config *config)
{
    const struct timeval interval = {.tv_usec = TICK_MS * 1000};
    struct fleet *fleet = calloc(1, sizeof(*fleet));

    if (!fleet)
        return NULL;
    fleet->config = *config;
    fleet->tombstones = tombstones_new();
    fleet->tick = event_new(config->base, -1, EV_PERSIST, on_tick, fleet);
    if (!fleet->tombstones || !fleet->tick || !make_parts(fleet) ||
        event_add(fleet->tick, &interval)) {
        fleet_free(fleet);
        return NULL;
    }
    return fleet;
}

void fleet_free(struct fleet *fleet)
{
    if (!fleet)
        return;
    members_free(fleet->members);
    publisher_free(fleet->publisher);
    subscriber_free(fleet->subscriber);
    loader_free(fleet->loader);
    tombstones_free(fleet->tombstones);
    if (fleet->tick)
        event_free(fleet->tick);
    free(fleet);
}

/*
 * Whoever has been silent for longer than streams hold deltas may have peers in its snapshot that
 * stopped since, and nobody would tell us.
 */
static bool is_recent(const struct fleet *fleet, const struct member_record *record)
{
    uint64_t now = (uint64_t)time(NULL) * 1000;

    return record->time_ms + fleet->config.retention * UINT64_C(1000) > now;
}

static bool is_source(const struct fleet *fleet, unsigned number, bool somebody_serves)
{
    const struct member *member = members_get(fleet->members, number);
    const struct member_record *former = members_former(fleet->members);

    if (number == fleet->config.self)
        return !somebody_serves || (former && is_recent(fleet, former));
    if (member->health == MEMBER_UNKNOWN)
        return false;
    return !somebody_serves || is_recent(fleet, &member->record) ||
           (member->health == MEMBER_ALIVE && member->record.state == MEMBER_SERVING);
}

unsigned fleet_sources(const struct fleet *fleet, uint8_t numbers[MEMBERS_MAX])
{
    bool somebody_serves = false;
    unsigned count = 0;

    for (unsigned number = 0; number < MEMBERS_MAX; number++) {
        const struct member *member = members_get(fleet->members, number);

        somebody_serves |= member->health == MEMBER_ALIVE && member->record.state == MEMBER_SERVING;
    }
    for (unsigned number = 0; number < MEMBERS_MAX; number++) {
        if (is_source(fleet, number, somebody_serves))
            numbers[count++] = (uint8_t)number;
    }
    return count;
}

int64_t fleet_ahead(const struct fleet *fleet, unsigned number)
{
    const struct member *member = members_get(fleet->members, number);

    /* From between the steady clocks to between the wall clocks. */
    return member->ahead + member->record.steps_ms / 1000 - steady_clock_steps_ms() / 1000;
}

uint32_t fleet_filter(void *user, const uint8_t *info_hash, uint8_t family, void *peers,
                      uint32_t count)
{
    const struct fleet *fleet = user;

    return tombstones_filter(fleet->tombstones, info_hash, family, peers, count);
}

uint64_t fleet_epoch(const struct fleet *fleet)
{
    return members_epoch(fleet->members);
}

void fleet_serve(struct fleet *fleet)
{
    if (fleet->state == FLEET_SUPERSEDED)
        return;
    fleet->state = FLEET_SERVING;
    members_tell(fleet->members, MEMBER_SERVING);
}

void fleet_leave(struct fleet *fleet)
{
    if (fleet->state != FLEET_SUPERSEDED && members_ready(fleet->members))
        members_tell(fleet->members, MEMBER_LEAVING);
}

void fleet_info(const struct fleet *fleet, struct fleet_info *info)
{
    *info = (struct fleet_info){.state = fleet->state,
                                .self = fleet->config.self,
                                .epoch = members_epoch(fleet->members),
                                .resyncs = fleet->resyncs};
    members_beats(fleet->members, &info->beats_written, &info->beats_failed);
    publisher_info(fleet->publisher, &info->publisher);
    for (unsigned number = 0; number < MEMBERS_MAX; number++) {
        struct subscriber_info stream;

        if (members_get(fleet->members, number)->health != MEMBER_ALIVE)
            continue;
        info->members_alive++;
        subscriber_info(fleet->subscriber, number, &stream);
        if (stream.lag_ms > info->lag_ms)
            info->lag_ms = stream.lag_ms;
    }
}

bool fleet_member_info(const struct fleet *fleet, unsigned number, struct fleet_member_info *info)
{
    const struct member *member = members_get(fleet->members, number);

    if (member->health == MEMBER_UNKNOWN && member->unreadable == 0)
        return false;
    *info = (struct fleet_member_info){
        .number = number,
        .health = member->health,
        .state = (enum member_state)member->record.state,
        .epoch = member->record.epoch,
        .beat_age_ms = member->read_at ? (uint32_t)(monotonic_ms() - member->read_at) : 0,
        .clock_ahead_ms =
            (int64_t)((uint64_t)member->ahead_ms + (uint64_t)member->record.steps_ms) -
            steady_clock_steps_ms(),
        .peers = member->record.peers,
        .torrents = member->record.torrents,
        .chunk_version = member->record.chunk_version,
        .unreadable_records = member->unreadable,
        .resync_due = fleet->resync_at[number] != 0,
    };
    memcpy(info->name, member->record.name, sizeof(info->name));
    subscriber_info(fleet->subscriber, number, &info->stream);
    return true;
}

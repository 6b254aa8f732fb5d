/* SPDX-License-Identifier: BSD-3-Clause */
#include "members.h"

#include <event2/event.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../store/chunk.h"
#include "../store/monotonic.h"
#include "../store/steady_clock.h"

enum {
    TICK_MS = 100,
    BEAT_MS = 1000,
    STRANGERS_MS = 1000,  /* between two looks for numbers that have no record */
    SILENT_MS = 5000,     /* without a beat; several may be late while a node fails over */
    SKEW_MS = 3000,       /* less is taken for the time that a beat takes to be read */
    SKEW_SAMPLES = 8,     /* beats of which the promptest counts */
    TIMEOUT_MS = 3000,    /* of a command; the next beat is a second later anyway */
    RECORD_EXPIRY = 86400 /* seconds that Redis keeps the record of a member that is gone */
};

struct slot {
    struct member member;
    bool looking;     /* a look-up is under way */
    bool looked;      /* at least once, with an answer */
    uint64_t look_at; /* ms: when to look next */
    int64_t samples[SKEW_SAMPLES];
    unsigned samples_count;
};

struct members {
    struct members_config config;
    struct event *tick;
    char name[MEMBER_NAME_SIZE];
    uint64_t instance, epoch, beat;
    bool ready, telling, superseded;
    enum member_state state;
    bool writing;
    uint64_t beat_at; /* ms: when to write next */
    uint64_t beats_written, beats_failed;
    struct member_record former; /* streams_count and the rest 0: none */
    struct slot slots[MEMBERS_MAX];
};

struct look {
    struct members *members;
    unsigned number;
};

static uint64_t wall_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static size_t make_key(char key[MEMBERS_KEY_SIZE], unsigned number)
{
    return (size_t)snprintf(key, MEMBERS_KEY_SIZE, "{%s}:m:%u",
                            redis_slot_tag(store_redis_slot(number)), number);
}

static void note(struct members *members, unsigned number, const char *what)
{
    char text[128];

    snprintf(text, sizeof(text), "member %u: %s", number, what);
    if (members->config.on_note)
        members->config.on_note(members->config.user, text);
}

/* Reading others' ------------------------------------------------------------------------------ */

static void set_ahead(struct member *member, int64_t ahead_ms)
{
    member->ahead_ms = ahead_ms;
    member->ahead = ahead_ms > -SKEW_MS && ahead_ms < SKEW_MS ? 0 : ahead_ms / 1000;
}

/* What a record tells of its writer's steady clock. */
static int64_t ahead_of(const struct member_record *record)
{
    return (int64_t)(record->time_ms - (uint64_t)record->steps_ms - steady_clock_ms());
}

/*
 * The first record that is read may be of long ago: the writer's wall clock was ahead by what it
 * is from the future, or else is taken to have been right.
 */
static void guess_clock(struct slot *slot)
{
    const struct member_record *record = &slot->member.record;
    int64_t right = (int64_t)(0 - (uint64_t)record->steps_ms), ahead = ahead_of(record);

    set_ahead(&slot->member, ahead > right ? ahead : right);
    slot->member.clock_known = false;
}

/*
 * A beat is read up to a second and more after it was written, so the clock seems the further
 * behind, the later it is read: of some beats the largest difference is the nearest to the truth.
 */
static void estimate_clock(struct slot *slot)
{
    int64_t ahead = ahead_of(&slot->member.record);
    unsigned samples;

    slot->samples[slot->samples_count++ % SKEW_SAMPLES] = ahead;
    samples = slot->samples_count < SKEW_SAMPLES ? slot->samples_count : SKEW_SAMPLES;
    for (unsigned i = 0; i < samples; i++)
        ahead = slot->samples[i] > ahead ? slot->samples[i] : ahead;
    set_ahead(&slot->member, ahead);
    slot->member.clock_known = true;
}

/* Our number's record is another's: of an earlier run of ours, or of one who has taken our place.
 */
static void meet_self(struct members *members, const struct member_record *record)
{
    if (record->instance == members->instance)
        return;
    if (!members->ready) {
        members->former = *record;
        if (record->epoch >= members->epoch)
            members->epoch = record->epoch + 1;
    } else if (record->epoch > members->epoch && !members->superseded) {
        members->superseded = true;
        note(members, members->config.self,
             "another appliance has taken this number; this one no "
             "longer writes. Give each its own fleet.number");
        if (members->config.on_superseded)
            members->config.on_superseded(members->config.user);
    }
}

static void meet(struct members *members, unsigned number, const struct member_record *record)
{
    struct slot *slot = &members->slots[number];
    struct member *member = &slot->member;
    enum member_health before = member->health;
    bool first = member->health == MEMBER_UNKNOWN;

    if (record->appliance != number) {
        member->unreadable++;
        return;
    }
    if (!first && record->epoch < member->record.epoch)
        return; /* of one who doesn't know yet that he was superseded */
    if (!first && record->epoch == member->record.epoch && record->beat == member->record.beat)
        return;
    if (record->epoch != member->record.epoch)
        slot->samples_count = 0;
    member->record = *record;
    member->read_at = monotonic_ms();
    /* The first record that is read may be an old one: it is alive once its beat changes. */
    if (record->state == MEMBER_LEAVING)
        member->health = MEMBER_LEFT;
    else
        member->health = first ? MEMBER_SILENT : MEMBER_ALIVE;
    if (first)
        guess_clock(slot);
    else
        estimate_clock(slot);
    if (before != MEMBER_ALIVE && member->health == MEMBER_ALIVE)
        note(members, number, "is alive");
    if (before == MEMBER_ALIVE && member->health == MEMBER_LEFT)
        note(members, number, "has left");
    if (members->config.on_record)
        members->config.on_record(members->config.user, number);
}

static void get_ready(struct members *members)
{
    if (members->ready)
        return;
    for (unsigned i = 0; i < MEMBERS_MAX; i++) {
        if (!members->slots[i].looked)
            return;
    }
    members->ready = true;
    if (members->config.on_ready)
        members->config.on_ready(members->config.user);
}

static void on_looked(void *user, const struct redis_result *result)
{
    struct look *look = user;
    struct members *members = look->members;
    struct slot *slot = &members->slots[look->number];
    struct member_record record;
    unsigned number = look->number;

    free(look);
    slot->looking = false;
    if (result->outcome == REDIS_CANCELLED)
        return;
    slot->look_at = monotonic_ms() + BEAT_MS / 2;
    if (result->outcome == REDIS_REFUSED) /* something of another type: no member */
        slot->looked |= result->error == REDIS_ERROR_wrongtype;
    if (result->outcome != REDIS_ANSWERED)
        return;
    slot->looked = true;
    if (result->reply->type != REDIS_REPLY_STRING)
        slot->look_at = monotonic_ms() + STRANGERS_MS;
    else if (member_record_read(&record, result->reply->str, result->reply->len))
        slot->member.unreadable++;
    else if (number == members->config.self)
        meet_self(members, &record);
    else
        meet(members, number, &record);
    get_ready(members);
}

static void look_up(struct members *members, unsigned number)
{
    struct look *look = malloc(sizeof(*look));
    char key[MEMBERS_KEY_SIZE];
    const char *argv[] = {"GET", key};
    size_t sizes[] = {3, make_key(key, number)};
    struct redis_request request = {.argc = 2,
                                    .argv = argv,
                                    .sizes = sizes,
                                    .key = 1,
                                    .timeout_ms = TIMEOUT_MS,
                                    .done = on_looked,
                                    .user = look};

    if (!look)
        return;
    *look = (struct look){members, number};
    if (redis_cluster_submit(members->config.redis, &request))
        free(look);
    else
        members->slots[number].looking = true;
}

/* Writing ours --------------------------------------------------------------------------------- */

static void on_written(void *user, const struct redis_result *result)
{
    struct members *members = user;

    members->writing = false;
    members->beats_written += result->outcome == REDIS_ANSWERED;
    members->beats_failed += result->outcome != REDIS_ANSWERED;
}

static void beat(struct members *members)
{
    static struct member_record record;
    static uint8_t bytes[MEMBER_RECORD_SIZE_MAX];
    char key[MEMBERS_KEY_SIZE], expiry[16];
    const char *argv[] = {"SET", key, (const char *)bytes, "EX", expiry};
    size_t sizes[] = {3, make_key(key, members->config.self), 0, 2, 0};
    struct redis_request request = {.argc = 5,
                                    .argv = argv,
                                    .sizes = sizes,
                                    .key = 1,
                                    .timeout_ms = TIMEOUT_MS,
                                    .done = on_written,
                                    .user = members};

    record = (struct member_record){
        .appliance = (uint16_t)members->config.self,
        .state = (uint16_t)members->state,
        .chunk_version = CHUNK_VERSION,
        .streams_count = (uint16_t)members->config.streams,
        .instance = members->instance,
        .epoch = members->epoch,
        .beat = ++members->beat,
        .time_ms = wall_ms(),
        .steps_ms = steady_clock_steps_ms(),
        .layout = members->config.layout,
    };
    memcpy(record.name, members->name, sizeof(record.name));
    if (members->config.on_beat)
        members->config.on_beat(members->config.user, &record);
    sizes[2] = member_record_write(&record, bytes);
    sizes[4] = (size_t)snprintf(expiry, sizeof(expiry), "%d", RECORD_EXPIRY);
    members->writing = redis_cluster_submit(members->config.redis, &request) == 0;
    members->beat_at = monotonic_ms() + BEAT_MS;
}

/* Time ----------------------------------------------------------------------------------------- */

static void watch(struct members *members, unsigned number, uint64_t now)
{
    struct member *member = &members->slots[number].member;

    if (member->health == MEMBER_ALIVE && now - member->read_at > SILENT_MS) {
        member->health = MEMBER_SILENT;
        note(members, number, "is silent");
    }
}

static void on_tick(evutil_socket_t fd, short what, void *user)
{
    struct members *members = user;
    uint64_t now = monotonic_ms();

    for (unsigned number = 0; number < MEMBERS_MAX; number++) {
        struct slot *slot = &members->slots[number];

        watch(members, number, now);
        if (!slot->looking && now >= slot->look_at)
            look_up(members, number);
    }
    if (members->telling && !members->superseded && !members->writing && now >= members->beat_at)
        beat(members);
}

/* Face ----------------------------------------------------------------------------------------- */

struct members *members_new(const struct members_config *config)
{
    const struct timeval interval = {.tv_usec = TICK_MS * 1000};
    struct members *members = calloc(1, sizeof(*members));

    if (!members)
        return NULL;
    members->config = *config;
    snprintf(members->name, sizeof(members->name), "%s", config->name);
    arc4random_buf(&members->instance, sizeof(members->instance));
    members->epoch = wall_ms();
    members->tick = event_new(config->base, -1, EV_PERSIST, on_tick, members);
    if (!members->tick || event_add(members->tick, &interval)) {
        members_free(members);
        return NULL;
    }
    return members;
}

void members_free(struct members *members)
{
    if (!members)
        return;
    if (members->tick)
        event_free(members->tick);
    free(members);
}

const struct member_record *members_former(const struct members *members)
{
    return members->former.epoch ? &members->former : NULL;
}

uint64_t members_epoch(const struct members *members)
{
    return members->epoch;
}

bool members_ready(const struct members *members)
{
    return members->ready;
}

void members_tell(struct members *members, enum member_state state)
{
    members->state = state;
    members->telling = true;
    members->beat_at = 0;
}

bool members_may_write(const struct members *members)
{
    return !members->superseded;
}

const struct member *members_get(const struct members *members, unsigned number)
{
    return &members->slots[number].member;
}

void members_beats(const struct members *members, uint64_t *written, uint64_t *failed)
{
    *written = members->beats_written;
    *failed = members->beats_failed;
}

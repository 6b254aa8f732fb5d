/* SPDX-License-Identifier: BSD-3-Clause */
#include "subscriber.h"

#include <errno.h>
#include <event2/event.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "../store/monotonic.h"
#include "delta_batch.h"
#include "publisher.h"

enum {
    TICK_MS = 10,
    ENTRIES = 32,   /* batches asked for at a time: 1.3 MB at most */
    READ_MS = 2000, /* of one attempt */
    REST_MS = 500,  /* after an attempt that failed */
    ID_SIZE = 48,
};

/* A batch that was read, and waits for room in the tables. */
struct batch {
    STAILQ_ENTRY(batch) link;
    struct delta_batch_reader reader;
    struct delta_record record; /* read, but not handed on yet, if `have` */
    bool have;
    uint8_t bytes[];
};

/* One stream of a member. */
struct source {
    struct subscriber *subscriber;
    unsigned member, stream;
    bool open;
    bool all; /* what it doesn't hold from its beginning on was missed */
    bool reading;
    uint64_t next_read;                   /* ms */
    uint64_t asked_epoch, asked_sequence; /* the stream's end as the member told, when we asked */
    char last_id[ID_SIZE];
    uint64_t epoch, sequence, records; /* of the last batch that was read */
    uint64_t time_ms;                  /* of that batch, on the writer's clock */
    bool caught_up;                    /* there was nothing more, once */
    uint64_t mark;    /* records that the member told of when we were last found behind; 0: none */
    uint64_t mark_at; /* ms: when that was */
    STAILQ_HEAD(, batch) waiting;
};

struct followed {
    int64_t ahead;  /* see struct member */
    uint64_t epoch; /* of its record */
    unsigned streams_count;
    struct member_stream ends[MEMBER_STREAMS_MAX];
    struct source *sources; /* MEMBER_STREAMS_MAX */
    struct subscriber_info info;
};

struct subscriber {
    struct subscriber_config config;
    struct importer *importer;
    struct event *tick;
    bool expects_all;        /* of members that it meets */
    struct seen_clock clock; /* its wall is steady_clock.h's */
    struct followed members[MEMBERS_MAX];
};

/* What others tell is compared with a clock that nobody sets. */
static void set_clock(struct subscriber *subscriber)
{
    struct seen_clock *clock = subscriber->config.clock;

    seen_clock_set(clock, dataplane_now(subscriber->config.dataplane));
    subscriber->clock =
        (struct seen_clock){.worker = clock->worker, .wall = seen_clock_steady(clock)};
}

/* Into the tables ------------------------------------------------------------------------------ */

/* Hands a record on. False when there is no room. */
static bool hand_on_record(struct source *source, const struct delta_batch_header *header,
                           const struct delta_record *record)
{
    struct subscriber *subscriber = source->subscriber;
    struct followed *followed = &subscriber->members[source->member];
    struct seen_times times = {.written = header->time_ms / 1000,
                               .writer_ahead = followed->ahead + header->steps_ms / 1000,
                               .now = subscriber->clock,
                               .timeout = subscriber->config.timeouts->peer};
    size_t peer_size = swarms_peer_size(record->family);
    uint32_t age = seen_age(record->state, &times), seen, stopped;
    uint8_t *room;

    if (age > times.timeout || age > times.now.worker) {
        followed->info.expired++;
        return true;
    }
    seen = times.now.worker - age;
    stopped = tombstones_find(subscriber->config.tombstones, record->info_hash, record->family,
                              record->peer);
    if (stopped > seen) {
        followed->info.dead++;
        return true;
    }
    room = importer_reserve(subscriber->importer, record->info_hash, record->family, 1);
    if (!room)
        return false;
    memcpy(room, record->peer, peer_size);
    room[peer_size] = record->flags;
    room[peer_size + 1] = 0;
    memcpy(room + peer_size + 2, &seen, sizeof(seen));
    importer_add(subscriber->importer, record->info_hash, record->family, 0, 1);
    followed->info.records++;
    if (record->flags & TRANSFER_STOPPED) {
        followed->info.stopped++;
        tombstones_add(subscriber->config.tombstones, record->info_hash, record->family,
                       record->peer, seen);
    }
    return true;
}

/* False when the batch isn't done. */
static bool hand_on_batch(struct source *source, struct batch *batch)
{
    int result = 1;

    while (result == 1) {
        if (batch->have && !hand_on_record(source, &batch->reader.header, &batch->record))
            return false;
        result = delta_batch_next(&batch->reader, &batch->record);
        batch->have = result == 1;
    }
    if (result < 0)
        source->subscriber->members[source->member].info.unreadable++;
    return true;
}

static void hand_on(struct source *source)
{
    struct batch *batch;

    while ((batch = STAILQ_FIRST(&source->waiting)) != NULL) {
        if (!hand_on_batch(source, batch))
            return;
        STAILQ_REMOVE_HEAD(&source->waiting, link);
        free(batch);
    }
}

/* From the stream ------------------------------------------------------------------------------ */

static void report_gap(struct source *source)
{
    struct subscriber *subscriber = source->subscriber;

    subscriber->members[source->member].info.gaps++;
    if (subscriber->config.on_gap)
        subscriber->config.on_gap(subscriber->config.user, source->member);
}

/* False for a batch that we have, or that a superseded writer has left. */
static bool follow_sequence(struct source *source, const struct delta_batch_header *header)
{
    struct subscriber_info *info = &source->subscriber->members[source->member].info;
    bool gap = false;

    if (header->epoch < source->epoch ||
        (header->epoch == source->epoch && header->sequence <= source->sequence)) {
        info->duplicates++;
        return false;
    }
    if (header->epoch == source->epoch)
        gap = header->sequence != source->sequence + 1;
    else if (source->epoch != 0 || source->all)
        gap = header->sequence != 1;
    source->epoch = header->epoch;
    source->sequence = header->sequence;
    source->records = header->before + header->records;
    source->time_ms = header->time_ms;
    if (gap)
        report_gap(source);
    return true;
}

static void take_batch(struct source *source, const char *bytes, size_t size)
{
    struct subscriber_info *info = &source->subscriber->members[source->member].info;
    struct batch *batch = malloc(sizeof(*batch) + size);

    if (!batch) {
        report_gap(source);
        return;
    }
    *batch = (struct batch){.have = false};
    memcpy(batch->bytes, bytes, size);
    if (delta_batch_open(&batch->reader, batch->bytes, size) ||
        batch->reader.header.appliance != source->member ||
        batch->reader.header.stream != source->stream) {
        info->unreadable++;
        free(batch);
    } else if (!follow_sequence(source, &batch->reader.header)) {
        free(batch);
    } else {
        info->batches++;
        info->bytes += size;
        STAILQ_INSERT_TAIL(&source->waiting, batch, link);
    }
}

/* An entry of a stream: [id, [field, value, ...]]. False if it isn't one. */
static bool take_entry(struct source *source, const redisReply *entry)
{
    const redisReply *id, *fields;

    if (entry->type != REDIS_REPLY_ARRAY || entry->elements != 2)
        return false;
    id = entry->element[0];
    fields = entry->element[1];
    if (id->type != REDIS_REPLY_STRING || id->len >= ID_SIZE)
        return false;
    memcpy(source->last_id, id->str, id->len + 1);
    if (fields->type != REDIS_REPLY_ARRAY || fields->elements != 2 ||
        fields->element[1]->type != REDIS_REPLY_STRING)
        return false;
    take_batch(source, fields->element[1]->str, fields->element[1]->len);
    return true;
}

/* The reply to XREAD of one stream: [[key, [entry, ...]]], or nil. Returns the entries. */
static size_t take_reply(struct source *source, const redisReply *reply)
{
    struct subscriber_info *info = &source->subscriber->members[source->member].info;
    const redisReply *entries;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 1 ||
        reply->element[0]->type != REDIS_REPLY_ARRAY || reply->element[0]->elements != 2 ||
        reply->element[0]->element[1]->type != REDIS_REPLY_ARRAY) {
        info->unreadable += reply->type != REDIS_REPLY_NIL;
        return 0;
    }
    entries = reply->element[0]->element[1];
    for (size_t i = 0; i < entries->elements; i++) {
        if (!take_entry(source, entries->element[i]))
            info->unreadable++;
    }
    return entries->elements;
}

/* True if the member had written batches before we asked that we neither have nor got elsewhere. */
static bool was_told_of_more(const struct source *source)
{
    if (source->asked_epoch == source->epoch)
        return source->asked_sequence > source->sequence;
    if (source->epoch == 0 && !source->all)
        return false;
    return source->asked_epoch > source->epoch && source->asked_sequence > 0;
}

/* The member had written more before we asked, and yet there is nothing: it was lost. */
static void notice_loss(struct source *source)
{
    const struct followed *followed = &source->subscriber->members[source->member];

    if (followed->epoch != source->asked_epoch || !was_told_of_more(source))
        return;
    source->epoch = source->asked_epoch;
    source->sequence = source->asked_sequence;
    source->records = followed->ends[source->stream].records;
    report_gap(source);
}

static void on_read(void *user, const struct redis_result *result)
{
    struct source *source = user;
    struct subscriber *subscriber = source->subscriber;
    uint64_t now = monotonic_ms();
    size_t entries;

    source->reading = false;
    if (result->outcome == REDIS_CANCELLED || !source->open)
        return;
    if (result->outcome != REDIS_ANSWERED) {
        subscriber->members[source->member].info.errors++;
        source->next_read = now + REST_MS;
        return;
    }
    entries = take_reply(source, result->reply);
    if (entries == 0)
        notice_loss(source);
    source->caught_up |= entries < ENTRIES;
    source->next_read = entries < ENTRIES ? now + subscriber->config.poll_ms : now;
    hand_on(source);
    importer_flush(subscriber->importer);
}

static void read_more(struct source *source)
{
    struct subscriber *subscriber = source->subscriber;
    const struct followed *followed = &subscriber->members[source->member];
    char key[PUBLISHER_KEY_SIZE], count[8];
    const char *argv[] = {"XREAD", "COUNT", count, "STREAMS", key, source->last_id};
    size_t sizes[] = {5, 5, 0, 7, 0, strlen(source->last_id)};
    struct redis_request request = {.argc = 6,
                                    .argv = argv,
                                    .sizes = sizes,
                                    .key = 4,
                                    .timeout_ms = READ_MS,
                                    .done = on_read,
                                    .user = source};

    sizes[2] = (size_t)snprintf(count, sizeof(count), "%d", ENTRIES);
    sizes[4] = publisher_stream_key(key, source->member, source->stream);
    source->asked_epoch = followed->epoch;
    source->asked_sequence = followed->ends[source->stream].sequence;
    source->reading = redis_cluster_submit(subscriber->config.redis, &request) == 0;
}

static uint64_t records_had(const struct followed *followed, const struct source *source)
{
    return source->epoch == followed->epoch ? source->records : 0;
}

/* Lag is the age of a mark: of something that the member has told of, and that we haven't read. */
static void set_mark(struct source *source, uint64_t now)
{
    const struct followed *followed = &source->subscriber->members[source->member];
    uint64_t had = records_had(followed, source);
    uint64_t told =
        source->stream < followed->streams_count ? followed->ends[source->stream].records : 0;

    if (source->mark > had && told >= source->mark)
        return;
    source->mark = told > had ? told : 0;
    source->mark_at = now;
}

static void work_on(struct source *source, uint64_t now)
{
    set_mark(source, now);
    hand_on(source);
    if (!source->reading && STAILQ_EMPTY(&source->waiting) && now >= source->next_read)
        read_more(source);
}

static void on_tick(evutil_socket_t fd, short what, void *user)
{
    struct subscriber *subscriber = user;
    uint64_t now = monotonic_ms();

    set_clock(subscriber);
    for (unsigned number = 0; number < MEMBERS_MAX; number++) {
        struct followed *followed = &subscriber->members[number];

        for (unsigned i = 0; followed->sources && i < MEMBER_STREAMS_MAX; i++) {
            if (followed->sources[i].open)
                work_on(&followed->sources[i], now);
        }
    }
    importer_flush(subscriber->importer);
}

/* Face ----------------------------------------------------------------------------------------- */

struct subscriber *subscriber_new(const struct subscriber_config *config)
{
    const struct timeval interval = {.tv_usec = TICK_MS * 1000};
    struct subscriber *subscriber = calloc(1, sizeof(*subscriber));

    if (!subscriber)
        return NULL;
    subscriber->config = *config;
    subscriber->importer = importer_new(config->base, config->jobs, config->dataplane);
    subscriber->tick = event_new(config->base, -1, EV_PERSIST, on_tick, subscriber);
    if (!subscriber->importer || !subscriber->tick || event_add(subscriber->tick, &interval)) {
        subscriber_free(subscriber);
        return NULL;
    }
    return subscriber;
}

static void source_clear(struct source *source)
{
    struct batch *batch;

    while (source->open && (batch = STAILQ_FIRST(&source->waiting)) != NULL) {
        STAILQ_REMOVE_HEAD(&source->waiting, link);
        free(batch);
    }
}

void subscriber_free(struct subscriber *subscriber)
{
    if (!subscriber)
        return;
    for (unsigned number = 0; number < MEMBERS_MAX; number++) {
        struct source *sources = subscriber->members[number].sources;

        for (unsigned i = 0; sources && i < MEMBER_STREAMS_MAX; i++)
            source_clear(&sources[i]);
        free(sources);
    }
    importer_free(subscriber->importer);
    if (subscriber->tick)
        event_free(subscriber->tick);
    free(subscriber);
}

static void open_source(struct subscriber *subscriber, unsigned number, unsigned stream)
{
    struct source *source = &subscriber->members[number].sources[stream];

    if (source->open)
        return;
    source->subscriber = subscriber;
    source->member = number;
    source->stream = stream;
    source->open = true;
    source->all = subscriber->expects_all;
    strcpy(source->last_id, "0-0");
    STAILQ_INIT(&source->waiting);
}

void subscriber_follow(struct subscriber *subscriber, unsigned number, const struct member *member)
{
    struct followed *followed = &subscriber->members[number];

    if (!followed->sources)
        followed->sources = calloc(MEMBER_STREAMS_MAX, sizeof(*followed->sources));
    if (!followed->sources)
        return;
    followed->ahead = member->ahead;
    followed->epoch = member->record.epoch;
    followed->streams_count = member->record.streams_count;
    memcpy(followed->ends, member->record.streams, sizeof(followed->ends));
    for (unsigned stream = 0; stream < followed->streams_count; stream++)
        open_source(subscriber, number, stream);
}

void subscriber_drop(struct subscriber *subscriber, unsigned number)
{
    struct followed *followed = &subscriber->members[number];

    for (unsigned i = 0; followed->sources && i < MEMBER_STREAMS_MAX; i++) {
        source_clear(&followed->sources[i]);
        followed->sources[i].open = false;
    }
    followed->streams_count = 0;
}

void subscriber_expect_all(struct subscriber *subscriber)
{
    subscriber->expects_all = true;
}

bool subscriber_idle(const struct subscriber *subscriber)
{
    for (unsigned number = 0; number < MEMBERS_MAX; number++) {
        const struct followed *followed = &subscriber->members[number];

        for (unsigned i = 0; followed->sources && i < MEMBER_STREAMS_MAX; i++) {
            if (followed->sources[i].open && !STAILQ_EMPTY(&followed->sources[i].waiting))
                return false;
        }
    }
    return importer_idle(subscriber->importer);
}

/* Adds what a stream lacks to the member's lag. */
static void add_lag(const struct followed *followed, const struct source *source,
                    struct subscriber_info *info)
{
    uint64_t had = records_had(followed, source), age;

    if (source->mark <= had)
        return;
    info->lag_records += followed->ends[source->stream].records - had;
    age = monotonic_ms() - source->mark_at;
    if (age > info->lag_ms)
        info->lag_ms = age > UINT32_MAX ? UINT32_MAX : (uint32_t)age;
}

void subscriber_info(const struct subscriber *subscriber, unsigned member,
                     struct subscriber_info *info)
{
    const struct followed *followed = &subscriber->members[member];

    *info = followed->info;
    info->streams = followed->streams_count;
    info->caught_up = true;
    for (unsigned i = 0; followed->sources && i < MEMBER_STREAMS_MAX; i++) {
        const struct source *source = &followed->sources[i];

        if (!source->open)
            continue;
        info->caught_up &= source->caught_up && STAILQ_EMPTY(&source->waiting);
        if (i < followed->streams_count)
            add_lag(followed, source, info);
    }
}

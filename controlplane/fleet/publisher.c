/* SPDX-License-Identifier: BSD-3-Clause */
#include "publisher.h"

#include <event2/event.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#include "../store/monotonic.h"
#include "../store/store.h"
#include "delta_batch.h"

enum {
    TICK_MS = 10,   /* between two looks into the rings */
    TAKE = 512,     /* deltas from a ring at a time */
    TAKES_MAX = 64, /* of them in a tick, so that other events have their turn */
    SEND_MS = 2000, /* of one attempt; then it is tried again */
    REST_MS = 500,  /* after an attempt that failed */
    BUMP_MS = 1000, /* by which IDs go past the end of a stream that lies ahead, at first */
    BUMP_MAX_MS = 3600000,
    LIFE = 2, /* times the retention, for which Redis keeps a stream without a writer */

    /*
     * Bytes that wait: above MANY workers tell of stops only, below FEW of everybody again. Less
     * room above MANY: stops are lost sooner; a lower FEW: news pause for longer.
     */
    WAITING_MANY = PUBLISHER_WAITING_MAX / 16 * 15,
    WAITING_FEW = PUBLISHER_WAITING_MAX / 2,
};

/* A batch that is complete, or being filled. */
struct batch {
    STAILQ_ENTRY(batch) link;
    size_t size;
    uint32_t records;
    uint64_t sequence, before;
    uint64_t begun; /* ms, monotonic: when its first record came */
    struct seen_clock clock;
    uint8_t bytes[];
};

struct stream {
    struct publisher *publisher;
    unsigned number;
    struct batch *filling;        /* NULL: none */
    STAILQ_HEAD(, batch) waiting; /* the first may be under way */
    bool sending, again;          /* `again`: the first was sent before, and may be there already */
    uint64_t rest_until;          /* ms */
    uint64_t sequence;            /* of the last batch that was completed, or lost */
    uint64_t records;             /* in the epoch so far, those that were lost included */
    uint64_t lost_seen;           /* of the ring's count */
    bool gap;                     /* before the next batch: some were lost */
    uint64_t id_ms;               /* of the last ID */
    uint64_t id_at;               /* ms, monotonic: when it was given */
    uint64_t bump_ms;
    uint64_t extend_at; /* ms: when Redis is to be told again how long to keep it */
    uint64_t stored_sequence, stored_records; /* what Redis has */
};

struct publisher {
    struct publisher_config config;
    struct event *tick;
    bool running;
    uint64_t epoch;
    size_t waiting_bytes;
    bool only_stops; /* what workers tell of */
    struct publisher_info info;
    unsigned streams_count;
    struct stream streams[MEMBER_STREAMS_MAX];
};

static uint64_t wall_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

size_t publisher_stream_key(char key[PUBLISHER_KEY_SIZE], unsigned appliance, unsigned stream)
{
    /* Numbers that differ little are far apart when their bits are reversed. */
    unsigned slot = store_redis_slot(appliance * MEMBER_STREAMS_MAX + stream);

    return (size_t)snprintf(key, PUBLISHER_KEY_SIZE, "{%s}:d:%u:%u", redis_slot_tag(slot),
                            appliance, stream);
}

/* Sending -------------------------------------------------------------------------------------- */

static void send_next(struct stream *stream);

static void note_error(struct publisher *publisher, const struct redis_result *result)
{
    snprintf(publisher->info.last_error, sizeof(publisher->info.last_error), "%s",
             result->reply && result->reply->str ? result->reply->str
                                                 : redis_error_help(result->error));
}

static void drop_batch(struct stream *stream, struct batch *batch)
{
    struct publisher *publisher = stream->publisher;

    STAILQ_REMOVE(&stream->waiting, batch, batch, link);
    publisher->waiting_bytes -= sizeof(*batch) + DELTA_BATCH_SIZE_MAX;
    free(batch);
}

static void on_extended(void *user, const struct redis_result *result)
{
    struct publisher *publisher = ((struct stream *)user)->publisher;

    if (result->outcome == REDIS_REFUSED)
        note_error(publisher, result);
}

/*
 * Redis is to forget a stream that nobody writes to any more; whatever it holds then is older than
 * readers want it.
 */
static void extend_life(struct stream *stream)
{
    struct publisher *publisher = stream->publisher;
    uint64_t now = monotonic_ms();
    char key[PUBLISHER_KEY_SIZE], life[16];
    const char *argv[] = {"EXPIRE", key, life};
    size_t sizes[] = {6, 0, 0};
    struct redis_request request = {.argc = 3,
                                    .argv = argv,
                                    .sizes = sizes,
                                    .key = 1,
                                    .timeout_ms = SEND_MS,
                                    .done = on_extended,
                                    .user = stream};

    if (now < stream->extend_at)
        return;
    sizes[1] = publisher_stream_key(key, publisher->config.self, stream->number);
    sizes[2] = (size_t)snprintf(life, sizeof(life), "%u", LIFE * publisher->config.retention);
    if (redis_cluster_submit(publisher->config.redis, &request) == 0)
        stream->extend_at = now + publisher->config.retention * UINT64_C(1000) / 2;
}

static void sent(struct stream *stream)
{
    struct publisher *publisher = stream->publisher;
    struct batch *batch = STAILQ_FIRST(&stream->waiting);

    publisher->info.records += batch->records;
    publisher->info.batches++;
    publisher->info.bytes += batch->size;
    stream->stored_sequence = batch->sequence;
    stream->stored_records = batch->before + batch->records;
    stream->again = false;
    stream->bump_ms = 0;
    drop_batch(stream, batch);
    extend_life(stream);
    send_next(stream);
}

/* The ID was not later than the stream's last. */
static bool is_too_early(const struct redis_result *result)
{
    return result->outcome == REDIS_REFUSED && result->reply && result->reply->str &&
           strstr(result->reply->str, "equal or smaller") != NULL;
}

static void on_sent(void *user, const struct redis_result *result)
{
    struct stream *stream = user;
    struct publisher *publisher = stream->publisher;

    stream->sending = false;
    if (result->outcome == REDIS_CANCELLED)
        return;
    if (result->outcome == REDIS_ANSWERED ||
        (is_too_early(result) && (stream->again || result->repeated))) {
        sent(stream);
        return;
    }
    publisher->info.errors++;
    if (is_too_early(result)) {
        /* Our clock was set back, or somebody wrote ahead of it: go past the stream's end. */
        stream->bump_ms = stream->bump_ms ? 2 * stream->bump_ms : BUMP_MS;
        stream->bump_ms = stream->bump_ms < BUMP_MAX_MS ? stream->bump_ms : BUMP_MAX_MS;
        stream->id_ms += stream->bump_ms;
        publisher->info.clock_bumps++;
        return;
    }
    note_error(publisher, result);
    /* After a refusal it isn't there; else nobody knows. */
    stream->again |= result->outcome == REDIS_EXPIRED;
    stream->rest_until = monotonic_ms() + REST_MS;
}

static uint64_t next_id_ms(struct stream *stream)
{
    uint64_t wall = wall_ms(), now = monotonic_ms(), later;

    if (stream->again)
        return stream->id_ms;
    /* IDs keep pace with time though the wall clock was set back: so does trimming. */
    later = stream->id_ms + (stream->id_at ? now - stream->id_at : 0);
    stream->id_at = now;
    return wall > later ? wall : later;
}

static void seal(struct stream *stream, struct batch *batch)
{
    struct delta_batch_header header = {
        .appliance = (uint16_t)stream->publisher->config.self,
        .stream = (uint16_t)stream->number,
        .records = batch->records,
        .epoch = stream->publisher->epoch,
        .sequence = batch->sequence,
        .before = batch->before,
        .time_ms = batch->clock.wall * 1000 + wall_ms() % 1000,
        .steps_ms = batch->clock.steps_ms,
    };

    delta_batch_finish(batch->bytes, batch->size, &header);
}

static void send_next(struct stream *stream)
{
    struct publisher *publisher = stream->publisher;
    struct batch *batch = STAILQ_FIRST(&stream->waiting);
    char key[PUBLISHER_KEY_SIZE], oldest[24], id[48];
    const char *argv[] = {"XADD", key, "MINID", "~", oldest, id, "b", NULL};
    size_t sizes[] = {4, 0, 5, 1, 0, 0, 1, 0};
    struct redis_request request = {.argc = 8,
                                    .argv = argv,
                                    .sizes = sizes,
                                    .key = 1,
                                    .timeout_ms = SEND_MS,
                                    .wait = true,
                                    .done = on_sent,
                                    .user = stream};

    if (!publisher->running || stream->sending || !batch || monotonic_ms() < stream->rest_until)
        return;
    publisher->info.retries += stream->again;
    stream->id_ms = next_id_ms(stream);
    seal(stream, batch);
    argv[7] = (const char *)batch->bytes;
    sizes[1] = publisher_stream_key(key, publisher->config.self, stream->number);
    sizes[4] = (size_t)snprintf(
        oldest, sizeof(oldest), "%llu",
        (unsigned long long)(stream->id_ms - publisher->config.retention * UINT64_C(1000)));
    sizes[5] = (size_t)snprintf(id, sizeof(id), "%llu-%llu", (unsigned long long)stream->id_ms,
                                (unsigned long long)batch->sequence);
    sizes[7] = batch->size;
    stream->sending = redis_cluster_submit(publisher->config.redis, &request) == 0;
}

/* Filling -------------------------------------------------------------------------------------- */

/* Forgets the oldest batches that aren't under way, until another has room. */
static void make_room(struct publisher *publisher)
{
    const size_t size = sizeof(struct batch) + DELTA_BATCH_SIZE_MAX;

    for (unsigned i = 0; publisher->waiting_bytes + size > PUBLISHER_WAITING_MAX; i++) {
        struct stream *stream = &publisher->streams[i % publisher->streams_count];
        struct batch *batch = STAILQ_FIRST(&stream->waiting);

        if (i > 2 * publisher->streams_count)
            return;
        if (batch && (stream->sending || stream->again))
            batch = STAILQ_NEXT(batch, link);
        if (!batch)
            continue;
        publisher->info.lost_waiting += batch->records;
        drop_batch(stream, batch);
    }
}

static struct batch *begin_batch(struct stream *stream)
{
    struct publisher *publisher = stream->publisher;
    struct batch *batch;

    make_room(publisher);
    batch = malloc(sizeof(*batch) + DELTA_BATCH_SIZE_MAX);
    if (!batch)
        return NULL;
    batch->size = delta_batch_begin(batch->bytes);
    batch->records = 0;
    stream->sequence += stream->gap; /* a number that is left out tells readers */
    stream->gap = false;
    batch->sequence = ++stream->sequence;
    batch->before = stream->records;
    batch->begun = monotonic_ms();
    batch->clock = *publisher->config.clock;
    publisher->waiting_bytes += sizeof(*batch) + DELTA_BATCH_SIZE_MAX;
    return batch;
}

static void complete(struct stream *stream)
{
    struct batch *batch = stream->filling;

    stream->filling = NULL;
    STAILQ_INSERT_TAIL(&stream->waiting, batch, link);
    send_next(stream);
}

static void note_loss(struct stream *stream, uint64_t lost)
{
    uint64_t count = lost - stream->lost_seen;

    stream->lost_seen = lost;
    stream->gap |= count > 0;
    stream->records += count;
    stream->publisher->info.lost_in_ring += count;
}

static void add(struct stream *stream, const struct delta *delta)
{
    struct publisher *publisher = stream->publisher;
    const struct seen_clock *clock = publisher->config.clock;

    if (delta->flags & TRANSFER_STOPPED)
        tombstones_add(publisher->config.tombstones, delta->info_hash, delta->family, delta->peer,
                       delta->seen);
    /* All times of a batch are told by one clock. */
    if (stream->filling && clock->steps_ms != stream->filling->clock.steps_ms)
        complete(stream);
    if (!stream->filling)
        stream->filling = begin_batch(stream);
    stream->records++;
    if (!stream->filling) {
        stream->gap = true;
        publisher->info.lost_waiting++;
        return;
    }
    stream->filling->clock = *clock;
    stream->filling->size =
        delta_batch_add(stream->filling->bytes, stream->filling->size, delta, *clock);
    if (++stream->filling->records == DELTA_BATCH_RECORDS_MAX)
        complete(stream);
}

/* Takes up to TAKE deltas; false when there are no more. */
static bool take(struct stream *stream)
{
    const struct publisher_config *config = &stream->publisher->config;
    static struct delta deltas[TAKE];
    uint64_t lost;
    unsigned count = dataplane_deltas(config->dataplane, stream->number, deltas, TAKE, &lost);

    /* Now, after they were put into the ring: what is later than the clock would be told as now. */
    seen_clock_set(config->clock, dataplane_now(config->dataplane));
    for (unsigned i = 0; i < count; i++)
        add(stream, &deltas[i]);
    note_loss(stream, lost);
    return count == TAKE;
}

/*
 * While more comes than Redis takes, most of it would be encoded only to be forgotten: better the
 * worker doesn't write it down. Nobody but the deltas tells of those who stop; of all others the
 * next snapshot does.
 */
static void mind_backlog(struct publisher *publisher)
{
    size_t few = publisher->only_stops ? WAITING_FEW : WAITING_MANY;
    bool only_stops = publisher->waiting_bytes > few;

    if (only_stops == publisher->only_stops)
        return;
    publisher->only_stops = only_stops;
    for (unsigned i = 0; i < publisher->streams_count; i++)
        dataplane_want_only_stops(publisher->config.dataplane, i, only_stops);
}

static void on_tick(evutil_socket_t fd, short what, void *user)
{
    struct publisher *publisher = user;
    uint64_t now = monotonic_ms();

    for (unsigned i = 0; i < publisher->streams_count; i++) {
        struct stream *stream = &publisher->streams[i];

        for (unsigned takes = 0; takes < TAKES_MAX && take(stream); takes++)
            continue;
        /* While others wait before it, it may as well go on filling. */
        if (stream->filling && STAILQ_EMPTY(&stream->waiting) &&
            now - stream->filling->begun >= publisher->config.batch_ms)
            complete(stream);
        send_next(stream);
    }
    mind_backlog(publisher);
}

/* Face ----------------------------------------------------------------------------------------- */

struct publisher *publisher_new(const struct publisher_config *config)
{
    struct publisher *publisher = calloc(1, sizeof(*publisher));

    if (!publisher)
        return NULL;
    publisher->config = *config;
    publisher->streams_count = dataplane_workers(config->dataplane);
    for (unsigned i = 0; i < publisher->streams_count; i++) {
        publisher->streams[i].publisher = publisher;
        publisher->streams[i].number = i;
        STAILQ_INIT(&publisher->streams[i].waiting);
    }
    publisher->tick = event_new(config->base, -1, EV_PERSIST, on_tick, publisher);
    if (!publisher->tick) {
        publisher_free(publisher);
        return NULL;
    }
    return publisher;
}

void publisher_free(struct publisher *publisher)
{
    if (!publisher)
        return;
    for (unsigned i = 0; i < publisher->streams_count; i++) {
        struct stream *stream = &publisher->streams[i];

        while (!STAILQ_EMPTY(&stream->waiting))
            drop_batch(stream, STAILQ_FIRST(&stream->waiting));
        free(stream->filling);
    }
    if (publisher->tick)
        event_free(publisher->tick);
    free(publisher);
}

void publisher_start(struct publisher *publisher, uint64_t epoch,
                     const struct member_record *former)
{
    const struct timeval interval = {.tv_usec = TICK_MS * 1000};

    publisher->epoch = epoch;
    publisher->running = true;
    for (unsigned i = 0; former && i < publisher->streams_count && i < former->streams_count; i++)
        publisher->streams[i].id_ms = former->streams[i].time_ms;
    event_add(publisher->tick, &interval);
}

void publisher_stop(struct publisher *publisher)
{
    publisher->running = false;
    event_del(publisher->tick);
}

void publisher_describe(const struct publisher *publisher, struct member_record *record)
{
    for (unsigned i = 0; i < record->streams_count && i < publisher->streams_count; i++) {
        const struct stream *stream = &publisher->streams[i];

        record->streams[i] = (struct member_stream){
            .time_ms = stream->id_ms,
            .sequence = stream->stored_sequence,
            .records = stream->stored_records,
        };
    }
}

static unsigned records_waiting(const struct stream *stream)
{
    unsigned records = stream->filling ? stream->filling->records : 0;
    const struct batch *batch;

    STAILQ_FOREACH(batch, &stream->waiting, link)
    records += batch->records;
    return records;
}

void publisher_info(const struct publisher *publisher, struct publisher_info *info)
{
    uint64_t now = monotonic_ms(), oldest = now;

    *info = publisher->info;
    info->waiting_bytes = publisher->waiting_bytes;
    for (unsigned i = 0; i < publisher->streams_count; i++) {
        const struct stream *stream = &publisher->streams[i];
        const struct batch *batch = STAILQ_FIRST(&stream->waiting);

        info->waiting += records_waiting(stream);
        batch = batch ? batch : stream->filling;
        if (batch && batch->begun < oldest)
            oldest = batch->begun;
    }
    info->oldest_ms = (uint32_t)(now - oldest);
}

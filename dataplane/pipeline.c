/* SPDX-License-Identifier: BSD-3-Clause */
#include "pipeline.h"

#include "access_set.h"
#include "admit.h"
#include "announce.h"
#include "handoff.h"
#include "packet.h"
#include "reply.h"
#include "scrape.h"

enum {
    /*
     * Frames that are prefetched ahead of the one being parsed. Each is three cache lines; fewer
     * leave the core waiting for memory, more than the ~16 misses a core keeps in flight gain
     * nothing.
     */
    PREFETCH_AHEAD = 6,

    /* What most replies take up; they are written where the request lies. */
    REPLY_LINES = 4,

    CACHE_LINE = 64,
};

static inline void lane_add(struct lane *lane, struct request *request)
{
    lane->requests[lane->count++] = request;
}

/*
 * To the worker `owner`: this one, or another. Half of them are another's if there are two, at
 * random: choosing an address costs less than a branch that nobody can foresee.
 */
static inline void pass_on(struct pipeline *pipeline, unsigned owner, struct lane *own,
                           struct request *request)
{
    lane_add(owner == pipeline->worker ? own : &pipeline->away[owner], request);
}

static inline void drop(struct pipeline *pipeline, struct request *request, enum counter reason)
{
    pipeline->counters[reason]++;
    request->verdict = (uint8_t)reason;
    lane_add(&pipeline->drops, request);
}

static void refuse(struct pipeline *pipeline, struct request *request, const char *message)
{
    reply_error(request, message);
    lane_add(&pipeline->replies, request);
}

void pipeline_begin(struct pipeline *pipeline)
{
    pipeline->requests.count = 0;
    pipeline->announces.count = 0;
    pipeline->scrapes.count = 0;
    pipeline->replies.count = 0;
    pipeline->sends.count = 0;
    pipeline->drops.count = 0;
    pipeline->punts.count = 0;
    for (unsigned worker = 0; worker < pipeline->workers; worker++)
        pipeline->away[worker].count = 0;
}

static inline void prefetch_frame(const struct request *request)
{
    __builtin_prefetch(request->frame);
    __builtin_prefetch(request->frame + CACHE_LINE);
    __builtin_prefetch(request->frame + 2 * CACHE_LINE);
}

void pipeline_parse(struct pipeline *pipeline, struct request *const requests[], unsigned count)
{
    for (unsigned i = 0; i < count && i < PREFETCH_AHEAD; i++)
        prefetch_frame(requests[i]);
    for (unsigned i = 0; i < count; i++) {
        struct request *request = requests[i];

        if (i + PREFETCH_AHEAD < count)
            prefetch_frame(requests[i + PREFETCH_AHEAD]);
        packet_parse(pipeline->listen, request);
        if (request->verdict > REQUEST_PUNT && request->damaged)
            drop(pipeline, request, COUNTER_DROP_checksum);
        else if (request->verdict > REQUEST_PUNT)
            lane_add(&pipeline->requests, request);
        else if (request->verdict == REQUEST_PUNT)
            lane_add(&pipeline->punts, request);
        else
            drop(pipeline, request, request->verdict);
    }
}

/* Takes the announces that the access list forbids out of the lane, and answers them. */
static void refuse_unlisted(struct pipeline *pipeline, struct lane *lane)
{
    const struct dataplane_settings *settings = pipeline->settings;
    const uint8_t *info_hashes[SWARMS_BURST_MAX];
    unsigned count = lane->count;
    uint64_t listed, denied;

    for (unsigned i = 0; i < count; i++) /* of a scrape it is the first info-hash: not asked for */
        info_hashes[i] =
            ((const struct bep15_announce *)request_payload(lane->requests[i]))->info_hash;
    listed = settings->access ? access_set_contains(settings->access, info_hashes, count) : 0;
    denied = settings->access_mode == DATAPLANE_ACCESS_ALLOW ? ~listed : listed;
    lane->count = 0;
    for (unsigned i = 0; i < count; i++) {
        struct request *request = lane->requests[i];

        if (request->verdict == REQUEST_ANNOUNCE && denied >> i & 1) {
            pipeline->counters[COUNTER_access_refused]++;
            refuse(pipeline, request, "this torrent is not tracked here");
        } else {
            lane_add(lane, request);
        }
    }
}

/* The verdict stays as it is, or becomes a drop. */
static inline uint8_t judge(struct pipeline *pipeline, const struct request *request, bool verified)
{
    const struct dataplane_settings *settings = pipeline->settings;
    uint64_t now = pipeline->nanoseconds;

    if (!request->screened && admit_banned(settings->bans, request, now))
        return COUNTER_DROP_banned;
    if (request->verdict != REQUEST_CONNECT && !verified)
        return COUNTER_DROP_connection_id;
    if (!request->screened && admit_limited(pipeline->limiter, &settings->limiter, request, now)) {
        if (!settings->limiter.dry_run)
            return COUNTER_DROP_limited;
        pipeline->counters[COUNTER_would_limit]++;
    }
    return request->verdict;
}

void pipeline_admit(struct pipeline *pipeline)
{
    const struct dataplane_settings *settings = pipeline->settings;
    struct lane *lane = &pipeline->requests;
    unsigned count = lane->count;
    uint64_t ids[SWARMS_BURST_MAX];
    uint64_t verified = admit_burst(&settings->cookies, lane->requests, count, ids);

    for (unsigned i = 0; i < count; i++)
        if (!lane->requests[i]->screened)
            admit_prefetch(pipeline->limiter, &settings->limiter, lane->requests[i]);
    lane->count = 0;
    for (unsigned i = 0; i < count; i++) {
        struct request *request = lane->requests[i];
        uint8_t verdict = judge(pipeline, request, verified >> i & 1);

        if (verdict < REQUEST_PUNT) {
            drop(pipeline, request, verdict);
        } else if (verdict == REQUEST_CONNECT) {
            reply_connect(request, ids[i]);
            lane_add(&pipeline->replies, request);
        } else {
            lane_add(lane, request);
        }
    }
    if (settings->access_mode != DATAPLANE_ACCESS_OPEN && lane->count > 0)
        refuse_unlisted(pipeline, lane);
}

static void steer_announce(struct pipeline *pipeline, struct request *request)
{
    const char *wrong = announce_prepare(request, pipeline->settings, pipeline->secret);
    unsigned owner;

    if (wrong) {
        refuse(pipeline, request, wrong);
        return;
    }
    swarms_expect(pipeline->swarms, request->announce.hash);
    owner = handoff_owner(request->announce.hash, pipeline->workers);
    pass_on(pipeline, owner, &pipeline->announces, request);
}

static void steer_scrape(struct pipeline *pipeline, struct request *request)
{
    const char *wrong = scrape_prepare(request, pipeline->secret, pipeline->workers);
    unsigned owner;

    if (wrong) {
        refuse(pipeline, request, wrong);
        return;
    }
    owner = scrape_next(request, pipeline->worker);
    pass_on(pipeline, owner, &pipeline->scrapes, request);
}

void pipeline_steer(struct pipeline *pipeline)
{
    struct lane *lane = &pipeline->requests;

    for (unsigned i = 0; i < lane->count; i++) {
        if (lane->requests[i]->verdict == REQUEST_ANNOUNCE)
            steer_announce(pipeline, lane->requests[i]);
        else
            steer_scrape(pipeline, lane->requests[i]);
    }
    lane->count = 0;
}

void pipeline_expect(struct request *const requests[], unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        __builtin_prefetch(requests[i], 1);
        __builtin_prefetch((const char *)requests[i] + CACHE_LINE, 1);
    }
}

void pipeline_join(struct pipeline *pipeline, struct request *const requests[], unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct request *request = requests[i];

        for (unsigned line = 0; line < REPLY_LINES; line++)
            __builtin_prefetch(request->frame + line * CACHE_LINE, 1);
        if (request->verdict == REQUEST_ANNOUNCE) {
            swarms_expect(pipeline->swarms, request->announce.hash);
            lane_add(&pipeline->announces, request);
        } else if (request->verdict == REQUEST_SCRAPE) {
            lane_add(&pipeline->scrapes, request);
        } else {
            lane_add(&pipeline->sends, request);
        }
    }
}

/* Any 32 bits: it spreads clients in time, nothing depends on it being hard to guess. */
static inline uint32_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + 1;
    return (uint32_t)(*state >> 32);
}

/* Still there: the peers told are written later. */
static inline const uint8_t *peer_id_of(const struct request *request)
{
    return ((const struct bep15_announce *)request_payload(request))->peer_id;
}

static void act_announces(struct pipeline *pipeline)
{
    struct lane *lane = &pipeline->announces;
    struct swarms_announce *announces[SWARMS_BURST_MAX];
    uint64_t peers = 0, random = pipeline->random;

    for (unsigned i = inspect_first_sample(pipeline->swarms, lane->count); i < lane->count;
         i += INSPECT_SAMPLED_OF)
        inspect_count_client(pipeline->swarms, peer_id_of(lane->requests[i]));
    for (unsigned i = 0; i < lane->count; i++) {
        /* A reply of 30 peers is longer than its request. */
        __builtin_prefetch(lane->requests[i]->frame + (REPLY_LINES - 1) * CACHE_LINE, 1);
        announces[i] = &lane->requests[i]->announce;
    }
    if (pipeline->deltas)
        deltas_put(pipeline->deltas, announces, lane->count, pipeline->now);
    swarms_announce(pipeline->swarms, announces, lane->count, pipeline->now);
    for (unsigned i = 0; i < lane->count; i++) {
        struct request *request = lane->requests[i];

        reply_announce(request, announce_interval(pipeline->settings, next_random(&random)));
        peers += announces[i]->peers_count;
        lane_add(&pipeline->replies, request);
    }
    pipeline->random = random;
    pipeline->counters[COUNTER_peers_sent] += peers;
    lane->count = 0;
}

static void act_scrapes(struct pipeline *pipeline)
{
    struct lane *lane = &pipeline->scrapes;

    scrape_visit(lane->requests, lane->count, pipeline->swarms, pipeline->secret, pipeline->worker,
                 pipeline->workers);
    for (unsigned i = 0; i < lane->count; i++) {
        struct request *request = lane->requests[i];

        if (request->verdict == REQUEST_REPLY_SCRAPE)
            lane_add(&pipeline->replies, request);
        else
            pass_on(pipeline, scrape_next(request, pipeline->worker), lane, request);
    }
    lane->count = 0;
}

void pipeline_act(struct pipeline *pipeline)
{
    if (pipeline->announces.count > 0)
        act_announces(pipeline);
    if (pipeline->scrapes.count > 0)
        act_scrapes(pipeline);
}

/*
 * Pushes a line that was written here out to the cache that all cores share: from there another
 * core gets it four times as fast. A hint; processors that don't know it take it for a no-op.
 */
static inline void demote_line(const void *line)
{
    __asm__ volatile("cldemote %0" : : "m"(*(const char *)line));
}

static void push_out(const struct lane *lane)
{
    for (unsigned i = 0; i < lane->count; i++) {
        demote_line(lane->requests[i]);
        demote_line((const char *)lane->requests[i] + CACHE_LINE);
    }
}

void pipeline_finish(struct pipeline *pipeline)
{
    struct lane *lane = &pipeline->replies;

    reply_finish(lane->requests, lane->count);
    for (unsigned i = 0; i < lane->count; i++)
        lane_add(&pipeline->sends, lane->requests[i]);
    lane->count = 0;
    for (unsigned worker = 0; worker < pipeline->workers; worker++)
        push_out(&pipeline->away[worker]);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two workers and what a network may do to them: frames of any bytes, requests that are right but
 * for some bytes, crowds, time going by, settings changed under way. One input is one such story,
 * so that what a frame leaves in the tables meets the frames that follow. After each burst every
 * request must have come out once, and replies must be as they have to be; at the end the tables
 * must hold what their counters say.
 */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "audit.h"
#include "dataplane/access_set.h"
#include "dataplane/ban_set.h"
#include "dataplane/handoff.h"
#include "dataplane/limiter.h"
#include "dataplane/pipeline.h"
#include "input.h"
#include "tests/unit/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum {
    WORKERS = 2,
    BURST = 8,
    STEPS_MAX = 200,
    ROOM = 2048, /* of a frame, as ports give it */
    CROWD_BITS = 11,
};

/* Few, so that the caps are met. */
static const struct swarms_limits limits = {.torrents = 150, .peers = 6000};

/* A frame as it was received, for comparing with what became of it. */
struct received {
    struct request request;
    uint8_t *memory; /* ROOM bytes of the heap, so that the sanitizer sees its end */
    uint8_t before[ROOM];
    uint16_t length;
    bool out;
};

struct story {
    struct input input;
    struct pipeline pipelines[WORKERS];
    uint64_t counters[WORKERS][COUNTERS];
    struct dataplane_settings settings;
    struct listen_table listen;
    struct swarms_secret secret;
    struct access_set *access;
    struct ban_set *bans;
    struct received received[BURST];
    unsigned count;
    uint16_t mtu;
    uint8_t screened;
    uint64_t frames;
};

/* Its debts would make inputs depend on each other; so each one starts an hour later. */
static struct limiter_line limiters[WORKERS][LIMITER_LINES];
static uint64_t hours;
static void *tables[WORKERS];

static void begin(struct story *story, const uint8_t *bytes, size_t size)
{
    *story = (struct story){.input = {bytes, bytes + size}, .mtu = 1500};
    story->settings = (struct dataplane_settings){
        .interval = 1800,
        .interval_jitter = 60,
        .numwant_default = 50,
        .numwant_max = 200,
        .timeouts = {.peer = 4000, .torrent = 8000},
        .burst = BURST,
        .cookies = {.epoch = 29000000,
                    .current = {.k0 = 11, .k1 = 12, .since = 28999999},
                    .previous = {.k0 = 21, .k1 = 22}},
    };
    frame_listen(&story->listen);
    hours++;
    for (unsigned worker = 0; worker < WORKERS; worker++)
        story->pipelines[worker] = (struct pipeline){
            .listen = &story->listen,
            .secret = &story->secret,
            .swarms = audit_table(&tables[worker], &limits, &story->secret, worker, WORKERS),
            .worker = worker,
            .workers = WORKERS,
            .counters = story->counters[worker],
            .limiter = limiters[worker],
            .settings = &story->settings,
            .now = 1000000,
            .nanoseconds = hours * 3600 * 1000000000,
        };
}

/* What comes out ----------------------------------------------------------------------------- */

static struct received *received_of(struct request *request)
{
    return (struct received *)((uint8_t *)request - offsetof(struct received, request));
}

static void check_peers(const struct received *received)
{
    const struct request *request = &received->request;
    unsigned size = request->family == SWARMS_IPV4 ? 6 : 18;
    const uint8_t *peers = request_payload(request) + sizeof(struct bep15_announce_reply);
    unsigned bytes = request->payload_length - (unsigned)sizeof(struct bep15_announce_reply);

    AUDIT(bytes % size == 0);
    for (const uint8_t *peer = peers; peer < peers + bytes; peer += size)
        AUDIT(memcmp(peer, request->announce.peer, size) != 0);
}

static void check_reply(const struct received *received)
{
    const struct request *request = &received->request;
    const uint8_t *network = request->frame + request->network;
    size_t shift = (size_t)(request->frame - received->memory); /* IPv4 options left out */
    const uint8_t *asked = received->before + request->network + shift;

    AUDIT(request->frame + request->length <= received->memory + ROOM);
    AUDIT(request->frame + request->room == received->memory + ROOM);
    AUDIT(frame_checksums_right(request->frame, request->network, request->transport));
    if (request->family == SWARMS_IPV4) {
        asked -= shift;
        AUDIT(memcmp(network + 12, asked + 16, 4) == 0 && memcmp(network + 16, asked + 12, 4) == 0);
    } else {
        AUDIT(memcmp(network + 8, asked + 24, 16) == 0 && memcmp(network + 24, asked + 8, 16) == 0);
    }
    if (request->verdict == REQUEST_REPLY_CONNECT)
        AUDIT(request->length <= received->length); /* no amplifier */
    if (request->verdict == REQUEST_REPLY_ANNOUNCE) {
        AUDIT(request->length - request->network <= request->mtu ||
              request->payload_length == sizeof(struct bep15_announce_reply));
        check_peers(received);
    }
}

static void come_out(struct story *story, struct lane *lane, bool reply)
{
    for (unsigned i = 0; i < lane->count; i++) {
        struct received *received = received_of(lane->requests[i]);

        AUDIT(received >= story->received && received < story->received + story->count);
        AUDIT(!received->out);
        received->out = true;
        AUDIT(reply == (received->request.verdict >= REQUEST_REPLY));
        if (reply)
            check_reply(received);
    }
    lane->count = 0;
}

static void collect(struct story *story, struct pipeline *pipeline)
{
    come_out(story, &pipeline->sends, true);
    come_out(story, &pipeline->drops, false);
    come_out(story, &pipeline->punts, false);
}

/* Until nothing is on its way between the workers. */
static void carry(struct story *story, unsigned from)
{
    struct pipeline *pipeline = &story->pipelines[from], *other = &story->pipelines[1 - from];
    struct lane away = pipeline->away[1 - from];

    AUDIT(pipeline->away[from].count == 0);
    if (away.count == 0)
        return;
    pipeline->away[1 - from].count = 0;
    pipeline_begin(other);
    pipeline_join(other, away.requests, away.count);
    pipeline_act(other);
    pipeline_finish(other);
    collect(story, other);
    carry(story, 1 - from);
}

static void serve(struct story *story)
{
    struct pipeline *pipeline = &story->pipelines[story->frames & 1];
    struct request *requests[BURST];
    uint64_t drops = 0;

    for (unsigned i = 0; i < story->count; i++)
        requests[i] = &story->received[i].request;
    pipeline_begin(pipeline);
    pipeline_parse(pipeline, requests, story->count);
    pipeline_admit(pipeline);
    pipeline_steer(pipeline);
    pipeline_act(pipeline);
    pipeline_finish(pipeline);
    collect(story, pipeline);
    carry(story, pipeline->worker);
    for (unsigned i = 0; i < story->count; i++) {
        AUDIT(story->received[i].out);
        free(story->received[i].memory);
    }
    for (unsigned reason = 0; reason < COUNTERS_DROP_KINDS; reason++)
        drops += story->counters[0][reason] + story->counters[1][reason];
    AUDIT(drops <= story->frames);
    story->count = 0;
}

/* What goes in -------------------------------------------------------------------------------- */

static void receive(struct story *story, const uint8_t *frame, size_t length)
{
    struct received *received = &story->received[story->count++];

    *received = (struct received){.memory = malloc(ROOM), .length = (uint16_t)length};
    AUDIT(received->memory);
    memset(received->memory, 0x5a, ROOM);
    memcpy(received->memory, frame, length);
    memcpy(received->before, received->memory, ROOM);
    memset(&received->request, 0xa5, sizeof(received->request)); /* of the packet before */
    received->request.frame = received->memory;
    received->request.length = (uint16_t)length;
    received->request.room = ROOM;
    received->request.mtu = story->mtu;
    received->request.port = 0;
    received->request.home = (uint8_t)(story->frames & 1);
    received->request.offload = 0;
    received->request.screened = story->screened;
    received->request.damaged = 0;
    story->frames++;
    if (story->count == BURST)
        serve(story);
}

static void receive_bytes(struct story *story)
{
    uint8_t frame[ROOM];

    receive(story, frame, input_bytes(&story->input, frame, input_u16(&story->input) % 512));
}

/* One of 65536 clients of a family: where the frame says who it is from. */
static uint8_t *source_of(struct frame *frame, bool ipv6)
{
    return frame->bytes + frame->network + (ipv6 ? 8 : 12);
}

static uint64_t connection_id(const struct story *story, struct frame *frame, bool ipv6, int age)
{
    const struct cookie_state *cookies = &story->settings.cookies;
    uint64_t halves[2], epoch = cookies->epoch - (uint64_t)(int64_t)age;
    uint32_t address;

    memcpy(&address, source_of(frame, ipv6), sizeof(address));
    memcpy(halves, source_of(frame, ipv6), ipv6 ? sizeof(halves) : sizeof(address));
    return htobe64(ipv6 ? cookie_ipv6(cookies, epoch, halves[0], halves[1])
                        : cookie_ipv4(cookies, epoch, address));
}

/* What the parser and the tables look at; the fuzzer sets it without having to find its place. */
static void fill_announce(struct story *story, struct bep15_announce *announce)
{
    struct input *input = &story->input;
    uint8_t kind = input_u8(input);

    memset(announce->info_hash, input_u8(input), sizeof(announce->info_hash));
    announce->event = htobe32(kind & 7);
    announce->left = kind & 8 ? 0 : htobe64(1000);
    announce->num_want = htobe32((uint32_t)(int32_t)(int16_t)input_u16(input));
    announce->port = htobe16(input_u16(input));
}

static void receive_request(struct story *story)
{
    struct input *input = &story->input;
    uint8_t how = input_u8(input), payload[ROOM / 2];
    struct frame_shape shape = {.ipv6 = how & 1, .tags = how >> 1 & 3, .options = how >> 3 & 3};
    unsigned client = input_u16(input), length, changes = how >> 6;
    struct frame frame;

    shape.tags = shape.tags > 2 ? 0 : shape.tags;
    shape.options = shape.ipv6 ? 0 : shape.options * 8;
    if (how & 32)
        length = frame_connect(payload, client);
    else if (input_u8(input) & 1)
        length = frame_scrape(payload, 0, client, input_u8(input) % 50);
    else
        length = frame_announce(payload, 0, client, 0, 0);
    if (length == sizeof(struct bep15_announce)) {
        fill_announce(story, (struct bep15_announce *)payload);
        length += (unsigned)input_bytes(input, payload + length, input_u8(input) % 64);
    }
    frame_build(&frame, &shape, payload, length);
    memcpy(source_of(&frame, shape.ipv6) + (shape.ipv6 ? 14 : 2), &client, 2);
    if (!(how & 32)) {
        uint64_t id = connection_id(story, &frame, shape.ipv6, (int)(client % 4) - 1);

        memcpy(frame.bytes + frame.payload, &id, sizeof(id));
    }
    for (unsigned i = 0; i < changes; i++)
        frame.bytes[input_u16(input) % frame.request.length] = input_u8(input);
    receive(story, frame.bytes, frame.request.length);
}

/* Many peers at once, past the parser: so that swarms grow out of their blocks. */
static void crowd(struct story *story)
{
    struct input *input = &story->input;
    uint8_t kind = input_u8(input), info_hash[20], peers[SWARMS_PEER_MAX * 8 + SWARMS_REPLY_SLACK];
    unsigned first = input_u16(input), count = 1U << input_u8(input) % (CROWD_BITS + 1);
    struct swarms_announce one, *burst[] = {&one};
    unsigned owner;

    memset(info_hash, input_u8(input), sizeof(info_hash));
    owner = handoff_owner(swarms_hash(&story->secret, info_hash), WORKERS);
    for (unsigned i = 0; i < count; i++) {
        uint16_t port = htobe16((uint16_t)(first + i));

        one = (struct swarms_announce){
            .hash = swarms_hash(&story->secret, info_hash),
            .info_hash = info_hash,
            .peers = peers,
            .peer = {198, 51, 100, 7},
            .family = kind & 1,
            .event = kind >> 1 & 3,
            .seeder = kind & 8,
            .numwant = 8,
        };
        memcpy(one.peer + (kind & 1 ? 16 : 4), &port, sizeof(port));
        swarms_announce(story->pipelines[owner].swarms, burst, 1, story->pipelines[owner].now);
    }
}

static void let_time_pass(struct story *story)
{
    uint16_t seconds = input_u16(&story->input);
    unsigned lines = input_u8(&story->input);

    for (unsigned worker = 0; worker < WORKERS; worker++) {
        struct pipeline *pipeline = &story->pipelines[worker];

        pipeline->now += seconds;
        pipeline->nanoseconds += seconds * UINT64_C(1000000000);
        swarms_expire(pipeline->swarms, lines, &story->settings.timeouts, pipeline->now);
    }
    story->settings.cookies.epoch += seconds / COOKIE_EPOCH_SECONDS;
}

static void change_lists(struct story *story, uint8_t what)
{
    uint8_t listed[2][BEP15_INFO_HASH_SIZE];
    struct ban bans[] = {{.family = 4, .length = (uint8_t)(8 + what % 25), .until = BAN_FOR_GOOD},
                         {.family = 6, .length = (uint8_t)(32 + what % 97), .until = BAN_FOR_GOOD}};

    memset(listed[0], what, sizeof(listed[0]));
    memset(listed[1], 7, sizeof(listed[1]));
    memcpy(bans[0].bytes, "\xc6", 1);
    memcpy(bans[1].bytes, FRAME_CLIENT_IPV6, 4);
    access_set_free(story->access);
    ban_set_free(story->bans);
    story->access = access_set_build(listed, 2);
    story->bans = what & 0x80 ? ban_set_create(bans, 2) : NULL;
    story->settings.access = what & 0x40 ? story->access : NULL;
    story->settings.bans = story->bans;
}

static void change_settings(struct story *story)
{
    struct input *input = &story->input;
    uint8_t what = input_u8(input);
    uint32_t rate = input_u8(input);

    story->mtu = (uint16_t)(576 + input_u16(input) % 925);
    story->screened = what & 1;
    story->settings.draining = what & 2;
    story->settings.access_mode = (what >> 2) % 3;
    story->settings.limiter.dry_run = what >> 5 & 1;
    story->settings.numwant_default = input_u8(input);
    story->settings.numwant_max = input_u16(input) % 1001;
    story->settings.timeouts.peer = 1 + input_u16(input) % SWARMS_TIMEOUT_MAX;
    story->settings.timeouts.torrent = 1 + input_u16(input) % SWARMS_TIMEOUT_MAX;
    for (unsigned kind = 0; kind < LIMITER_CLASSES; kind++)
        for (unsigned prefix = 0; prefix < LIMITER_PREFIXES; prefix++)
            story->settings.limiter.limits[kind][prefix] = limiter_limit(rate, rate);
    change_lists(story, input_u8(input));
}

static void inspect(struct story *story)
{
    struct inspect_top top = {.by = input_u8(&story->input) & 1, .want = 10};
    struct inspect_show show = {.family = input_u8(&story->input) & 1};
    const struct pipeline *pipeline = &story->pipelines[story->frames & 1];
    static struct inspect_clients clients;

    memset(show.info_hash, input_u8(&story->input), sizeof(show.info_hash));
    while (!top.done)
        inspect_top(pipeline->swarms, &top, 16);
    inspect_show(pipeline->swarms, &show, pipeline->now);
    inspect_clients(pipeline->swarms, &clients);
    AUDIT(top.count <= top.want);
    AUDIT(show.peers_count <= show.swarm.seeders + show.swarm.leechers);
}

static void step(struct story *story)
{
    switch (input_u8(&story->input) % 16) {
    case 0:
        receive_bytes(story);
        return;
    case 1:
        serve(story);
        crowd(story);
        return;
    case 2:
        serve(story);
        let_time_pass(story);
        return;
    case 3:
        serve(story);
        change_settings(story);
        return;
    case 4:
        serve(story);
        inspect(story);
        return;
    case 5:
        serve(story);
        return;
    default:
        receive_request(story);
    }
}

static void end(struct story *story)
{
    static uint8_t stream[AUDIT_STREAM_MAX];

    serve(story);
    for (unsigned worker = 0; worker < WORKERS; worker++) {
        const struct pipeline *pipeline = &story->pipelines[worker];

        audit_export(pipeline->swarms, stream, 4096, pipeline->now);
    }
    access_set_free(story->access);
    ban_set_free(story->bans);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct story story;

    begin(&story, bytes, size);
    for (unsigned i = 0; i < STEPS_MAX && input_left(&story.input) > 0; i++)
        step(&story);
    end(&story);
    return 0;
}

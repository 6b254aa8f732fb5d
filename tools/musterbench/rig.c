/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../dataplane/limiter.h"

enum {
    HEADROOM = 128,   /* as DPDK leaves in front of a frame */
    DATA_ROOM = 2048, /* bytes for a frame */
    /* An odd number of lines, so that frames spread over all sets of the caches (as DPDK does). */
    STRIDE = sizeof(struct request) + HEADROOM + DATA_ROOM + 64,
    MTU = 1500,

    INTERVAL = 1800,
    INTERVAL_JITTER = 300,
    PEER_TIMEOUT = 2400,
    TORRENT_TIMEOUT = 7200,
    START_SECONDS = 1000000, /* any time will do */

    /* Requests a second of an address and of a /24, as in configs/muster.yaml. */
    LIMIT_CONNECT_ADDRESS = 100,
    LIMIT_CONNECT_NETWORK = 2000,
    LIMIT_REQUEST_ADDRESS = 1000,
    LIMIT_REQUEST_NETWORK = 20000,
    LIMIT_BURST = 5, /* seconds */
};

_Static_assert(STRIDE % 128 == 64, "an odd number of lines");

static const struct frame_tracker tracker = {
    .ethernet = {0x02, 0, 0, 0, 0, 0x01},
    .client_ethernet = {0x02, 0, 0, 0, 0, 0x02},
    .ipv4 = {198, 18, 0, 1},
    .ipv6 = {0x20, 0x01, 0x0d, 0xb8, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1},
    .port = 6969,
};

static const struct cookie_state cookies = {
    .epoch = 29000000,
    .current = {.k0 = 0x0706050403020100, .k1 = 0x0f0e0d0c0b0a0908, .since = 0},
};

static void settings_init(struct dataplane_settings *settings, const struct workload *workload)
{
    settings->interval = INTERVAL;
    settings->interval_jitter = INTERVAL_JITTER;
    settings->numwant_default = workload->numwant;
    settings->numwant_max = workload->numwant;
    settings->timeouts.peer = PEER_TIMEOUT;
    settings->timeouts.torrent = TORRENT_TIMEOUT;
    settings->burst = RIG_BURST;
    settings->access_mode = DATAPLANE_ACCESS_OPEN;
    settings->cookies = cookies;
}

static int listen_at_tracker(struct listen_table *listen)
{
    struct dataplane_address addresses[2] = {
        {.family = 4, .port = tracker.port},
        {.family = 6, .port = tracker.port},
    };

    memcpy(addresses[0].bytes, tracker.ipv4, sizeof(tracker.ipv4));
    memcpy(addresses[1].bytes, tracker.ipv6, sizeof(tracker.ipv6));
    return listen_init(listen, addresses, 2);
}

static int ring_init(struct rig *rig, unsigned frames)
{
    rig->frames = frames;
    rig->ring_size = (size_t)frames * STRIDE;
    rig->ring_memory = machine_memory(rig->ring_size, &rig->ring_pages);
    rig->requests = malloc(frames * sizeof(struct request *));
    if (!rig->ring_memory || !rig->requests)
        return -ENOMEM;
    for (unsigned i = 0; i < frames; i++)
        rig->requests[i] = (void *)((uint8_t *)rig->ring_memory + (size_t)i * STRIDE);
    return 0;
}

static int table_init(struct rig *rig, const struct rig_config *config)
{
    uint64_t random = config->seed;

    for (unsigned i = 0; i < sizeof(rig->secret.bytes); i++)
        rig->secret.bytes[i] = (uint8_t)random_next(&random);
    rig->table_size = swarms_memory(&config->limits);
    rig->table_memory = machine_memory(rig->table_size, &rig->table_pages);
    if (!rig->table_memory)
        return -ENOMEM;
    rig->pipeline.swarms =
        swarms_init(rig->table_memory, &config->limits, &rig->secret, random_next(&random));
    return rig->pipeline.swarms ? 0 : -EINVAL;
}

static int limits_init(struct rig *rig, uint64_t random)
{
    static const uint32_t rates[LIMITER_CLASSES][2] = {
        [LIMITER_CONNECT] = {LIMIT_CONNECT_ADDRESS, LIMIT_CONNECT_NETWORK},
        [LIMITER_ESTABLISHED] = {LIMIT_REQUEST_ADDRESS, LIMIT_REQUEST_NETWORK},
    };
    struct limiter_config *limiter = &rig->settings.limiter;

    for (unsigned i = 0; i < 3; i++)
        limiter->secret[i] = random_next(&random);
    for (unsigned kind = 0; kind < LIMITER_CLASSES; kind++)
        for (unsigned prefix = 0; prefix < LIMITER_PREFIXES; prefix++)
            limiter->limits[kind][prefix] =
                limiter_limit(rates[kind][prefix % 2], rates[kind][prefix % 2] * LIMIT_BURST);
    rig->limiter_memory = machine_memory(LIMITER_TABLE_SIZE, &rig->limiter_pages);
    rig->pipeline.limiter = rig->limiter_memory;
    return rig->limiter_memory ? 0 : -ENOMEM;
}

int rig_init(struct rig *rig, const struct rig_config *config)
{
    int error;

    memset(rig, 0, sizeof(*rig));
    rig->ring_pages = rig->table_pages = rig->limiter_pages = config->pages;
    rig->offload = config->offload;
    settings_init(&rig->settings, config->workload);
    stream_init(&rig->stream, config->workload, &tracker, &cookies,
                random_mix(config->seed + config->worker));
    error = listen_at_tracker(&rig->listen);
    if (!error)
        error = ring_init(rig, config->frames);
    if (!error)
        error = table_init(rig, config);
    if (!error && config->rate_limits)
        error = limits_init(rig, config->seed);
    if (error) {
        rig_free(rig);
        return error;
    }
    rig->pipeline.listen = &rig->listen;
    rig->pipeline.secret = &rig->secret;
    rig->pipeline.worker = config->worker;
    rig->pipeline.workers = config->workers;
    rig->pipeline.counters = rig->counters;
    rig->pipeline.settings = &rig->settings;
    rig->pipeline.now = START_SECONDS;
    return 0;
}

void rig_free(struct rig *rig)
{
    if (rig->table_memory)
        machine_memory_free(rig->table_memory, rig->table_size, rig->table_pages);
    if (rig->ring_memory)
        machine_memory_free(rig->ring_memory, rig->ring_size, rig->ring_pages);
    if (rig->limiter_memory)
        machine_memory_free(rig->limiter_memory, LIMITER_TABLE_SIZE, rig->limiter_pages);
    free(rig->requests);
    memset(rig, 0, sizeof(*rig));
}

/* Makes a request what the receiver of a frame makes it, but for the length. */
static uint8_t *receive(struct rig *rig, struct request *request)
{
    request->frame = (uint8_t *)(request + 1) + HEADROOM;
    request->room = DATA_ROOM;
    request->mtu = MTU;
    request->port = 0;
    request->home = (uint8_t)rig->pipeline.worker;
    request->offload = rig->offload;
    request->screened = rig->limiter_memory == NULL;
    request->damaged = 0;
    return request->frame;
}

void rig_fill(struct rig *rig)
{
    uint64_t kinds[3] = {0};

    for (unsigned i = 0; i < rig->frames; i++) {
        struct request *request = rig->requests[i];
        enum stream_kind kind;

        request->length = (uint16_t)stream_next(&rig->stream, receive(rig, request), &kind);
        kinds[kind]++;
    }
    rig->connects = kinds[STREAM_CONNECT];
    rig->announces = kinds[STREAM_ANNOUNCE];
    rig->scrapes = kinds[STREAM_SCRAPE];
}

unsigned rig_fill_announces(struct rig *rig, uint32_t first, uint32_t count)
{
    unsigned filled = count < rig->frames ? count : rig->frames;

    for (unsigned i = 0; i < filled; i++) {
        struct request *request = rig->requests[i];

        request->length = (uint16_t)stream_announce(&rig->stream, first + i, receive(rig, request));
    }
    return filled;
}

void rig_serve(struct rig *rig, unsigned first, unsigned count)
{
    struct pipeline *pipeline = &rig->pipeline;

    if (rig->limiter_memory)
        pipeline->nanoseconds =
            (uint64_t)((double)machine_ticks() * 1e9 / machine_ticks_per_second());
    pipeline_begin(pipeline);
    pipeline_parse(pipeline, rig->requests + first, count);
    pipeline_admit(pipeline);
    pipeline_steer(pipeline);
    pipeline_act(pipeline);
    pipeline_finish(pipeline);
}

void rig_populate(struct rig *rig)
{
    uint32_t peers = rig->stream.workload->peers;

    for (uint32_t done = 0; done < peers;) {
        unsigned filled = rig_fill_announces(rig, done, peers - done);

        for (unsigned first = 0; first < filled; first += RIG_BURST)
            rig_serve(rig, first, filled - first < RIG_BURST ? filled - first : RIG_BURST);
        done += filled;
    }
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/handoff.h"
#include "dataplane/limiter.h"

static void start_worker(struct rig *rig, unsigned worker, const struct swarms_limits *most)
{
    struct swarms_limits limits = *most;
    size_t size;

    handoff_share(worker, rig->workers, &limits);
    size = swarms_memory(&limits);
    rig->tables[worker] = aligned_alloc(4096, (size + 4095) & ~(size_t)4095);
    memset(rig->tables[worker], 0, size);
    rig->pipelines[worker] = (struct pipeline){
        .listen = &rig->listen,
        .secret = &rig->secret,
        .swarms = swarms_init(rig->tables[worker], &limits, &rig->secret, 1),
        .worker = worker,
        .workers = rig->workers,
        .counters = rig->counters[worker],
        .settings = &rig->settings,
        .now = 1000000,
        .nanoseconds = 1000000000,
    };
    rig->pipelines[worker].limiter = aligned_alloc(64, LIMITER_TABLE_SIZE);
    memset(rig->pipelines[worker].limiter, 0, LIMITER_TABLE_SIZE);
    assert_non_null(rig->pipelines[worker].swarms);
}

void rig_start(struct rig *rig, unsigned workers)
{
    rig_start_with(rig, workers, &(struct swarms_limits){.torrents = 1000, .peers = 20000});
}

void rig_start_with(struct rig *rig, unsigned workers, const struct swarms_limits *limits)
{
    memset(rig, 0, sizeof(*rig));
    rig->workers = workers;
    rig->settings = (struct dataplane_settings){
        .interval = 1800,
        .interval_jitter = 60,
        .numwant_default = 50,
        .numwant_max = 200,
        .timeouts = {.peer = 4000, .torrent = 8000},
        .burst = 64,
        .cookies = {.epoch = 29000000, .current = {.k0 = 11, .k1 = 12, .since = 1}},
    };
    for (unsigned i = 0; i < sizeof(rig->secret.bytes); i++)
        rig->secret.bytes[i] = (uint8_t)(i * 151 + 7);
    frame_listen(&rig->listen);
    for (unsigned worker = 0; worker < workers; worker++)
        start_worker(rig, worker, limits);
}

void rig_stop(struct rig *rig)
{
    for (unsigned worker = 0; worker < rig->workers; worker++) {
        free(rig->tables[worker]);
        free(rig->pipelines[worker].limiter);
    }
}

/* Takes what `from` has for others to them, and lets them work. */
static void carry(struct rig *rig, unsigned from)
{
    struct pipeline *pipeline = &rig->pipelines[from];

    for (unsigned to = 0; to < rig->workers; to++) {
        struct lane away = pipeline->away[to];

        if (away.count == 0)
            continue;
        assert_int_not_equal(to, from);
        pipeline_begin(&rig->pipelines[to]);
        pipeline_join(&rig->pipelines[to], away.requests, away.count);
        pipeline_act(&rig->pipelines[to]);
        pipeline_finish(&rig->pipelines[to]);
        pipeline->away[to].count = 0;
        carry(rig, to);
    }
}

void rig_serve_at(struct rig *rig, unsigned worker, struct frame *frames, unsigned count)
{
    struct pipeline *pipeline = &rig->pipelines[worker];
    struct request *requests[SWARMS_BURST_MAX];

    for (unsigned i = 0; i < count; i++)
        requests[i] = &frames[i].request;
    pipeline_begin(pipeline);
    pipeline_parse(pipeline, requests, count);
    pipeline_admit(pipeline);
    pipeline_steer(pipeline);
    pipeline_act(pipeline);
    pipeline_finish(pipeline);
    carry(rig, worker);
}

void rig_serve_burst(struct rig *rig, struct frame *frames, unsigned count)
{
    rig_serve_at(rig, 0, frames, count);
}

void rig_serve(struct rig *rig, struct frame *frame)
{
    rig_serve_burst(rig, frame, 1);
}

uint64_t rig_count(const struct rig *rig, enum counter counter)
{
    uint64_t sum = 0;

    for (unsigned worker = 0; worker < rig->workers; worker++)
        sum += rig->counters[worker][counter];
    return sum;
}

uint64_t rig_connection_id(const struct rig *rig, bool ipv6)
{
    const struct cookie_state *cookies = &rig->settings.cookies;
    uint64_t halves[2];
    uint32_t address;

    memcpy(&address, FRAME_CLIENT_IPV4, sizeof(address));
    memcpy(halves, FRAME_CLIENT_IPV6, sizeof(halves));
    return ipv6 ? cookie_ipv6(cookies, cookies->epoch, halves[0], halves[1])
                : cookie_ipv4(cookies, cookies->epoch, address);
}

const uint8_t *rig_payload(const struct frame *frame)
{
    return request_payload(&frame->request);
}

uint32_t rig_load32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

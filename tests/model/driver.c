/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The workers' pipeline behind a pipe, for differential.py: frames, settings and time come in on
 * stdin, what became of each frame goes out on stdout. Time is what the pipe says.
 *
 * Commands, each a byte and its arguments, little-endian:
 *   F length[2] bytes        a frame, for the next burst
 *   . worker[1]              that worker receives the burst; out: per frame verdict[1] length[2]
 * bytes T seconds[4]             so much time passes E lines[2]               a whole round of
 * expiry, in slices of so many lines S struct order           settings A mode[1] count[2] 20 bytes
 * each      access list B count[2] (family[1] length[1] bytes[16]) each    bans D out: length[4]
 * and a stream (transfer.h) until a length is 0; counters
 *
 * A verdict is the number of a drop (their names go out first, a line each, then an empty one), or
 * PUNTED, or REPLIED + the kind of reply; only then is length not 0.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/access_set.h"
#include "dataplane/ban_set.h"
#include "tests/unit/rig.h"

enum { PUNTED = 100, REPLIED = 101, DUMP_SLICE = 8192, DUMP_LINES = 256 };

/* More than the test ever has: at the caps it is chance that decides. */
static const struct swarms_limits limits = {.torrents = 400000, .peers = 2000000};

/* As they come over the pipe. */
struct settings_packet {
    uint32_t interval, interval_jitter;
    uint16_t numwant_default, numwant_max;
    uint32_t peer_timeout, torrent_timeout;
    uint16_t mtu;
    uint8_t draining;
} __attribute__((packed));

static struct rig rig;
static struct frame frames[SWARMS_BURST_MAX];
static unsigned frames_count;
static uint16_t mtu = 1500;

static void require(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "driver: not so: %s\n", what);
        exit(1);
    }
}

static void take(void *into, size_t size)
{
    require(size == 0 || fread(into, size, 1, stdin) == 1, "commands are whole");
}

static uint8_t take_u8(void)
{
    uint8_t value;

    take(&value, sizeof(value));
    return value;
}

static uint16_t take_u16(void)
{
    uint16_t value;

    take(&value, sizeof(value));
    return value;
}

static void give(const void *from, size_t size)
{
    require(size == 0 || fwrite(from, size, 1, stdout) == 1, "somebody reads");
}

static void receive_frame(void)
{
    struct frame *frame = &frames[frames_count++];

    require(frames_count <= SWARMS_BURST_MAX, "a burst has at most 64 frames");
    memset(&frame->request, 0xa5, sizeof(frame->request)); /* of the packet before */
    frame->request.frame = frame->bytes;
    frame->request.length = take_u16();
    require(frame->request.length < FRAME_ROOM, "a frame fits its room");
    frame->request.room = sizeof(frame->bytes);
    frame->request.mtu = mtu;
    frame->request.port = 0;
    frame->request.offload = frame->request.screened = frame->request.damaged = 0;
    take(frame->bytes, frame->request.length);
}

static void give_outcome(const struct request *request)
{
    uint8_t verdict = request->verdict;
    uint16_t length = 0;

    if (verdict == REQUEST_PUNT) {
        verdict = PUNTED;
    } else if (verdict >= REQUEST_REPLY) {
        verdict = (uint8_t)(REPLIED + verdict - REQUEST_REPLY);
        length = request->length;
        require(frame_checksums_right(request->frame, request->network, request->transport),
                "checksums of replies are right");
        require(request->verdict != REQUEST_REPLY_ANNOUNCE || length <= request->network + mtu,
                "announce replies fit the MTU");
    } else {
        require(verdict < COUNTERS_DROP_KINDS, "a frame is dropped, punted or answered");
    }
    give(&verdict, sizeof(verdict));
    give(&length, sizeof(length));
    give(request->frame, length);
}

static void serve(void)
{
    unsigned worker = take_u8();

    require(worker < rig.workers, "there is such a worker");
    for (unsigned i = 0; i < frames_count; i++)
        frames[i].request.home = (uint8_t)worker;
    rig_serve_at(&rig, worker, frames, frames_count);
    for (unsigned i = 0; i < frames_count; i++)
        give_outcome(&frames[i].request);
    frames_count = 0;
    fflush(stdout);
}

static void let_time_pass(void)
{
    uint32_t seconds;

    take(&seconds, sizeof(seconds));
    for (unsigned worker = 0; worker < rig.workers; worker++) {
        rig.pipelines[worker].now += seconds;
        rig.pipelines[worker].nanoseconds += seconds * UINT64_C(1000000000);
    }
    rig.settings.cookies.epoch = rig.pipelines[0].now / COOKIE_EPOCH_SECONDS;
}

static void expire(void)
{
    unsigned lines = take_u16();

    for (unsigned worker = 0; worker < rig.workers; worker++) {
        const struct pipeline *pipeline = &rig.pipelines[worker];

        while (!swarms_expire(pipeline->swarms, lines, &rig.settings.timeouts, pipeline->now))
            ;
    }
}

static void take_settings(void)
{
    struct settings_packet packet;

    take(&packet, sizeof(packet));
    rig.settings.interval = packet.interval;
    rig.settings.interval_jitter = packet.interval_jitter;
    rig.settings.numwant_default = packet.numwant_default;
    rig.settings.numwant_max = packet.numwant_max;
    rig.settings.timeouts.peer = packet.peer_timeout;
    rig.settings.timeouts.torrent = packet.torrent_timeout;
    rig.settings.draining = packet.draining;
    mtu = packet.mtu;
}

static void take_access_list(void)
{
    static struct access_set *set;
    uint8_t mode = take_u8();
    uint16_t count = take_u16();
    uint8_t(*listed)[BEP15_INFO_HASH_SIZE] = calloc(count + 1U, sizeof(*listed));

    take(listed, count * sizeof(*listed));
    access_set_free(set);
    set = access_set_build((const uint8_t(*)[BEP15_INFO_HASH_SIZE])listed, count);
    free(listed);
    rig.settings.access = set;
    rig.settings.access_mode = mode;
}

static void take_bans(void)
{
    static struct ban_set *set;
    uint16_t count = take_u16();
    struct ban *bans = calloc(count + 1U, sizeof(*bans));

    for (unsigned i = 0; i < count; i++) {
        bans[i].family = take_u8();
        bans[i].length = take_u8();
        take(bans[i].bytes, sizeof(bans[i].bytes));
        bans[i].until = BAN_FOR_GOOD;
    }
    ban_set_free(set);
    set = ban_set_create(bans, count);
    free(bans);
    rig.settings.bans = set;
}

static void dump_table(const struct pipeline *pipeline)
{
    struct transfer_export export = {.first_chunk = 0, .last_chunk = TRANSFER_CHUNKS - 1};
    static uint8_t stream[DUMP_SLICE];

    while (!export.done) {
        uint32_t used = (uint32_t)transfer_export(pipeline->swarms, &export, stream, sizeof(stream),
                                                  DUMP_LINES, pipeline->now);

        if (used > 0)
            give(&used, sizeof(used));
        give(stream, used);
    }
}

static void dump(void)
{
    const uint32_t end = 0;
    uint64_t sums[COUNTERS];

    for (unsigned worker = 0; worker < rig.workers; worker++)
        dump_table(&rig.pipelines[worker]);
    give(&end, sizeof(end));
    for (unsigned worker = 0; worker < rig.workers; worker++)
        give(swarms_counters(rig.pipelines[worker].swarms), sizeof(struct swarms_counters));
    for (unsigned counter = 0; counter < COUNTERS; counter++)
        sums[counter] = rig_count(&rig, counter);
    give(sums, COUNTERS_DROP_KINDS * sizeof(sums[0]));
    fflush(stdout);
}

static void obey(int command)
{
    switch (command) {
    case 'F':
        receive_frame();
        break;
    case '.':
        serve();
        break;
    case 'T':
        let_time_pass();
        break;
    case 'E':
        expire();
        break;
    case 'S':
        take_settings();
        break;
    case 'A':
        take_access_list();
        break;
    case 'B':
        take_bans();
        break;
    case 'D':
        dump();
        break;
    default:
        require(false, "every command is known");
    }
}

int main(int argc, char **argv)
{
    int command;

    if (argc != 2 || atoi(argv[1]) < 1 || atoi(argv[1]) > RIG_WORKERS_MAX) {
        fprintf(stderr, "usage: driver WORKERS\n");
        return 2;
    }
    rig_start_with(&rig, (unsigned)atoi(argv[1]), &limits);
#define NAME(name, help) puts(#name);
    COUNTERS_DROPS(NAME)
    puts("");
    fflush(stdout);
    while ((command = getchar()) != EOF)
        obey(command);
    rig_stop(&rig);
    return 0;
}

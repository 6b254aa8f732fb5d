/* SPDX-License-Identifier: BSD-3-Clause */
/* Announces of the drills' appliance, and what it knows of peers. */
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "appliance.h"
#include "controlplane/store/monotonic.h"

enum { BURST = 32, LOAD_TICK_MS = 10, BULK_SLICE = 20000 };

static void torrent_hash(uint64_t torrent, uint8_t info_hash[20])
{
    memset(info_hash, 0, 20);
    memcpy(info_hash, &torrent, sizeof(torrent));
    info_hash[19] = 0x5a;
}

/* A burst of announces for the worker that they are owned by. */
struct burst {
    unsigned count;
    struct swarms_announce announces[BURST];
    struct swarms_announce *pointers[BURST];
    uint8_t info_hashes[BURST][20];
    uint8_t rooms[BURST][SWARMS_REPLY_SLACK];
};

static struct burst bursts[DATAPLANE_WORKERS_MAX];

static void send_burst(struct appliance *appliance, unsigned worker, uint32_t age)
{
    struct burst *burst = &bursts[worker];

    tables_announce(appliance->dataplane, worker, burst->pointers, burst->count, age);
    burst->count = 0;
}

static void send_bursts(struct appliance *appliance, uint32_t age)
{
    for (unsigned worker = 0; worker < appliance->tables.workers; worker++)
        send_burst(appliance, worker, age);
}

static void announce(struct appliance *appliance, uint64_t torrent, uint32_t peer,
                     enum swarms_event event, uint32_t age)
{
    uint8_t info_hash[20];
    unsigned worker, i;
    struct burst *burst;

    torrent_hash(torrent, info_hash);
    worker = dataplane_owner(appliance->dataplane, info_hash);
    burst = &bursts[worker];
    i = burst->count++;
    memcpy(burst->info_hashes[i], info_hash, 20);
    burst->announces[i] = (struct swarms_announce){
        .info_hash = burst->info_hashes[i],
        .peer = {(uint8_t)(peer >> 24), (uint8_t)(peer >> 16), (uint8_t)(peer >> 8), (uint8_t)peer,
                 0x1a, 0xe1},
        .family = SWARMS_IPV4,
        .event = (uint8_t)event,
        .seeder = peer % 4 != 0,
        .peers = burst->rooms[i],
    };
    burst->pointers[i] = &burst->announces[i];
    if (burst->count == BURST)
        send_burst(appliance, worker, age);
}

void command_announce(struct appliance *appliance, char *arguments)
{
    unsigned long long torrent;
    unsigned first, count, age = 0;
    char event[16] = "started";

    if (sscanf(arguments, "%llu %u %u %15s %u", &torrent, &first, &count, event, &age) < 3) {
        answer("{\"error\": \"announce TORRENT FIRST COUNT [EVENT] [AGE]\"}");
        return;
    }
    for (unsigned i = 0; i < count; i++)
        announce(appliance, torrent, first + i,
                 !strcmp(event, "stopped")     ? SWARMS_STOPPED
                 : !strcmp(event, "completed") ? SWARMS_COMPLETED
                                               : SWARMS_STARTED,
                 age);
    send_bursts(appliance, age);
    answer("{\"ok\": true}");
}

/* Peer `i` of a mixed population of `peers`: a quarter each in swarms of 1, 5, 50 and 1000. */
static void announce_mixed(struct appliance *appliance, uint64_t i, uint64_t peers, uint64_t seed)
{
    static const unsigned sizes[] = {1, 5, 50, 1000};
    uint64_t quarter = (peers + 3) / 4, kind = i / quarter;
    uint64_t torrent = seed << 40 | kind << 36 | (i % quarter) / sizes[kind];

    announce(appliance, torrent, (uint32_t)i, SWARMS_STARTED, 0);
}

static uint64_t bulk_peers, bulk_seed;

/*
 * Announces that take a while: a slice of them every few milliseconds, for the loop that makes them
 * is also the one that takes deltas out of the rings.
 */
static struct {
    struct event *tick;
    uint64_t started, until, sent; /* microseconds of a load; announces */
    double rate;                   /* a second; 0: all peers of the population, once */
    uint64_t random;
} load;

static void end_load(void)
{
    event_free(load.tick);
    load.tick = NULL;
    answer("{\"ok\": true, \"sent\": %llu}", (unsigned long long)load.sent);
}

static void announce_all(struct appliance *appliance)
{
    uint64_t slice = load.sent + BULK_SLICE;

    for (; load.sent < bulk_peers && load.sent < slice; load.sent++)
        announce_mixed(appliance, load.sent, bulk_peers, bulk_seed);
    send_bursts(appliance, 0);
    if (load.sent == bulk_peers)
        end_load();
}

static void announce_some(struct appliance *appliance)
{
    uint64_t now = monotonic_us();
    uint64_t due = (uint64_t)((double)(now - load.started) / 1e6 * load.rate);

    for (; load.sent < due; load.sent++) {
        load.random = load.random * UINT64_C(6364136223846793005) + 1442695040888963407u;
        announce_mixed(appliance, (load.random >> 33) % bulk_peers, bulk_peers, bulk_seed);
    }
    send_bursts(appliance, 0);
    if (now >= load.until)
        end_load();
}

static void on_load(evutil_socket_t fd, short what, void *user)
{
    if (load.rate > 0)
        announce_some(user);
    else
        announce_all(user);
}

static void begin_load(struct appliance *appliance, double rate, double seconds)
{
    const struct timeval interval = {.tv_usec = LOAD_TICK_MS * 1000};

    load.sent = 0;
    load.random = 1;
    load.rate = rate;
    load.started = monotonic_us();
    load.until = load.started + (uint64_t)(seconds * 1e6);
    load.tick = event_new(appliance->base, -1, EV_PERSIST, on_load, appliance);
    event_add(load.tick, &interval);
}

void command_bulk(struct appliance *appliance, char *arguments)
{
    unsigned long long peers, seed = 1;

    if (load.tick || sscanf(arguments, "%llu %llu", &peers, &seed) < 1) {
        answer("{\"error\": \"bulk PEERS SEED, and not during a load\"}");
        return;
    }
    bulk_peers = peers;
    bulk_seed = seed;
    begin_load(appliance, 0, 0);
}

void command_load(struct appliance *appliance, char *arguments)
{
    double rate, seconds;

    if (load.tick || bulk_peers == 0 || sscanf(arguments, "%lf %lf", &rate, &seconds) < 2)
        answer("{\"error\": \"load RATE SECONDS, after bulk\"}");
    else
        begin_load(appliance, rate, seconds);
}

static void print_peer(void *user, const uint8_t *peer, uint8_t flags, uint32_t seen)
{
    unsigned *count = user;

    printf("%s%u", (*count)++ ? ", " : "",
           (unsigned)peer[0] << 24 | (unsigned)peer[1] << 16 | (unsigned)peer[2] << 8 | peer[3]);
}

void command_list(struct appliance *appliance, char *arguments)
{
    unsigned count = 0;
    uint8_t info_hash[20];

    torrent_hash(strtoull(arguments, NULL, 0), info_hash);
    printf("{\"peers\": [");
    tables_list(appliance->dataplane, info_hash, SWARMS_IPV4, print_peer, &count);
    answer("]}");
}

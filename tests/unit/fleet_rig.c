/* SPDX-License-Identifier: BSD-3-Clause */
#include "fleet_rig.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "dataplane/handoff.h"
#include "dataplane/jobs.h"
#include "redis_memory.h"

enum { STEP_MS = 10, TORRENTS_MAX = 1000, PEERS_MAX = 40000, FIRST_SECOND = 1700000000 };

struct event_base *rig_base;
static struct swarms_secret secret;
const struct swarms_timeouts rig_timeouts = {.peer = RIG_TIMEOUT, .torrent = RIG_TIMEOUT};

int rig_set_up(void **state)
{
    /* XXH3 wants a secret that looks random. */
    for (unsigned i = 0; i < sizeof(secret.bytes); i++)
        secret.bytes[i] = (uint8_t)((i + 1) * (i + 77) * 2654435761u >> 24);
    rig_base = event_base_new();
    redis_memory_open(rig_base);
    return 0;
}

int rig_tear_down(void **state)
{
    redis_memory_close();
    rig_set_wall(0);
    rig_set_tables(0);
    event_base_free(rig_base);
    return 0;
}

/* Time ----------------------------------------------------------------------------------------- */

static uint64_t elapsed_ms;
static int64_t wall_ahead_ms;
static uint64_t tables_ahead_ms;

/* What is linked before libc's is what is called, also by libevent. */
int clock_gettime(clockid_t clock, struct timespec *now)
{
    uint64_t ms = UINT64_C(1000) * 1000 + elapsed_ms;

    if (clock == CLOCK_REALTIME)
        ms = UINT64_C(1000) * FIRST_SECOND + elapsed_ms + (uint64_t)wall_ahead_ms;
    *now = (struct timespec){.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    return 0;
}

time_t time(time_t *into)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (into)
        *into = now.tv_sec;
    return now.tv_sec;
}

uint64_t rig_now_ms(void)
{
    return elapsed_ms;
}

void rig_pass(uint64_t ms)
{
    for (uint64_t end = elapsed_ms + ms; elapsed_ms < end;) {
        elapsed_ms += end - elapsed_ms < STEP_MS ? end - elapsed_ms : STEP_MS;
        event_base_loop(rig_base, EVLOOP_NONBLOCK);
    }
}

void rig_set_wall(int64_t ms)
{
    wall_ahead_ms = ms;
}

void rig_set_tables(uint64_t ms)
{
    tables_ahead_ms = ms;
}

void rig_pass_to(unsigned ms)
{
    rig_pass(1000 + ms - elapsed_ms % 1000);
}

/* Tables --------------------------------------------------------------------------------------- */

struct dataplane {
    struct swarms *swarms;
    void *memory;
    size_t size;
    struct worker_jobs jobs;
    struct deltas *deltas;
    bool busy;
};

uint32_t dataplane_now(const struct dataplane *tables)
{
    return (uint32_t)(FIRST_SECOND + (elapsed_ms + tables_ahead_ms) / 1000);
}

unsigned dataplane_workers(const struct dataplane *tables)
{
    return 1;
}

unsigned dataplane_owner(const struct dataplane *tables, const uint8_t *info_hash)
{
    return 0;
}

int dataplane_submit(struct dataplane *tables, unsigned worker, struct dataplane_job *job)
{
    int error = tables->busy ? -EAGAIN : jobs_put(&tables->jobs, job);

    while (jobs_slice(&tables->jobs, tables->swarms, &rig_timeouts, dataplane_now(tables)))
        continue;
    return error;
}

struct dataplane_job *dataplane_collect(struct dataplane *tables, unsigned worker)
{
    return jobs_collect(&tables->jobs);
}

unsigned dataplane_deltas(struct dataplane *tables, unsigned worker, struct delta *into,
                          unsigned most, uint64_t *lost)
{
    return deltas_take(tables->deltas, into, most, lost);
}

void dataplane_want_only_stops(struct dataplane *tables, unsigned worker, bool only_stops)
{
    deltas_want_only_stops(tables->deltas, only_stops);
}

static void *aligned(size_t size)
{
    return aligned_alloc(64, (size + 63) & ~(size_t)63);
}

static struct handoff_ring *ring_new(void)
{
    struct handoff_ring *ring = aligned(handoff_ring_size(JOBS_SLOTS));

    handoff_ring_init(ring, JOBS_SLOTS);
    return ring;
}

struct dataplane *rig_tables_new(unsigned deltas)
{
    struct swarms_limits limits = {.torrents = TORRENTS_MAX, .peers = PEERS_MAX};
    struct dataplane *tables = calloc(1, sizeof(*tables));

    handoff_share(0, 1, &limits);
    tables->size = swarms_memory(&limits);
    tables->memory =
        mmap(NULL, tables->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    tables->swarms = swarms_init(tables->memory, &limits, &secret, 1);
    tables->jobs = (struct worker_jobs){.submitted = ring_new(), .finished = ring_new()};
    tables->deltas = aligned(deltas_size(deltas));
    deltas_init(tables->deltas, deltas);
    return tables;
}

void rig_tables_free(struct dataplane *tables)
{
    munmap(tables->memory, tables->size);
    free(tables->jobs.submitted);
    free(tables->jobs.finished);
    free(tables->deltas);
    free(tables);
}

void rig_info_hash(unsigned torrent, uint8_t info_hash[20])
{
    memset(info_hash, 0, 20);
    memcpy(info_hash, &torrent, sizeof(torrent));
}

void rig_peer(unsigned client, uint8_t peer[SWARMS_PEER_MAX])
{
    memset(peer, 0, SWARMS_PEER_MAX);
    peer[0] = 10;
    memcpy(peer + 1, &client, 3);
    peer[4] = 0x1a;
    peer[5] = 0xe1;
    peer[17] = 1; /* of IPv6 */
}

void rig_announce(struct dataplane *tables, unsigned torrent, unsigned first, unsigned count,
                  enum swarms_event event)
{
    uint8_t info_hash[20];

    rig_info_hash(torrent, info_hash);
    for (unsigned client = first; client < first + count; client++) {
        uint8_t room[SWARMS_REPLY_SLACK];
        struct swarms_announce announce = {.info_hash = info_hash,
                                           .hash = swarms_hash(&secret, info_hash),
                                           .family = torrent % 2 ? SWARMS_IPV6 : SWARMS_IPV4,
                                           .event = event,
                                           .peers = room};
        struct swarms_announce *const announces[] = {&announce};

        rig_peer(client, announce.peer);
        deltas_put(tables->deltas, announces, 1, dataplane_now(tables));
        swarms_announce(tables->swarms, announces, 1, dataplane_now(tables));
    }
}

void rig_set_busy(struct dataplane *tables, bool busy)
{
    tables->busy = busy;
}

uint64_t rig_peers(const struct dataplane *tables)
{
    const struct swarms_counters *counters = swarms_counters(tables->swarms);

    return counters->peers[SWARMS_IPV4] + counters->peers[SWARMS_IPV6];
}

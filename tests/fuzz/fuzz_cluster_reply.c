/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Redis servers that answer whatever they like, to everything that asks them: the slot map, the
 * loader of chunks, the members' records and the streams of deltas. Whatever they say, each command
 * is answered once, the tables stay whole, and nothing is left over.
 *
 * Connections are pairs of sockets, names are known to nobody, and time is made up, so that
 * backoffs and deadlines pass in no time.
 */
#include <dlfcn.h>
#include <errno.h>
#include <event2/event.h>
#include <netdb.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "audit.h"
#include "controlplane/fleet/subscriber.h"
#include "controlplane/jobs.h"
#include "controlplane/store/loader.h"
#include "dataplane/jobs.h"
#include "forged_redis.h"
#include "input.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum {
    TURNS = 60, /* of the event loop */
    TURN_MS = 20,
    WALL = 1700000000,
    MONOTONIC = 1000,
    MEMBER = FORGED_REDIS_MEMBER,
    CHUNKS_READ = 48, /* then the store takes no more: thousands of failures would tell nothing */
};

static struct input input;

/* Time ----------------------------------------------------------------------------------------- */

static uint64_t elapsed_ms;

static int made_up(time_t start, struct timespec *now)
{
    *now = (struct timespec){.tv_sec = start + (time_t)(elapsed_ms / 1000),
                             .tv_nsec = (long)(elapsed_ms % 1000) * 1000000};
    return 0;
}

/* As libraries call it: the fuzzer's wall clock is the true one. */
int clock_gettime(clockid_t clock, struct timespec *now)
{
    if (clock == CLOCK_REALTIME)
        return (int)syscall(SYS_clock_gettime, clock, now);
    return made_up(MONOTONIC, now);
}

/* As what is tested calls it. */
int own_clock_gettime(clockid_t clock, struct timespec *now) __asm__(
    "__wrap_clock_gettime"); /* as the linker calls it */

int own_clock_gettime(clockid_t clock, struct timespec *now)
{
    return made_up(clock == CLOCK_REALTIME ? WALL : MONOTONIC, now);
}

time_t time(time_t *into)
{
    time_t now = (time_t)(WALL + elapsed_ms / 1000);

    if (into)
        *into = now;
    return now;
}

/* Names: nobody is asked ----------------------------------------------------------------------- */

typedef int resolve(const char *name, const char *service, const struct addrinfo *hints,
                    struct addrinfo **result);

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **result)
{
    resolve *libc = (resolve *)dlsym(RTLD_NEXT, "getaddrinfo");

    return (hints->ai_flags & AI_NUMERICHOST) ? libc(name, service, hints, result) : EAI_NONAME;
}

/* The data plane: one table, whose worker works whenever it is asked ----------------------------
 */

struct dataplane {
    struct swarms *swarms;
    struct worker_jobs jobs;
};

static const struct swarms_limits limits = {.torrents = 300, .peers = 4000};
static const struct swarms_secret secret = {.bytes = {1, 2, 3}};
static const struct swarms_timeouts timeouts = {.peer = 1800, .torrent = 3600};

uint32_t dataplane_now(const struct dataplane *dataplane)
{
    return (uint32_t)(WALL + elapsed_ms / 1000);
}

unsigned dataplane_workers(const struct dataplane *dataplane)
{
    return 1;
}

unsigned dataplane_owner(const struct dataplane *dataplane, const uint8_t *info_hash)
{
    return 0;
}

int dataplane_submit(struct dataplane *dataplane, unsigned worker, struct dataplane_job *job)
{
    int error = jobs_put(&dataplane->jobs, job);

    while (jobs_slice(&dataplane->jobs, dataplane->swarms, &timeouts, dataplane_now(dataplane)))
        continue;
    return error;
}

unsigned dataplane_deltas(struct dataplane *dataplane, unsigned worker, struct delta *into,
                          unsigned most, uint64_t *lost)
{
    return 0;
}

void dataplane_want_only_stops(struct dataplane *dataplane, unsigned worker, bool only_stops)
{
}

struct dataplane_job *dataplane_collect(struct dataplane *dataplane, unsigned worker)
{
    return jobs_collect(&dataplane->jobs);
}

/* The client ----------------------------------------------------------------------------------- */

/* The store, but for most of its chunks. */
static struct store *whole_store;

static int fetch_few(struct store *store, unsigned appliance, unsigned chunk, store_fetched *done,
                     void *user)
{
    return chunk < CHUNKS_READ ? store_fetch(whole_store, appliance, chunk, done, user) : -EAGAIN;
}

static unsigned room_of_whole(const struct store *store)
{
    return store_room(whole_store);
}

static const struct store_kind few_kind = {
    .name = "few", .fetch = fetch_few, .room = room_of_whole};
static struct store few = {.kind = &few_kind};

struct rig {
    struct event_base *base;
    struct dataplane dataplane;
    struct seen_clock clock;
    struct jobs *jobs;
    struct store *store;
    struct loader *loader;
    struct members *members;
    struct subscriber *subscriber;
    struct tombstones *tombstones;
};

static void on_record(void *user, unsigned number)
{
    struct rig *rig = user;

    if (members_get(rig->members, number)->health == MEMBER_ALIVE)
        subscriber_follow(rig->subscriber, number, members_get(rig->members, number));
}

static void on_nothing(void *user)
{
}

static void on_note(void *user, const char *text)
{
    AUDIT(text && strlen(text) < 4096);
}

static void on_beat(void *user, struct member_record *record)
{
}

static void on_loaded(void *user, const struct loader_info *info)
{
    AUDIT(!info->running);
}

static void start_reading(struct rig *rig)
{
    static const struct member member = {
        .record = {.appliance = MEMBER, .streams_count = 2, .epoch = 1, .streams = {{1, 1, 1}}}};
    const struct members_config members = {.base = rig->base,
                                           .redis = store_redis(rig->store),
                                           .self = 0,
                                           .name = "fuzz",
                                           .streams = 1,
                                           .user = rig,
                                           .on_ready = on_nothing,
                                           .on_beat = on_beat,
                                           .on_record = on_record,
                                           .on_superseded = on_nothing,
                                           .on_note = on_note};
    const struct subscriber_config subscriber = {.base = rig->base,
                                                 .redis = store_redis(rig->store),
                                                 .jobs = rig->jobs,
                                                 .dataplane = &rig->dataplane,
                                                 .clock = &rig->clock,
                                                 .tombstones = rig->tombstones,
                                                 .timeouts = &timeouts,
                                                 .poll_ms = 50};
    const struct loader_config loader = {.base = rig->base,
                                         .store = &few,
                                         .jobs = rig->jobs,
                                         .dataplane = &rig->dataplane,
                                         .clock = &rig->clock,
                                         .timeouts = &timeouts,
                                         .on_done = on_loaded};

    rig->subscriber = subscriber_new(&subscriber);
    rig->members = members_new(&members);
    rig->loader = loader_new(&loader);
    subscriber_follow(rig->subscriber, MEMBER, &member);
}

static struct handoff_ring *ring(void)
{
    static struct handoff_ring *rings[2];
    static unsigned next;
    struct handoff_ring **each = &rings[next++ % 2];

    if (!*each)
        *each = aligned_alloc(64, (handoff_ring_size(JOBS_SLOTS) + 63) & ~(size_t)63);
    handoff_ring_init(*each, JOBS_SLOTS);
    return *each;
}

static void start(struct rig *rig)
{
    static struct tombstones *tombstones;
    static void *memory;
    const struct redis_address seeds[] = {{.host = "127.0.0.1", .port = FORGED_REDIS_PORT},
                                          {.host = "127.0.0.1", .port = FORGED_REDIS_PORT + 1}};
    const struct store_redis_config config = {
        .client = {.seeds = seeds, .seeds_count = 2, .single = input_u8(&input) % 8 == 0},
        .expiry = 3600,
        .on_note = on_note};

    if (!tombstones)
        tombstones = tombstones_new();
    *rig = (struct rig){.base = event_base_new(), .tombstones = tombstones};
    rig->dataplane = (struct dataplane){.swarms = audit_table(&memory, &limits, &secret, 0, 1),
                                        .jobs = {.submitted = ring(), .finished = ring()}};
    rig->jobs = jobs_new(rig->base, &rig->dataplane);
    rig->store = whole_store = store_open_redis(rig->base, &config);
    start_reading(rig);
}

static void stop(struct rig *rig)
{
    store_close(rig->store);
    members_free(rig->members);
    subscriber_free(rig->subscriber);
    loader_free(rig->loader);
    jobs_free(rig->jobs);
    event_base_free(rig->base);
    forged_redis_end();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static uint8_t stream[AUDIT_STREAM_MAX];
    struct rig rig;

    input = (struct input){bytes, bytes + size};
    elapsed_ms = 0;
    signal(SIGPIPE, SIG_IGN); /* as musterd */
    forged_redis_begin(&input);
    start(&rig);
    for (unsigned turn = 0; turn < TURNS; turn++) {
        if (turn == TURNS / 8)
            loader_start(rig.loader, MEMBER, 0);
        event_base_loop(rig.base, EVLOOP_NONBLOCK);
        forged_redis_serve();
        elapsed_ms += input_left(&input) > 0 && turn % 8 == 7 ? input_u8(&input) * 8u : TURN_MS;
    }
    AUDIT(store_info(rig.store)->under_way <= 1024);
    stop(&rig);
    audit_export(rig.dataplane.swarms, stream, TRANSFER_SIZE_MIN, (uint32_t)time(NULL));
    return 0;
}

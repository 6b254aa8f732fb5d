/* SPDX-License-Identifier: BSD-3-Clause */
#include "tables.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "dataplane/jobs.h"
#include "tables_clock.h"

enum { IDLE_US = 50 };

struct worker {
    struct dataplane *dataplane;
    pthread_t thread;
    pthread_mutex_t mutex; /* of the tables: announces come from another thread */
    struct swarms *swarms;
    void *memory;
    size_t memory_size;
    struct worker_jobs jobs;
    struct deltas *deltas; /* NULL: none */
};

struct dataplane {
    struct tables_config config;
    struct tables_clock clock;
    atomic_bool stop;
    struct worker workers[DATAPLANE_WORKERS_MAX];
};

uint32_t dataplane_now(const struct dataplane *dataplane)
{
    return tables_clock_now(&dataplane->clock);
}

unsigned dataplane_workers(const struct dataplane *dataplane)
{
    return dataplane->config.workers;
}

unsigned dataplane_owner(const struct dataplane *dataplane, const uint8_t *info_hash)
{
    return handoff_owner(swarms_hash(&dataplane->config.secret, info_hash),
                         dataplane->config.workers);
}

int dataplane_submit(struct dataplane *dataplane, unsigned worker, struct dataplane_job *job)
{
    return jobs_put(&dataplane->workers[worker].jobs, job);
}

struct dataplane_job *dataplane_collect(struct dataplane *dataplane, unsigned worker)
{
    return jobs_collect(&dataplane->workers[worker].jobs);
}

unsigned dataplane_deltas(struct dataplane *dataplane, unsigned worker, struct delta *into,
                          unsigned most, uint64_t *lost)
{
    struct deltas *deltas = dataplane->workers[worker].deltas;

    *lost = 0;
    return deltas ? deltas_take(deltas, into, most, lost) : 0;
}

void dataplane_want_only_stops(struct dataplane *dataplane, unsigned worker, bool only_stops)
{
    struct deltas *deltas = dataplane->workers[worker].deltas;

    if (deltas)
        deltas_want_only_stops(deltas, only_stops);
}

static void *run(void *user)
{
    struct worker *worker = user;
    struct dataplane *dataplane = worker->dataplane;

    while (!atomic_load(&dataplane->stop)) {
        bool more;

        pthread_mutex_lock(&worker->mutex);
        more = jobs_slice(&worker->jobs, worker->swarms, &dataplane->config.timeouts,
                          dataplane_now(dataplane));
        swarms_expire(worker->swarms, 16, &dataplane->config.timeouts, dataplane_now(dataplane));
        pthread_mutex_unlock(&worker->mutex);
        if (!more)
            nanosleep(&(struct timespec){.tv_nsec = IDLE_US * 1000}, NULL);
    }
    return NULL;
}

static struct handoff_ring *make_ring(void)
{
    struct handoff_ring *ring =
        aligned_alloc(64, (handoff_ring_size(JOBS_SLOTS) + 63) & ~(size_t)63);

    if (ring)
        handoff_ring_init(ring, JOBS_SLOTS);
    return ring;
}

static bool start_worker(struct dataplane *dataplane, unsigned index)
{
    const struct tables_config *config = &dataplane->config;
    struct worker *worker = &dataplane->workers[index];
    struct swarms_limits limits = {.torrents = config->torrents_max / config->workers + 1024,
                                   .peers = config->peers_max / config->workers + 4096};

    handoff_share(index, config->workers, &limits);
    worker->dataplane = dataplane;
    worker->memory_size = swarms_memory(&limits);
    worker->memory =
        mmap(NULL, worker->memory_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (worker->memory == MAP_FAILED)
        return false;
    madvise(worker->memory, worker->memory_size, MADV_HUGEPAGE);
    worker->swarms = swarms_init(worker->memory, &limits, &config->secret, index + 1);
    worker->jobs.submitted = make_ring();
    worker->jobs.finished = make_ring();
    if (config->deltas > 0) {
        worker->deltas = aligned_alloc(64, (deltas_size(config->deltas) + 63) & ~(size_t)63);
        if (!worker->deltas)
            return false;
        deltas_init(worker->deltas, config->deltas);
    }
    pthread_mutex_init(&worker->mutex, NULL);
    return worker->swarms && worker->jobs.submitted && worker->jobs.finished &&
           pthread_create(&worker->thread, NULL, run, worker) == 0;
}

struct dataplane *tables_start(const struct tables_config *config)
{
    struct dataplane *dataplane = calloc(1, sizeof(*dataplane));

    if (!dataplane)
        return NULL;
    dataplane->config = *config;
    tables_clock_start(&dataplane->clock);
    for (unsigned i = 0; i < config->workers; i++) {
        if (!start_worker(dataplane, i))
            return NULL;
    }
    return dataplane;
}

void tables_stop(struct dataplane *dataplane)
{
    atomic_store(&dataplane->stop, true);
    for (unsigned i = 0; i < dataplane->config.workers; i++) {
        struct worker *worker = &dataplane->workers[i];

        pthread_join(worker->thread, NULL);
        munmap(worker->memory, worker->memory_size);
        free(worker->jobs.submitted);
        free(worker->jobs.finished);
        free(worker->deltas);
    }
    free(dataplane);
}

void tables_announce(struct dataplane *dataplane, unsigned index,
                     struct swarms_announce *const announces[], unsigned count, uint32_t age)
{
    struct worker *worker = &dataplane->workers[index];

    for (unsigned i = 0; i < count; i++)
        announces[i]->hash = swarms_hash(&dataplane->config.secret, announces[i]->info_hash);
    pthread_mutex_lock(&worker->mutex);
    if (worker->deltas)
        deltas_put(worker->deltas, announces, count, dataplane_now(dataplane) - age);
    swarms_announce(worker->swarms, announces, count, dataplane_now(dataplane) - age);
    pthread_mutex_unlock(&worker->mutex);
}

void tables_list(struct dataplane *dataplane, const uint8_t *info_hash, uint8_t family,
                 void (*each)(void *user, const uint8_t *peer, uint8_t flags, uint32_t seen),
                 void *user)
{
    static uint8_t buffer[1 << 20];
    uint64_t hash = swarms_hash(&dataplane->config.secret, info_hash);
    struct worker *worker = &dataplane->workers[handoff_owner(hash, dataplane->config.workers)];
    struct transfer_export export = {.first_chunk = (uint16_t)transfer_chunk(hash),
                                     .last_chunk = (uint16_t)transfer_chunk(hash)};
    size_t peer_size = swarms_peer_size(family);

    pthread_mutex_lock(&worker->mutex);
    while (!export.done) {
        size_t size = transfer_export(worker->swarms, &export, buffer, sizeof(buffer), 4096,
                                      dataplane_now(dataplane));

        for (size_t at = 0; at < size;) {
            const struct transfer_swarm *head = (const void *)(buffer + at);
            const uint8_t *peer = buffer + at + sizeof(*head);
            size_t record = transfer_peer_size(head->family);

            at += sizeof(*head) + head->peers * record;
            if (head->family != family || memcmp(head->info_hash, info_hash, 20) != 0)
                continue;
            for (uint32_t i = 0; i < head->peers; i++, peer += record) {
                uint32_t seen;

                memcpy(&seen, peer + peer_size + 2, sizeof(seen));
                each(user, peer, peer[peer_size], seen);
            }
        }
    }
    pthread_mutex_unlock(&worker->mutex);
}

void tables_counters(struct dataplane *dataplane, struct swarms_counters *sum)
{
    memset(sum, 0, sizeof(*sum));
    for (unsigned i = 0; i < dataplane->config.workers; i++) {
        const struct swarms_counters *counters = swarms_counters(dataplane->workers[i].swarms);

        for (unsigned family = 0; family < 2; family++) {
            sum->torrents[family] += counters->torrents[family];
            sum->peers[family] += counters->peers[family];
            sum->seeders[family] += counters->seeders[family];
        }
        sum->peers_refused += counters->peers_refused;
        sum->peers_expired += counters->peers_expired;
        sum->completed += counters->completed;
        sum->memory_used += counters->memory_used;
        sum->memory_reserved += counters->memory_reserved;
    }
}

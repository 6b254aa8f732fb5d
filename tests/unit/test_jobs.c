/* SPDX-License-Identifier: BSD-3-Clause */
/* Jobs between a control thread and a worker's; to be run with ThreadSanitizer, too. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/jobs.h"

enum { TORRENTS = 2000, PEERS = 5, BUFFER = 4096, BUFFER_LARGE = 1 << 20, NOW = 1000000 };

static const struct swarms_timeouts timeouts = {.peer = 4000, .torrent = 8000};
static struct swarms_secret secret;
static struct worker_jobs jobs;
static struct swarms *swarms;
static void *memory;
static pthread_t thread;
static _Atomic bool stop;
static _Atomic unsigned slices;

static void *work(void *unused)
{
    while (!atomic_load_explicit(&stop, memory_order_relaxed))
        if (jobs_slice(&jobs, swarms, &timeouts, NOW))
            slices++;
        else
            sched_yield();
    return NULL;
}

static struct handoff_ring *make_ring(void)
{
    struct handoff_ring *ring =
        aligned_alloc(64, (handoff_ring_size(JOBS_SLOTS) + 63) & ~(size_t)63);

    handoff_ring_init(ring, JOBS_SLOTS);
    return ring;
}

static int start(void **state)
{
    struct swarms_limits limits = {
        .torrents = 2 * TORRENTS, .peers = 4 * TORRENTS * PEERS, .hash_last = UINT64_MAX};
    size_t size = swarms_memory(&limits);

    for (unsigned i = 0; i < sizeof(secret.bytes); i++)
        secret.bytes[i] = (uint8_t)(i * 151 + 7);
    memory = aligned_alloc(4096, (size + 4095) & ~(size_t)4095);
    memset(memory, 0, size);
    swarms = swarms_init(memory, &limits, &secret, 1);
    jobs = (struct worker_jobs){.submitted = make_ring(), .finished = make_ring()};
    slices = 0;
    atomic_store(&stop, false);
    return pthread_create(&thread, NULL, work, NULL);
}

static int end(void **state)
{
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    free(jobs.submitted);
    free(jobs.finished);
    free(memory);
    return 0;
}

static struct dataplane_job *collect(void)
{
    struct dataplane_job *job;

    while (!(job = jobs_collect(&jobs)))
        sched_yield();
    return job;
}

static struct dataplane_job *run(struct dataplane_job *job)
{
    assert_int_equal(jobs_put(&jobs, job), 0);
    assert_ptr_equal(collect(), job);
    return job;
}

static size_t write_swarm(uint8_t *at, unsigned torrent)
{
    struct transfer_swarm *swarm = (void *)at;
    struct transfer_ipv4 *peers = (void *)(swarm + 1);

    *swarm = (struct transfer_swarm){.family = SWARMS_IPV4, .peers = PEERS};
    memcpy(swarm->info_hash, &torrent, sizeof(torrent));
    swarm->chunk = (uint16_t)transfer_chunk(swarms_hash(&secret, swarm->info_hash));
    for (unsigned i = 0; i < PEERS; i++)
        peers[i] = (struct transfer_ipv4){.peer = {10, 0, 0, (uint8_t)i, 1, 1}, .seen = NOW - 5};
    return sizeof(*swarm) + PEERS * sizeof(*peers);
}

static void import_all(void)
{
    uint8_t *buffer = malloc(TORRENTS * 128);
    struct dataplane_job job = {.kind = DATAPLANE_JOB_IMPORT, .buffer = buffer, .error = 1};

    for (unsigned i = 0; i < TORRENTS; i++)
        job.used += write_swarm(buffer + job.used, i);
    job.size = job.used;
    run(&job);
    assert_int_equal(job.error, 0);
    assert_int_equal(job.result.peers_added, TORRENTS * PEERS);
    free(buffer);
}

/* A worker that is never idle: its export goes on all the same, and its imports wait for slices. */
static void a_busy_worker_exports_in_slivers(void **state)
{
    uint8_t *buffer = malloc(BUFFER_LARGE);
    struct dataplane_job export = {.kind = DATAPLANE_JOB_EXPORT,
                                   .buffer = buffer,
                                   .size = BUFFER_LARGE,
                                   .export.last_chunk = TRANSFER_CHUNKS - 1},
                         import = {.kind = DATAPLANE_JOB_IMPORT};
    unsigned slivers = 0;

    import_all();
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    assert_int_equal(jobs_put(&jobs, &export), 0);
    assert_true(jobs_slice(&jobs, swarms, &timeouts, NOW)); /* begins it */
    for (; !jobs_collect(&jobs); slivers++) {
        struct transfer_export at;

        jobs_sliver(&jobs, swarms, NOW);
        at = export.export;
        assert_true(jobs.current == NULL || jobs_slice(&jobs, swarms, &timeouts, NOW));
        assert_memory_equal(&export.export, &at, sizeof(at)); /* left to slivers */
    }
    assert_true(export.export.done);
    assert_true(slivers > TORRENTS / SLIVER_EXPORT_LINES);

    /* Another job waits: slices are done, too. */
    export.export = (struct transfer_export){.last_chunk = TRANSFER_CHUNKS - 1};
    assert_int_equal(jobs_put(&jobs, &export), 0);
    assert_int_equal(jobs_put(&jobs, &import), 0);
    assert_true(jobs_slice(&jobs, swarms, &timeouts, NOW));
    while (jobs.current == &export) {
        struct transfer_export at;

        jobs_sliver(&jobs, swarms, NOW);
        at = export.export;
        if (jobs.current != &export)
            break;
        assert_true(jobs_slice(&jobs, swarms, &timeouts, NOW));
        assert_memory_not_equal(&export.export, &at, sizeof(at));
    }
    assert_ptr_equal(jobs_collect(&jobs), &export);
    jobs_sliver(&jobs, swarms, NOW);
    assert_true(jobs_slice(&jobs, swarms, &timeouts, NOW)); /* at once: no export */
    jobs_sliver(&jobs, swarms, NOW);
    assert_ptr_equal(jobs_collect(&jobs), &import);
    atomic_store(&stop, false);
    pthread_create(&thread, NULL, work, NULL);
    free(buffer);
}

static void what_is_imported_is_exported_in_slices(void **state)
{
    struct dataplane_job job = {.kind = DATAPLANE_JOB_EXPORT, .size = BUFFER};
    unsigned peers = 0;

    import_all();
    job.buffer = malloc(BUFFER);
    job.export.last_chunk = TRANSFER_CHUNKS - 1;
    while (!job.export.done) {
        run(&job);
        assert_int_equal(job.error, 0);
        assert_true(job.used <= BUFFER);
        for (size_t at = 0; at < job.used;) {
            const struct transfer_swarm *swarm = (const void *)(job.buffer + at);

            peers += swarm->peers;
            at += sizeof(*swarm) + swarm->peers * sizeof(struct transfer_ipv4);
        }
    }
    free(job.buffer);
    assert_int_equal(peers, TORRENTS * PEERS);
    assert_true(slices > TORRENTS * PEERS / SLICE_IMPORT_PEERS);
}

static void bad_buffers_are_refused(void **state)
{
    uint8_t buffer[64] = {0};
    struct dataplane_job job = {.kind = DATAPLANE_JOB_IMPORT, .buffer = buffer, .used = 7};

    assert_int_equal(run(&job)->error, -EINVAL);
    job = (struct dataplane_job){.kind = DATAPLANE_JOB_EXPORT, .buffer = buffer, .size = 64};
    assert_int_equal(run(&job)->error, -EINVAL);
    job = (struct dataplane_job){.kind = (enum dataplane_job_kind)99};
    assert_int_equal(run(&job)->error, -EINVAL);
    job = (struct dataplane_job){.kind = DATAPLANE_JOB_IMPORT, .used = 0, .error = 1};
    assert_int_equal(run(&job)->error, 0); /* nothing to do is well done */
}

static void questions_are_answered(void **state)
{
    static struct inspect_top top;
    static struct inspect_show show;
    static struct inspect_clients clients;
    struct dataplane_job job = {.kind = DATAPLANE_JOB_TOP, .top = &top};

    import_all();
    top.want = 10;
    run(&job);
    assert_true(top.done);
    assert_int_equal(top.count, 10);
    assert_int_equal(top.rows[0].leechers, PEERS);
    for (unsigned class = 0; class < INSPECT_SIZES; class ++) {
        bool right = PEERS <= 1u << class && PEERS > (1u << class) / 2;

        assert_int_equal(top.sizes[class], right ? TORRENTS : 0);
    }

    job = (struct dataplane_job){.kind = DATAPLANE_JOB_SHOW, .show = &show};
    run(&job);
    assert_true(show.found); /* torrent 0 */
    assert_int_equal(show.peers_count, PEERS);

    job = (struct dataplane_job){.kind = DATAPLANE_JOB_CLIENTS, .clients = &clients};
    run(&job);
    assert_int_equal(clients.count, 0);
}

static void a_full_mailbox_says_so_and_loses_nothing(void **state)
{
    static struct inspect_clients clients[JOBS_SLOTS + 1];
    struct dataplane_job many[JOBS_SLOTS + 1];

    for (unsigned i = 0; i <= JOBS_SLOTS; i++) {
        many[i] = (struct dataplane_job){.kind = DATAPLANE_JOB_CLIENTS, .clients = &clients[i]};
        while (i == JOBS_SLOTS && slices < JOBS_SLOTS)
            sched_yield(); /* done, but not collected: still under way */
        assert_int_equal(jobs_put(&jobs, &many[i]), i < JOBS_SLOTS ? 0 : -EAGAIN);
    }
    for (unsigned i = 0; i < JOBS_SLOTS; i++)
        assert_ptr_equal(collect(), &many[i]);
    assert_null(jobs_collect(&jobs));
    run(&many[JOBS_SLOTS]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_imported_is_exported_in_slices),
        TEST(a_busy_worker_exports_in_slivers),
        TEST(bad_buffers_are_refused),
        TEST(questions_are_answered),
        TEST(a_full_mailbox_says_so_and_loses_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

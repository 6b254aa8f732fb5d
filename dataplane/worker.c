/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include <rte_cycles.h>

#include "limiter.h"
#include "memif.h"
#include "worker_io.h"

enum {
    /* Drivers with vector code receive packets by four or eight, and none if asked for fewer. */
    RECEIVE_MIN = DATAPLANE_BURST_MIN,

    /* Between two rounds of housekeeping. Longer: settings and reports lag; shorter: it costs more
     * than a percent of the worker's time. */
    HOUSEKEEPING_MICROSECONDS = 100,

    /* A round through the tables takes this part of the peers' timeout, but not longer than ... */
    EXPIRY_ROUND_PART = 8,
    EXPIRY_ROUND_SECONDS_MAX = 60,

    /* Turns without a packet before an adaptive worker begins to sleep: some 50 us. Less: more
     * latency at medium load, more: more power. */
    IDLE_TURNS = 1000,
    /* A sleep, at first and at most. The longest one bounds what the queues must hold. */
    IDLE_SLEEP_MIN = 10,  /* microseconds */
    IDLE_SLEEP_MAX = 150, /* microseconds */
};

/* A turn -------------------------------------------------------------------------------------- */

/* One burst, of all queues together, beginning with another one each turn. */
static unsigned collect(struct worker *worker, unsigned most)
{
    unsigned queue = worker->queues_used > 0 ? worker->turn % worker->queues_used : 0;
    unsigned count = 0;

    if (most > worker->pipeline.settings->burst)
        most = worker->pipeline.settings->burst;
    for (unsigned i = 0; i < worker->queues_used && most - count >= RECEIVE_MIN; i++) {
        count += worker_receive(worker, &worker->queues[queue],
                                (most - count) / RECEIVE_MIN * RECEIVE_MIN);
        queue = queue + 1 == worker->queues_used ? 0 : queue + 1;
    }
    return count;
}

static void note_burst(struct worker_report *report, unsigned count, uint64_t cycles, uint64_t hz)
{
    uint64_t microseconds = cycles * 1000000 / hz;
    unsigned size_bucket = count > 1 ? 32 - (unsigned)__builtin_clz(count - 1) : 0;
    unsigned time_bucket = microseconds > 1 ? 64 - (unsigned)__builtin_clzll(microseconds - 1) : 0;

    if (time_bucket >= HISTOGRAM_SERVICE)
        time_bucket = HISTOGRAM_SERVICE - 1;
    report->burst_packets += count;
    report->burst_cycles += cycles;
    report->burst_sizes[size_bucket]++;
    report->service_times[time_bucket]++;
}

static unsigned forward(struct worker *worker)
{
    unsigned count = 0;

    for (unsigned i = 0; i < worker->queues_used; i++)
        if (worker->queues[i].exception != PORT_NONE)
            count += worker_forward(worker, &worker->queues[i]);
    return count;
}

/* Returns how many packets there were. */
static unsigned turn(struct worker *worker, uint64_t start)
{
    struct pipeline *pipeline = &worker->pipeline;
    unsigned count, taken;

    pipeline->nanoseconds = clock_nanoseconds(worker->clock, start);
    worker->turn++;
    pipeline_begin(pipeline);
    count = worker_join(worker);
    count += collect(worker, SWARMS_BURST_MAX - count);
    if (count > 0) {
        pipeline_admit(pipeline);
        pipeline_steer(pipeline);
    }
    taken = worker_take(worker);
    if (count > 0) {
        pipeline_act(pipeline);
        pipeline_finish(pipeline);
        worker_dispatch(worker);
        note_burst(&worker->report, count, rte_rdtsc() - start, worker->clock->hz);
    }
    return count + taken + forward(worker);
}

/* Housekeeping -------------------------------------------------------------------------------- */

static void take_settings(struct worker *worker)
{
    const struct settings_version *latest = settings_latest(worker->settings);

    if (worker->pipeline.settings == &latest->settings)
        return;
    worker->pipeline.settings = &latest->settings;
    atomic_store_explicit(&worker->generation, latest->generation, memory_order_release);
}

/* Lets go of ports that are lost, and takes those up that are found again. */
static void heed_rest(struct worker *worker)
{
    uint64_t wanted = atomic_load_explicit(&worker->rest_wanted, memory_order_acquire);
    unsigned used = 0;

    if (wanted == atomic_load_explicit(&worker->rest_heeded, memory_order_relaxed))
        return;
    for (unsigned i = 0; i < worker->queues_count; i++) {
        struct worker_queue queue = worker->queues[i];

        if (wanted >> queue.received.port & 1)
            continue;
        worker->queues[i] = worker->queues[used];
        worker->queues[used++] = queue;
    }
    worker->queues_used = used;
    for (unsigned port = 0; port < worker->ports_count; port++)
        worker->transmits[port].resting = wanted >> port & 1;
    atomic_store_explicit(&worker->rest_heeded, wanted, memory_order_release);
}

/*
 * The part of the tables that it is time to look at, so that a round takes the time it should. What
 * a round has to look at is told by what is in use now: it grows with a flash crowd at once.
 */
static void expire(struct worker *worker, uint64_t now)
{
    const struct swarms_timeouts *timeouts = &worker->pipeline.settings->timeouts;
    uint64_t used = swarms_counters(worker->pipeline.swarms)->memory_used / RTE_CACHE_LINE_SIZE;
    double round = (double)timeouts->peer / EXPIRY_ROUND_PART;
    unsigned lines = SLICE_EXPIRY_LINES;

    if (round > EXPIRY_ROUND_SECONDS_MAX)
        round = EXPIRY_ROUND_SECONDS_MAX;
    worker->expiry_due +=
        (double)used * (double)(now - worker->last_expiry) / (round * (double)worker->clock->hz);
    worker->last_expiry = now;
    if (worker->expiry_due < 1)
        return;
    if (worker->expiry_due < SLICE_EXPIRY_LINES)
        lines = (unsigned)worker->expiry_due;
    worker->expiry_due = 0;
    swarms_expire(worker->pipeline.swarms, lines, timeouts, worker->pipeline.now);
}

static void report(struct worker *worker, uint64_t now)
{
    const uint64_t *words = (const uint64_t *)&worker->report;

    worker->report.cycles_total = now - worker->loop_start;
    worker->report.swarms = *swarms_counters(worker->pipeline.swarms);
    for (unsigned i = 0; i < WORKER_REPORT_WORDS; i++)
        atomic_store_explicit(&worker->reported[i], words[i], memory_order_relaxed);
}

static bool work_on_jobs(struct worker *worker)
{
    const struct pipeline *pipeline = &worker->pipeline;

    return jobs_slice(&worker->jobs, pipeline->swarms, &pipeline->settings->timeouts,
                      pipeline->now);
}

/* Returns true when there is a job to be gone on with. */
static bool keep_house(struct worker *worker, uint64_t now)
{
    uint32_t seconds = clock_seconds(worker->clock, now);
    bool more;

    if (seconds > worker->pipeline.now)
        worker->pipeline.now = seconds;
    take_settings(worker);
    heed_rest(worker);
    expire(worker, now);
    more = work_on_jobs(worker);
    report(worker, now);
    worker->next_housekeeping = now + worker->clock->hz / 1000000 * HOUSEKEEPING_MICROSECONDS;
    return more;
}

/* The loop ------------------------------------------------------------------------------------ */

static void rest(struct worker *worker)
{
    struct timespec sleep = {.tv_nsec = IDLE_SLEEP_MIN * 1000};
    unsigned longer;

    if (worker->pipeline.settings->idle != DATAPLANE_ADAPTIVE || ++worker->idle_turns < IDLE_TURNS)
        return;
    longer = worker->idle_turns - IDLE_TURNS;
    sleep.tv_nsec *= longer < 4 ? 1 << longer : IDLE_SLEEP_MAX / IDLE_SLEEP_MIN;
    nanosleep(&sleep, NULL);
}

int worker_run(void *argument)
{
    struct worker *worker = argument;
    sigset_t signals;
    bool job = false;

    sigfillset(&signals);
    sigdelset(&signals, SIGURG); /* by which the control thread has each thread confine itself */
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    prctl(PR_SET_TIMERSLACK, 1000); /* nanoseconds: a short sleep is short */
    worker->loop_start = worker->last_expiry = rte_rdtsc();
    memif_join(worker->pipeline.worker);
    heed_rest(worker);
    while (!atomic_load_explicit(&worker->stop, memory_order_relaxed)) {
        uint64_t start = rte_rdtsc();
        unsigned count = turn(worker, start);
        bool housekeeping = start >= worker->next_housekeeping;

        worker->report.loops++;
        memif_pass(worker->pipeline.worker);
        if (housekeeping)
            job = keep_house(worker, start);
        else if (job && count == 0)
            job = work_on_jobs(worker);
        else if (job)
            jobs_sliver(&worker->jobs, worker->pipeline.swarms, worker->pipeline.now);
        if (count > 0 || job || housekeeping)
            worker->report.cycles_busy += rte_rdtsc() - start;
        if (count > 0 || job)
            worker->idle_turns = 0;
        else
            rest(worker);
    }
    memif_leave(worker->pipeline.worker);
    report(worker, rte_rdtsc());
    return 0;
}

int worker_prepare(void *argument)
{
    struct worker *worker = argument;
    size_t size = swarms_memory(&worker->swarms_limits);
    int error;

    if ((error = memory_map(&worker->tables, size, worker->huge_pages)) ||
        (error = memory_map(&worker->limits, LIMITER_TABLE_SIZE, worker->huge_pages)))
        return error;
    worker->pipeline.swarms =
        swarms_init(worker->tables.base, &worker->swarms_limits, worker->secret, rte_rdtsc());
    if (!worker->pipeline.swarms)
        return -EINVAL;
    worker->pipeline.limiter = worker->limits.base;
    if (worker->deltas_slots > 0) {
        if ((error = memory_map(&worker->deltas, deltas_size(worker->deltas_slots),
                                worker->huge_pages)))
            return error;
        worker->pipeline.deltas = worker->deltas.base;
        deltas_init(worker->pipeline.deltas, worker->deltas_slots);
    }
    worker->pipeline.random = rte_rdtsc();
    worker->pipeline.now = clock_seconds(worker->clock, rte_rdtsc());
    take_settings(worker);
    return 0;
}

void worker_release(struct worker *worker)
{
    memory_unmap(&worker->tables);
    memory_unmap(&worker->limits);
    memory_unmap(&worker->deltas);
}

void worker_read_report(const struct worker *worker, struct worker_report *into)
{
    uint64_t *words = (uint64_t *)into;

    for (unsigned i = 0; i < WORKER_REPORT_WORDS; i++)
        words[i] = atomic_load_explicit(&worker->reported[i], memory_order_relaxed);
}

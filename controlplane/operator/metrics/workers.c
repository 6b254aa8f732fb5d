/* SPDX-License-Identifier: BSD-3-Clause */
/* What workers and the XDP program count. */
#include <event2/buffer.h>
#include <inttypes.h>

#include "../console_state.h"
#include "../views.h"
#include "sample.h"

static void sample_worker(const struct metric_writer *writer, unsigned worker, double value)
{
    evbuffer_add_printf(writer->out, "%s{worker=\"%u\"} %.15g\n", writer->metric->name, worker,
                        value);
}

/* Bucket b holds what is up to 2^b units, the last one all the rest if `last_is_rest`. */
static void histogram(const struct metric_writer *writer, unsigned worker, const uint64_t *buckets,
                      unsigned count, double unit, bool last_is_rest, double sum)
{
    const char *name = writer->metric->name;
    uint64_t below = 0;

    for (unsigned bucket = 0; bucket < count; bucket++) {
        below += buckets[bucket];
        if (bucket + 1 < count || !last_is_rest)
            evbuffer_add_printf(writer->out, "%s_bucket{worker=\"%u\",le=\"%.9g\"} %" PRIu64 "\n",
                                name, worker, unit * (double)(UINT64_C(1) << bucket), below);
    }
    evbuffer_add_printf(writer->out, "%s_bucket{worker=\"%u\",le=\"+Inf\"} %" PRIu64 "\n", name,
                        worker, below);
    evbuffer_add_printf(writer->out, "%s_sum{worker=\"%u\"} %.15g\n", name, worker, sum);
    evbuffer_add_printf(writer->out, "%s_count{worker=\"%u\"} %" PRIu64 "\n", name, worker, below);
}

#define EACH_WORKER(observation, worker, info)                                                     \
    const struct dataplane_worker_info *info;                                                      \
    for (unsigned worker = 0; worker < observation_workers(observation) &&                         \
                              (info = observation_worker(observation, worker)) != NULL;            \
         worker++)

static void worker_info(const struct metric_writer *writer, size_t offset)
{
    EACH_WORKER(writer->console->observation, worker, info)
    {
        evbuffer_add_printf(writer->out, "%s{worker=\"%u\",core=\"%u\",numa_node=\"%u\"} 1\n",
                            writer->metric->name, worker, info->core, info->numa_node);
    }
}

static void worker_alive(const struct metric_writer *writer, size_t offset)
{
    const struct observation *observation = writer->console->observation;

    for (unsigned worker = 0; worker < observation_workers(observation); worker++)
        sample_worker(writer, worker, observation_worker_rates(observation, worker).alive);
}

/* A count of cycles in seconds. */
static void worker_cycles(const struct metric_writer *writer, size_t offset)
{
    double hz = observation_cycles_per_second(writer->console->observation);

    EACH_WORKER(writer->console->observation, worker, info)
    {
        uint64_t cycles = *(const uint64_t *)((const char *)info + offset);

        sample_worker(writer, worker, hz > 0 ? (double)cycles / hz : 0);
    }
}

static void worker_number(const struct metric_writer *writer, size_t offset)
{
    EACH_WORKER(writer->console->observation, worker, info)
    {
        sample_worker(writer, worker, (double)*(const uint64_t *)((const char *)info + offset));
    }
}

/* Two numbers, by family. */
static void worker_families(const struct metric_writer *writer, size_t offset)
{
    EACH_WORKER(writer->console->observation, worker, info)
    {
        const uint64_t *numbers = (const uint64_t *)((const char *)info + offset);

        for (unsigned family = 0; family < 2; family++)
            evbuffer_add_printf(writer->out, "%s{worker=\"%u\",family=\"%s\"} %" PRIu64 "\n",
                                writer->metric->name, worker, view_families[family],
                                numbers[family]);
    }
}

static void burst_packets(const struct metric_writer *writer, size_t offset)
{
    EACH_WORKER(writer->console->observation, worker, info)
    {
        histogram(writer, worker, info->burst_sizes, HISTOGRAM_BURST, 1, false,
                  (double)info->burst_packets);
    }
}

static void service_seconds(const struct metric_writer *writer, size_t offset)
{
    double hz = observation_cycles_per_second(writer->console->observation);

    EACH_WORKER(writer->console->observation, worker, info)
    {
        histogram(writer, worker, info->service_times, HISTOGRAM_SERVICE, 1e-6, true,
                  hz > 0 ? (double)info->burst_cycles / hz : 0);
    }
}

static void drops(const struct metric_writer *writer, size_t offset)
{
#define REASON(name, help) #name,
    static const char *const reasons[] = { COUNTERS_DROPS(REASON) };
#undef REASON

    EACH_WORKER(writer->console->observation, worker, info)
    {
        for (unsigned reason = 0; reason < COUNTERS_DROP_KINDS; reason++)
            evbuffer_add_printf(writer->out, "%s{worker=\"%u\",reason=\"%s\"} %" PRIu64 "\n",
                                writer->metric->name, worker, reasons[reason],
                                info->counters[reason]);
    }
}

static void xdp_packets(const struct metric_writer *writer, size_t offset)
{
#define VERDICT(name, help) #name,
    static const char *const verdicts[] = {STEERING_VERDICTS(VERDICT) STEERING_EVENTS(VERDICT)};
#undef VERDICT
    const uint64_t *counters = observation_totals(writer->console->observation)->xdp;

    if (!writer->console->controlplane->steering)
        return;
    for (unsigned verdict = 0; verdict < STEERING_COUNTERS; verdict++)
        metric_sample_labelled(writer, "verdict", verdicts[verdict], (double)counters[verdict]);
}

#define WORKER(member) offsetof(struct dataplane_worker_info, member)

const struct metric_source metric_sources_workers[METRICS_COUNT] = {
    [METRIC_worker_info] = {worker_info, 0},
    [METRIC_worker_alive] = {worker_alive, 0},
    [METRIC_worker_busy_seconds] = {worker_cycles, WORKER(cycles_busy)},
    [METRIC_worker_seconds] = {worker_cycles, WORKER(cycles_total)},
    [METRIC_burst_packets] = {burst_packets, 0},
    [METRIC_service_seconds] = {service_seconds, 0},
    [METRIC_drops] = {drops, 0},
    [METRIC_xdp_packets] = {xdp_packets, 0},
    [METRIC_torrents] = {worker_families, WORKER(swarms.torrents)},
    [METRIC_peers] = {worker_families, WORKER(swarms.peers)},
    [METRIC_seeders] = {worker_families, WORKER(swarms.seeders)},
    [METRIC_table_used_bytes] = {worker_number, WORKER(swarms.memory_used)},
    [METRIC_table_reserved_bytes] = {worker_number, WORKER(swarms.memory_reserved)},
    [METRIC_torrents_evicted] = {worker_number, WORKER(swarms.torrents_evicted)},
    [METRIC_torrents_expired] = {worker_number, WORKER(swarms.torrents_expired)},
    [METRIC_peers_refused] = {worker_number, WORKER(swarms.peers_refused)},
    [METRIC_peers_expired] = {worker_number, WORKER(swarms.peers_expired)},
    [METRIC_completed] = {worker_number, WORKER(swarms.completed)},
#define EVENT_SOURCE(event, help)                                                                  \
    [METRIC_EVENT_##event] = {worker_number, WORKER(counters[COUNTER_##event])},
    COUNTERS_EVENTS(EVENT_SOURCE)
#undef EVENT_SOURCE
};

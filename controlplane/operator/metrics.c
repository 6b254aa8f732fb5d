/* SPDX-License-Identifier: BSD-3-Clause */
#include <event2/buffer.h>
#include <inttypes.h>
#include <string.h>

#include "../bans.h"
#include "../persistence.h"
#include "console_state.h"
#include "control_socket.h"
#include "health.h"
#include "http.h"
#include "metric_table.h"
#include "metrics.h"
#include "process_usage.h"
#include "views.h"

struct writer {
    const struct console *console;
    struct evbuffer *out;
    const struct metric *metric;
};

/* Where a metric comes from; `offset` is for the sources that are a field of a struct. */
struct source {
    void (*write)(const struct writer *writer, size_t offset);
    size_t offset;
};

/* Writing ---------------------------------------------------------------------------------- */

static void sample(const struct writer *writer, double value)
{
    evbuffer_add_printf(writer->out, "%s %.15g\n", writer->metric->name, value);
}

static void sample_labelled(const struct writer *writer, const char *label, const char *name,
                            double value)
{
    evbuffer_add_printf(writer->out, "%s{%s=\"%s\"} %.15g\n", writer->metric->name, label, name,
                        value);
}

static void sample_worker(const struct writer *writer, unsigned worker, double value)
{
    evbuffer_add_printf(writer->out, "%s{worker=\"%u\"} %.15g\n", writer->metric->name, worker,
                        value);
}

/* A label's value may be anything that an operator wrote into the config. */
static void escape(const char *text, char *escaped, size_t size)
{
    size_t length = 0;

    for (; *text != '\0' && length + 3 < size; text++) {
        if (*text == '\\' || *text == '"')
            escaped[length++] = '\\';
        escaped[length++] = (char)((unsigned char)*text < ' ' ? ' ' : *text);
    }
    escaped[length] = '\0';
}

/* Bucket b holds what is up to 2^b units, the last one all the rest if `last_is_rest`. */
static void histogram(const struct writer *writer, unsigned worker, const uint64_t *buckets,
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

/* Sources: the appliance ------------------------------------------------------------------- */

static void build_info(const struct writer *writer, size_t offset)
{
    sample_labelled(writer, "version", MUSTER_VERSION, 1);
}

static void health(const struct writer *writer, size_t offset)
{
    char reason[256];
    enum health now = health_of(writer->console, reason, sizeof(reason));

    for (enum health status = 0; status < HEALTHS; status++)
        sample_labelled(writer, "status", health_name(status), status == now);
}

static void announce_interval(const struct writer *writer, size_t offset)
{
    sample(writer, writer->console->controlplane->interval);
}

static void load(const struct writer *writer, size_t offset)
{
    sample(writer, observation_rates(writer->console->observation, 0)->load);
}

static void torrents_limit(const struct writer *writer, size_t offset)
{
    sample(writer, writer->console->controlplane->config.dataplane.torrents_max);
}

static void peers_limit(const struct writer *writer, size_t offset)
{
    sample(writer, (double)writer->console->controlplane->config.dataplane.peers_max);
}

static void table_fill(const struct writer *writer, size_t offset)
{
    const struct swarms_counters *swarms =
        &observation_totals(writer->console->observation)->swarms;
    const struct dataplane_config *config = &writer->console->controlplane->config.dataplane;

    sample_labelled(writer, "table", "torrents",
                    (double)(swarms->torrents[0] + swarms->torrents[1]) / config->torrents_max);
    sample_labelled(writer, "table", "peers",
                    (double)(swarms->peers[0] + 2 * swarms->peers[1]) / (double)config->peers_max);
}

/* Sources: workers ------------------------------------------------------------------------- */

#define EACH_WORKER(observation, worker, info)                                                     \
    const struct dataplane_worker_info *info;                                                      \
    for (unsigned worker = 0; worker < observation_workers(observation) &&                         \
                              (info = observation_worker(observation, worker)) != NULL;            \
         worker++)

static void worker_info(const struct writer *writer, size_t offset)
{
    EACH_WORKER(writer->console->observation, worker, info)
    {
        evbuffer_add_printf(writer->out, "%s{worker=\"%u\",core=\"%u\",numa_node=\"%u\"} 1\n",
                            writer->metric->name, worker, info->core, info->numa_node);
    }
}

static void worker_alive(const struct writer *writer, size_t offset)
{
    const struct observation *observation = writer->console->observation;

    for (unsigned worker = 0; worker < observation_workers(observation); worker++)
        sample_worker(writer, worker, observation_worker_rates(observation, worker).alive);
}

/* A count of cycles in seconds. */
static void worker_cycles(const struct writer *writer, size_t offset)
{
    double hz = observation_cycles_per_second(writer->console->observation);

    EACH_WORKER(writer->console->observation, worker, info)
    {
        uint64_t cycles = *(const uint64_t *)((const char *)info + offset);

        sample_worker(writer, worker, hz > 0 ? (double)cycles / hz : 0);
    }
}

static void worker_number(const struct writer *writer, size_t offset)
{
    EACH_WORKER(writer->console->observation, worker, info)
    {
        sample_worker(writer, worker, (double)*(const uint64_t *)((const char *)info + offset));
    }
}

/* Two numbers, by family. */
static void worker_families(const struct writer *writer, size_t offset)
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

static void burst_packets(const struct writer *writer, size_t offset)
{
    EACH_WORKER(writer->console->observation, worker, info)
    {
        histogram(writer, worker, info->burst_sizes, HISTOGRAM_BURST, 1, false,
                  (double)info->counters[COUNTER_received]);
    }
}

static void service_seconds(const struct writer *writer, size_t offset)
{
    double hz = observation_cycles_per_second(writer->console->observation);

    EACH_WORKER(writer->console->observation, worker, info)
    {
        histogram(writer, worker, info->service_times, HISTOGRAM_SERVICE, 1e-6, true,
                  hz > 0 ? (double)info->cycles_busy / hz : 0);
    }
}

static void drops(const struct writer *writer, size_t offset)
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

static void xdp_packets(const struct writer *writer, size_t offset)
{
#define VERDICT(name, help) #name,
    static const char *const verdicts[] = {STEERING_VERDICTS(VERDICT) STEERING_EVENTS(VERDICT)};
#undef VERDICT
    const uint64_t *counters = observation_totals(writer->console->observation)->xdp;

    if (!writer->console->controlplane->steering)
        return;
    for (unsigned verdict = 0; verdict < STEERING_COUNTERS; verdict++)
        sample_labelled(writer, "verdict", verdicts[verdict], (double)counters[verdict]);
}

/* Sources: ports --------------------------------------------------------------------------- */

#define EACH_PORT(observation, port, info)                                                         \
    const struct dataplane_port_info *info;                                                        \
    for (unsigned port = 0; port < observation_ports(observation) &&                               \
                            (info = observation_port(observation, port)) != NULL;                  \
         port++)

static void sample_port(const struct writer *writer, const struct dataplane_port_info *info,
                        double value)
{
    char name[600];

    escape(info->name, name, sizeof(name));
    sample_labelled(writer, "port", name, value);
}

static void port_info(const struct writer *writer, size_t offset)
{
    char name[600];

    EACH_PORT(writer->console->observation, port, info)
    {
        escape(info->name, name, sizeof(name));
        evbuffer_add_printf(writer->out,
                            "%s{port=\"%s\",driver=\"%s\",queues=\"%u\",mtu=\"%u\"} 1\n",
                            writer->metric->name, name, info->driver, info->queues, info->mtu);
    }
}

static void port_up(const struct writer *writer, size_t offset)
{
    EACH_PORT(writer->console->observation, port, info)
    {
        sample_port(writer, info, info->link_up);
    }
}

static void port_number(const struct writer *writer, size_t offset)
{
    EACH_PORT(writer->console->observation, port, info)
    {
        sample_port(writer, info, (double)*(const uint64_t *)((const char *)info + offset));
    }
}

static void port_level(const struct writer *writer, size_t offset)
{
    EACH_PORT(writer->console->observation, port, info)
    {
        sample_port(writer, info, *(const unsigned *)((const char *)info + offset));
    }
}

/* Sources: the control plane --------------------------------------------------------------- */

static void access_entries(const struct writer *writer, size_t offset)
{
    const struct access_control *control = writer->console->controlplane->access;
    struct access_list_status status;

    access_list_status(access_control_list(control), &status);
    sample_labelled(writer, "mode", access_control_mode_name(control), (double)status.hashes);
}

static void bans(const struct writer *writer, size_t offset)
{
    size_t count;

    bans_list(writer->console->controlplane->bans, &count);
    sample(writer, (double)count);
}

static void control_clients(const struct writer *writer, size_t offset)
{
    sample(writer, control_socket_clients(writer->console->control));
}

static void http_answers(const struct writer *writer, size_t offset)
{
    char number[16];

    for (enum http_code code = 0; code < HTTP_CODES && writer->console->http; code++) {
        snprintf(number, sizeof(number), "%u", http_code_number(code));
        sample_labelled(writer, "code", number, (double)http_requests(writer->console->http, code));
    }
}

static void jemalloc_bytes(const struct writer *writer, size_t offset)
{
    struct process_heap heap;

    if (!process_heap(&heap))
        return;
    sample_labelled(writer, "state", "allocated", (double)heap.allocated);
    sample_labelled(writer, "state", "active", (double)heap.active);
    sample_labelled(writer, "state", "resident", (double)heap.resident);
    sample_labelled(writer, "state", "mapped", (double)heap.mapped);
    sample_labelled(writer, "state", "retained", (double)heap.retained);
    sample_labelled(writer, "state", "metadata", (double)heap.metadata);
}

static void process_cpu(const struct writer *writer, size_t offset)
{
    sample(writer, process_cpu_seconds());
}

static void process_resident(const struct writer *writer, size_t offset)
{
    sample(writer, (double)process_resident_bytes());
}

static void process_start(const struct writer *writer, size_t offset)
{
    sample(writer, (double)writer->console->controlplane->started);
}

static void process_fds(const struct writer *writer, size_t offset)
{
    int open = process_open_fds();

    if (open >= 0)
        sample(writer, open);
}

static void process_fds_max(const struct writer *writer, size_t offset)
{
    sample(writer, (double)process_max_fds());
}

/* Sources: what outlives the process ---------------------------------------------------------- */

/* False where nothing is kept. */
static bool persistence_of(const struct writer *writer, struct persistence_info *info)
{
    const struct persistence *persistence = writer->console->controlplane->persistence;

    if (persistence)
        persistence_info(persistence, info);
    return persistence != NULL;
}

static void store_state(const struct writer *writer, size_t offset)
{
    static const char *const states[] = {"waiting", "loading", "serving", "stopped"};
    struct persistence_info info;

    if (!persistence_of(writer, &info))
        return;
    for (unsigned state = PERSISTENCE_WAITING; state <= PERSISTENCE_SERVING; state++)
        sample_labelled(writer, "state", states[state], state == (unsigned)info.state);
}

static void store_errors(const struct writer *writer, size_t offset)
{
    struct persistence_info info;

    if (!persistence_of(writer, &info))
        return;
    sample_labelled(writer, "operation", "write", (double)info.store.write_errors);
    sample_labelled(writer, "operation", "read", (double)info.store.read_errors);
}

static void store_requests(const struct writer *writer, size_t offset)
{
    struct persistence_info info;

    if (!persistence_of(writer, &info))
        return;
    sample_labelled(writer, "operation", "write", (double)info.store.chunks_written);
    sample_labelled(writer, "operation", "read", (double)info.store.chunks_read);
}

static void snapshot_chunks(const struct writer *writer, size_t offset)
{
    struct persistence_info info;

    if (!persistence_of(writer, &info))
        return;
    sample_labelled(writer, "outcome", "written", (double)info.snapshot.chunks_written);
    sample_labelled(writer, "outcome", "unchanged", (double)info.snapshot.chunks_unchanged);
    sample_labelled(writer, "outcome", "failed", (double)info.snapshot.chunks_failed);
}

static void snapshot_number(const struct writer *writer, size_t offset)
{
    struct persistence_info info;

    if (persistence_of(writer, &info))
        sample(writer, (double)*(const uint64_t *)((const char *)&info.snapshot + offset));
}

static void snapshot_oldest(const struct writer *writer, size_t offset)
{
    struct persistence_info info;

    if (persistence_of(writer, &info))
        sample(writer, info.snapshot.oldest_dirty);
}

static void load_progress(const struct writer *writer, size_t offset)
{
    struct persistence_info info;

    if (persistence_of(writer, &info))
        sample(writer, info.progress);
}

static const struct fleet *fleet_of(const struct writer *writer)
{
    const struct persistence *persistence = writer->console->controlplane->persistence;

    return persistence ? persistence_fleet(persistence) : NULL;
}

enum fleet_number { FLEET_LAG, FLEET_LAG_RECORDS, FLEET_ALIVE, FLEET_GAPS };

static void fleet_number(const struct writer *writer, size_t number)
{
    const struct fleet *fleet = fleet_of(writer);
    struct fleet_member_info member;

    for (unsigned i = 0; fleet && i < MEMBERS_MAX; i++) {
        char name[8];
        double values[4];

        if (!fleet_member_info(fleet, i, &member))
            continue;
        values[FLEET_LAG] = member.stream.lag_ms / 1000.0;
        values[FLEET_LAG_RECORDS] = (double)member.stream.lag_records;
        values[FLEET_ALIVE] = member.health == MEMBER_ALIVE;
        values[FLEET_GAPS] = (double)member.stream.gaps;
        snprintf(name, sizeof(name), "%u", i);
        sample_labelled(writer, "appliance", name, values[number]);
    }
}

static void fleet_published(const struct writer *writer, size_t offset)
{
    struct fleet_info info;

    if (!fleet_of(writer))
        return;
    fleet_info(fleet_of(writer), &info);
    sample(writer, (double)info.publisher.records);
}

static void fleet_lost(const struct writer *writer, size_t offset)
{
    struct fleet_info info;

    if (!fleet_of(writer))
        return;
    fleet_info(fleet_of(writer), &info);
    sample_labelled(writer, "where", "ring", (double)info.publisher.lost_in_ring);
    sample_labelled(writer, "where", "waiting", (double)info.publisher.lost_waiting);
}

static void fleet_waiting(const struct writer *writer, size_t offset)
{
    struct fleet_info info;

    if (!fleet_of(writer))
        return;
    fleet_info(fleet_of(writer), &info);
    sample(writer, (double)info.publisher.waiting_bytes);
}

enum redis_number { REDIS_OFFSET, REDIS_UP };

static void redis_number(const struct writer *writer, size_t number)
{
    const struct persistence *persistence = writer->console->controlplane->persistence;
    const struct redis_cluster *redis = persistence ? persistence_redis(persistence) : NULL;
    struct redis_node_info node;

    for (unsigned i = 0; redis && redis_cluster_node_info(redis, i, &node); i++) {
        char address[REDIS_HOST_SIZE + 16], escaped[600];

        if (node.slots == 0)
            continue;
        snprintf(address, sizeof(address), "%s:%u", node.address.host, node.address.port);
        escape(address, escaped, sizeof(escaped));
        sample_labelled(writer, "node", escaped,
                        number == REDIS_UP ? node.state == REDIS_NODE_READY
                                           : (double)node.replication_offset);
    }
}

#define SNAPSHOT(member) offsetof(struct snapshot_info, member)
#define WORKER(member)   offsetof(struct dataplane_worker_info, member)
#define PORT(member)     offsetof(struct dataplane_port_info, member)

static const struct source sources[METRICS_COUNT] = {
    [METRIC_build_info] = {build_info, 0},
    [METRIC_health] = {health, 0},
    [METRIC_announce_interval] = {announce_interval, 0},
    [METRIC_load] = {load, 0},
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
    [METRIC_torrents_limit] = {torrents_limit, 0},
    [METRIC_peers_limit] = {peers_limit, 0},
    [METRIC_table_fill] = {table_fill, 0},
    [METRIC_table_used_bytes] = {worker_number, WORKER(swarms.memory_used)},
    [METRIC_table_reserved_bytes] = {worker_number, WORKER(swarms.memory_reserved)},
    [METRIC_torrents_evicted] = {worker_number, WORKER(swarms.torrents_evicted)},
    [METRIC_torrents_expired] = {worker_number, WORKER(swarms.torrents_expired)},
    [METRIC_peers_refused] = {worker_number, WORKER(swarms.peers_refused)},
    [METRIC_peers_expired] = {worker_number, WORKER(swarms.peers_expired)},
    [METRIC_completed] = {worker_number, WORKER(swarms.completed)},
    [METRIC_port_info] = {port_info, 0},
    [METRIC_port_up] = {port_up, 0},
    [METRIC_port_rx_packets] = {port_number, PORT(rx_packets)},
    [METRIC_port_rx_bytes] = {port_number, PORT(rx_bytes)},
    [METRIC_port_rx_missed] = {port_number, PORT(rx_missed)},
    [METRIC_port_rx_errors] = {port_number, PORT(rx_errors)},
    [METRIC_port_rx_no_mbuf] = {port_number, PORT(rx_no_mbuf)},
    [METRIC_port_tx_packets] = {port_number, PORT(tx_packets)},
    [METRIC_port_tx_bytes] = {port_number, PORT(tx_bytes)},
    [METRIC_port_tx_errors] = {port_number, PORT(tx_errors)},
    [METRIC_port_mbufs] = {port_level, PORT(mbufs_total)},
    [METRIC_port_mbufs_free] = {port_level, PORT(mbufs_free)},
    [METRIC_access_entries] = {access_entries, 0},
    [METRIC_bans] = {bans, 0},
    [METRIC_control_clients] = {control_clients, 0},
    [METRIC_http_requests] = {http_answers, 0},
    [METRIC_jemalloc_bytes] = {jemalloc_bytes, 0},
    [METRIC_process_cpu_seconds] = {process_cpu, 0},
    [METRIC_process_resident_bytes] = {process_resident, 0},
    [METRIC_process_start_time] = {process_start, 0},
    [METRIC_process_open_fds] = {process_fds, 0},
    [METRIC_process_max_fds] = {process_fds_max, 0},
    [METRIC_store_state] = {store_state, 0},
    [METRIC_store_errors] = {store_errors, 0},
    [METRIC_store_requests] = {store_requests, 0},
    [METRIC_snapshot_passes] = {snapshot_number, SNAPSHOT(passes)},
    [METRIC_snapshot_chunks] = {snapshot_chunks, 0},
    [METRIC_snapshot_bytes] = {snapshot_number, SNAPSHOT(bytes_written)},
    [METRIC_snapshot_oldest_dirty] = {snapshot_oldest, 0},
    [METRIC_snapshot_stored_bytes] = {snapshot_number, SNAPSHOT(bytes_stored)},
    [METRIC_snapshot_stored_peers] = {snapshot_number, SNAPSHOT(peers_stored)},
    [METRIC_load_progress] = {load_progress, 0},
    [METRIC_fleet_lag] = {fleet_number, FLEET_LAG},
    [METRIC_fleet_lag_records] = {fleet_number, FLEET_LAG_RECORDS},
    [METRIC_fleet_member_alive] = {fleet_number, FLEET_ALIVE},
    [METRIC_fleet_gaps] = {fleet_number, FLEET_GAPS},
    [METRIC_fleet_published] = {fleet_published, 0},
    [METRIC_fleet_lost] = {fleet_lost, 0},
    [METRIC_fleet_waiting] = {fleet_waiting, 0},
    [METRIC_redis_replication_offset] = {redis_number, REDIS_OFFSET},
    [METRIC_redis_up] = {redis_number, REDIS_UP},
#define EVENT_SOURCE(event, help)                                                                  \
    [METRIC_EVENT_##event] = {worker_number, WORKER(counters[COUNTER_##event])},
    COUNTERS_EVENTS(EVENT_SOURCE)
#undef EVENT_SOURCE
};

void metrics_write(const struct console *console, struct evbuffer *out)
{
    observation_refresh(console->observation);
    for (enum metric_id id = 0; id < METRICS_COUNT; id++) {
        const struct metric *metric = &metric_table[id];
        const struct writer writer = {.console = console, .out = out, .metric = metric};

        evbuffer_add_printf(out, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help,
                            metric->name, metric_type_name(metric->type));
        sources[id].write(&writer, sources[id].offset);
    }
}

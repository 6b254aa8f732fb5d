/* SPDX-License-Identifier: BSD-3-Clause */
/* The appliance as a whole, and the control plane's own process. */
#include <stdio.h>

#include "../../bans.h"
#include "../console_state.h"
#include "../control_socket.h"
#include "../health.h"
#include "../http.h"
#include "../process_usage.h"
#include "sample.h"

/* The appliance ------------------------------------------------------------------------------- */

static void build_info(const struct metric_writer *writer, size_t offset)
{
    metric_sample_labelled(writer, "version", MUSTER_VERSION, 1);
}

static void health(const struct metric_writer *writer, size_t offset)
{
    char reason[256];
    enum health now = health_of(writer->console, reason, sizeof(reason));

    for (enum health status = 0; status < HEALTHS; status++)
        metric_sample_labelled(writer, "status", health_name(status), status == now);
}

static void announce_interval(const struct metric_writer *writer, size_t offset)
{
    metric_sample(writer, writer->console->controlplane->interval);
}

static void load(const struct metric_writer *writer, size_t offset)
{
    metric_sample(writer, observation_rates(writer->console->observation, 0)->load);
}

static void torrents_limit(const struct metric_writer *writer, size_t offset)
{
    metric_sample(writer, writer->console->controlplane->config.dataplane.torrents_max);
}

static void peers_limit(const struct metric_writer *writer, size_t offset)
{
    metric_sample(writer, (double)writer->console->controlplane->config.dataplane.peers_max);
}

static void table_fill(const struct metric_writer *writer, size_t offset)
{
    const struct swarms_counters *swarms =
        &observation_totals(writer->console->observation)->swarms;
    const struct dataplane_config *config = &writer->console->controlplane->config.dataplane;

    metric_sample_labelled(writer, "table", "torrents",
                           (double)(swarms->torrents[0] + swarms->torrents[1]) /
                               config->torrents_max);
    metric_sample_labelled(writer, "table", "peers",
                           (double)(swarms->peers[0] + 2 * swarms->peers[1]) /
                               (double)config->peers_max);
}

/* The control plane --------------------------------------------------------------------------- */

static void access_entries(const struct metric_writer *writer, size_t offset)
{
    const struct access_control *control = writer->console->controlplane->access;
    struct access_list_status status;

    access_list_status(access_control_list(control), &status);
    metric_sample_labelled(writer, "mode", access_control_mode_name(control),
                           (double)status.hashes);
}

static void bans(const struct metric_writer *writer, size_t offset)
{
    size_t count;

    bans_list(writer->console->controlplane->bans, &count);
    metric_sample(writer, (double)count);
}

static void control_clients(const struct metric_writer *writer, size_t offset)
{
    metric_sample(writer, control_socket_clients(writer->console->control));
}

static void http_answers(const struct metric_writer *writer, size_t offset)
{
    char number[16];

    for (enum http_code code = 0; code < HTTP_CODES && writer->console->http; code++) {
        snprintf(number, sizeof(number), "%u", http_code_number(code));
        metric_sample_labelled(writer, "code", number,
                               (double)http_requests(writer->console->http, code));
    }
}

static void jemalloc_bytes(const struct metric_writer *writer, size_t offset)
{
    struct process_heap heap;

    if (!process_heap(&heap))
        return;
    metric_sample_labelled(writer, "state", "allocated", (double)heap.allocated);
    metric_sample_labelled(writer, "state", "active", (double)heap.active);
    metric_sample_labelled(writer, "state", "resident", (double)heap.resident);
    metric_sample_labelled(writer, "state", "mapped", (double)heap.mapped);
    metric_sample_labelled(writer, "state", "retained", (double)heap.retained);
    metric_sample_labelled(writer, "state", "metadata", (double)heap.metadata);
}

static void process_cpu(const struct metric_writer *writer, size_t offset)
{
    metric_sample(writer, process_cpu_seconds());
}

static void process_resident(const struct metric_writer *writer, size_t offset)
{
    metric_sample(writer, (double)process_resident_bytes());
}

static void process_start(const struct metric_writer *writer, size_t offset)
{
    metric_sample(writer, (double)writer->console->controlplane->started);
}

static void process_fds(const struct metric_writer *writer, size_t offset)
{
    int open = process_open_fds();

    if (open >= 0)
        metric_sample(writer, open);
}

static void process_fds_max(const struct metric_writer *writer, size_t offset)
{
    metric_sample(writer, (double)process_max_fds());
}

const struct metric_source metric_sources_control[METRICS_COUNT] = {
    [METRIC_build_info] = {build_info, 0},
    [METRIC_health] = {health, 0},
    [METRIC_announce_interval] = {announce_interval, 0},
    [METRIC_load] = {load, 0},
    [METRIC_torrents_limit] = {torrents_limit, 0},
    [METRIC_peers_limit] = {peers_limit, 0},
    [METRIC_table_fill] = {table_fill, 0},
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
};

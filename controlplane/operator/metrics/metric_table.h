/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every metric, declared once: what Prometheus is told and docs/metrics.md are made from this
 * table. Names follow https://prometheus.io/docs/practices/naming/.
 *
 * To add one: a name in METRICS, a row in metric_table.c, a source in one of the files beside it.
 * The counters of dataplane/counters.h are metrics by themselves.
 */
#pragma once

#include "../../../dataplane/counters.h"

#define METRICS(X)                                                                                 \
    X(build_info)                                                                                  \
    X(health)                                                                                      \
    X(announce_interval)                                                                           \
    X(load)                                                                                        \
    X(worker_info)                                                                                 \
    X(worker_alive)                                                                                \
    X(worker_busy_seconds)                                                                         \
    X(worker_seconds)                                                                              \
    X(burst_packets)                                                                               \
    X(service_seconds)                                                                             \
    X(drops)                                                                                       \
    X(xdp_packets)                                                                                 \
    X(torrents)                                                                                    \
    X(peers)                                                                                       \
    X(seeders)                                                                                     \
    X(torrents_limit)                                                                              \
    X(peers_limit)                                                                                 \
    X(table_fill)                                                                                  \
    X(table_used_bytes)                                                                            \
    X(table_reserved_bytes)                                                                        \
    X(torrents_evicted)                                                                            \
    X(torrents_expired)                                                                            \
    X(peers_refused)                                                                               \
    X(peers_expired)                                                                               \
    X(completed)                                                                                   \
    X(port_info)                                                                                   \
    X(port_up)                                                                                     \
    X(port_gone)                                                                                   \
    X(port_rx_packets)                                                                             \
    X(port_rx_bytes)                                                                               \
    X(port_rx_missed)                                                                              \
    X(port_rx_errors)                                                                              \
    X(port_rx_no_mbuf)                                                                             \
    X(port_tx_packets)                                                                             \
    X(port_tx_bytes)                                                                               \
    X(port_tx_errors)                                                                              \
    X(port_mbufs)                                                                                  \
    X(port_mbufs_free)                                                                             \
    X(access_entries)                                                                              \
    X(bans)                                                                                        \
    X(control_clients)                                                                             \
    X(http_requests)                                                                               \
    X(jemalloc_bytes)                                                                              \
    X(process_cpu_seconds)                                                                         \
    X(process_resident_bytes)                                                                      \
    X(process_start_time)                                                                          \
    X(process_open_fds)                                                                            \
    X(process_max_fds)                                                                             \
    X(store_state)                                                                                 \
    X(store_errors)                                                                                \
    X(store_requests)                                                                              \
    X(snapshot_passes)                                                                             \
    X(snapshot_chunks)                                                                             \
    X(snapshot_bytes)                                                                              \
    X(snapshot_oldest_dirty)                                                                       \
    X(snapshot_stored_bytes)                                                                       \
    X(snapshot_stored_peers)                                                                       \
    X(load_progress)                                                                               \
    X(fleet_lag)                                                                                   \
    X(fleet_lag_records)                                                                           \
    X(fleet_member_alive)                                                                          \
    X(fleet_gaps)                                                                                  \
    X(fleet_resyncs)                                                                               \
    X(fleet_published)                                                                             \
    X(fleet_lost)                                                                                  \
    X(fleet_waiting)                                                                               \
    X(redis_replication_offset)                                                                    \
    X(redis_up)                                                                                    \
    X(redis_errors)

enum metric_id {
#define METRIC_ID(name) METRIC_##name,
    METRICS(METRIC_ID)
#undef METRIC_ID
/* A metric for each of a worker's counters that isn't a drop, muster_<name>_total. */
#define METRIC_EVENT_ID(name, help) METRIC_EVENT_##name,
        COUNTERS_EVENTS(METRIC_EVENT_ID)
#undef METRIC_EVENT_ID
            METRICS_COUNT,
    METRIC_EVENTS_FIRST = METRIC_EVENT_received,
};

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric {
    const char *name;
    enum metric_type type;
    const char *unit;   /* "" for a plain number */
    const char *labels; /* "worker, family"; "" none */
    const char *help;
};

extern const struct metric metric_table[METRICS_COUNT];

/* "counter", "gauge", "histogram" */
const char *metric_type_name(enum metric_type type);

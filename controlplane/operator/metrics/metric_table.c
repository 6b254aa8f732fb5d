/* SPDX-License-Identifier: BSD-3-Clause */
#include "metric_table.h"

#define COUNTER(the_name, the_unit, the_labels, the_help)                                          \
    {                                                                                              \
        .name = (the_name), .type = METRIC_COUNTER, .unit = (the_unit), .labels = (the_labels),    \
        .help = (the_help)                                                                         \
    }
#define GAUGE(the_name, the_unit, the_labels, the_help)                                            \
    {                                                                                              \
        .name = (the_name), .type = METRIC_GAUGE, .unit = (the_unit), .labels = (the_labels),      \
        .help = (the_help)                                                                         \
    }
#define HISTOGRAM(the_name, the_unit, the_labels, the_help)                                        \
    {                                                                                              \
        .name = (the_name), .type = METRIC_HISTOGRAM, .unit = (the_unit), .labels = (the_labels),  \
        .help = (the_help)                                                                         \
    }

/* clang-format off */
const struct metric metric_table[METRICS_COUNT] = {
    [METRIC_build_info] = GAUGE("muster_build_info", "", "version",
        "Always 1; the label says which version runs."),
    [METRIC_health] = GAUGE("muster_health", "", "status",
        "1 for what /healthz says: ok, draining or failing; 0 for the others."),
    [METRIC_announce_interval] = GAUGE("muster_announce_interval_seconds", "seconds", "",
        "What clients are told to wait, stretched by load."),
    [METRIC_load] = GAUGE("muster_load_ratio", "share", "",
        "Share of the last second that the busiest worker spent at work."),

    [METRIC_worker_info] = GAUGE("muster_worker_info", "", "worker, core, numa_node",
        "Always 1; the labels say where a worker runs."),
    [METRIC_worker_alive] = GAUGE("muster_worker_alive", "", "worker",
        "1 when the worker went through its loop in the last 3 seconds."),
    [METRIC_worker_busy_seconds] = COUNTER("muster_worker_busy_seconds_total", "seconds", "worker",
        "Time that a worker spent on bursts that held packets, and on housekeeping."),
    [METRIC_worker_seconds] = COUNTER("muster_worker_seconds_total", "seconds", "worker",
        "Time that a worker has run. Busy seconds over these is its load."),
    [METRIC_burst_packets] = HISTOGRAM("muster_burst_packets", "packets", "worker",
        "Packets handled together: received, or handed over by other workers. Near the top for "
        "long: the worker is at its limit."),
    [METRIC_service_seconds] = HISTOGRAM("muster_burst_service_seconds", "seconds", "worker",
        "Time from receiving a burst to sending its replies."),
    [METRIC_drops] = COUNTER("muster_drops_total", "packets", "worker, reason",
        "Packets that got no answer from a worker, by reason."),
    [METRIC_xdp_packets] = COUNTER("muster_xdp_packets_total", "packets", "verdict",
        "Packets by what the XDP program did with them; nothing where XDP doesn't steer. "
        "would_limit counts besides the others."),

    [METRIC_torrents] = GAUGE("muster_torrents", "swarms", "worker, family",
        "Swarms in a worker's table. A torrent has one for IPv4 and one for IPv6."),
    [METRIC_peers] = GAUGE("muster_peers", "peers", "worker, family",
        "Peers in a worker's table."),
    [METRIC_seeders] = GAUGE("muster_seeders", "peers", "worker, family",
        "Peers that have all of their torrent."),
    [METRIC_torrents_limit] = GAUGE("muster_torrents_limit", "swarms", "",
        "The cap on swarms, memory.torrents."),
    [METRIC_peers_limit] = GAUGE("muster_peers_limit", "peers", "",
        "The cap on peers, memory.peers; an IPv6 peer counts as two."),
    [METRIC_table_fill] = GAUGE("muster_table_fill_ratio", "share", "table",
        "How full the tables are against their caps: torrents, peers."),
    [METRIC_table_used_bytes] = GAUGE("muster_table_used_bytes", "bytes", "worker",
        "Memory of a worker's table that is in use."),
    [METRIC_table_reserved_bytes] = GAUGE("muster_table_reserved_bytes", "bytes", "worker",
        "Memory reserved for a worker's table at start; it never grows."),
    [METRIC_torrents_evicted] = COUNTER("muster_torrents_evicted_total", "swarms", "worker",
        "Swarms that had to go for a new one at the cap."),
    [METRIC_torrents_expired] = COUNTER("muster_torrents_expired_total", "swarms", "worker",
        "Swarms that were without peers for tracker.torrent_timeout."),
    [METRIC_peers_refused] = COUNTER("muster_peers_refused_total", "peers", "worker",
        "Peers that were answered but not stored, at the cap."),
    [METRIC_peers_expired] = COUNTER("muster_peers_expired_total", "peers", "worker",
        "Peers that didn't announce for tracker.peer_timeout."),
    [METRIC_completed] = COUNTER("muster_completed_total", "downloads", "worker",
        "Downloads that clients said they completed."),

    [METRIC_port_info] = GAUGE("muster_port_info", "", "port, driver, queues, mtu",
        "Always 1; the labels say what the port is."),
    [METRIC_port_up] = GAUGE("muster_port_up", "", "port",
        "1 when the link is up."),
    [METRIC_port_gone] = GAUGE("muster_port_gone", "", "port",
        "1 when its device was taken away; only a restart takes another of that name."),
    [METRIC_port_rx_packets] = COUNTER("muster_port_receive_packets_total", "packets", "port",
        "Packets that the port received."),
    [METRIC_port_rx_bytes] = COUNTER("muster_port_receive_bytes_total", "bytes", "port",
        "Bytes that the port received."),
    [METRIC_port_rx_missed] = COUNTER("muster_port_receive_missed_total", "packets", "port",
        "Packets that the NIC dropped because its ring was full: workers too slow or too few."),
    [METRIC_port_rx_errors] = COUNTER("muster_port_receive_errors_total", "packets", "port",
        "Packets that came damaged."),
    [METRIC_port_rx_no_mbuf] = COUNTER("muster_port_receive_no_mbuf_total", "packets", "port",
        "Packets lost because there was no free buffer to receive them into."),
    [METRIC_port_tx_packets] = COUNTER("muster_port_transmit_packets_total", "packets", "port",
        "Packets that the port sent."),
    [METRIC_port_tx_bytes] = COUNTER("muster_port_transmit_bytes_total", "bytes", "port",
        "Bytes that the port sent."),
    [METRIC_port_tx_errors] = COUNTER("muster_port_transmit_errors_total", "packets", "port",
        "Packets that the port failed to send."),
    [METRIC_port_mbufs] = GAUGE("muster_port_mbufs", "buffers", "port",
        "Packet buffers that the port has."),
    [METRIC_port_mbufs_free] = GAUGE("muster_port_mbufs_free", "buffers", "port",
        "Packet buffers that are free. Near zero: packets are about to be lost."),

    [METRIC_access_entries] = GAUGE("muster_access_list_entries", "info-hashes", "mode",
        "Info-hashes on the access list; the label says what the list means."),
    [METRIC_bans] = GAUGE("muster_bans", "prefixes", "",
        "Prefixes that are banned."),
    [METRIC_control_clients] = GAUGE("muster_control_clients", "clients", "",
        "Clients connected to the control socket."),
    [METRIC_http_requests] = COUNTER("muster_http_requests_total", "requests", "code",
        "Answers given over HTTP, by status."),
    [METRIC_jemalloc_bytes] = GAUGE("muster_jemalloc_bytes", "bytes", "state",
        "The control plane's heap: allocated by the program, active in pages, resident in "
        "memory, mapped, retained from the system, metadata of the allocator."),
    [METRIC_process_cpu_seconds] = COUNTER("process_cpu_seconds_total", "seconds", "",
        "User and system time of all threads."),
    [METRIC_process_resident_bytes] = GAUGE("process_resident_memory_bytes", "bytes", "",
        "Resident memory; huge pages aren't in it."),
    [METRIC_process_start_time] = GAUGE("process_start_time_seconds", "seconds", "",
        "When the process started, since the Unix epoch."),
    [METRIC_process_open_fds] = GAUGE("process_open_fds", "descriptors", "",
        "Open file descriptors."),
    [METRIC_process_max_fds] = GAUGE("process_max_fds", "descriptors", "",
        "File descriptors that may be open."),

    [METRIC_store_state] = GAUGE("muster_store_state", "", "state",
        "1 for what the store is doing: waiting for the fleet, loading at start, serving; 0 for the others."),
    [METRIC_store_errors] = COUNTER("muster_store_errors_total", "requests", "operation",
        "Requests that the store refused or could not answer: write, read."),
    [METRIC_store_requests] = COUNTER("muster_store_chunks_total", "chunks", "operation",
        "Chunks that the store took or gave: write, read."),
    [METRIC_snapshot_passes] = COUNTER("muster_snapshot_passes_total", "passes", "",
        "Times that all tables were gone through."),
    [METRIC_snapshot_chunks] = COUNTER("muster_snapshot_chunks_total", "chunks", "outcome",
        "Chunks by what became of them: written, unchanged, failed."),
    [METRIC_snapshot_bytes] = COUNTER("muster_snapshot_written_bytes_total", "bytes", "",
        "Bytes of chunks written to the store."),
    [METRIC_snapshot_oldest_dirty] = GAUGE("muster_snapshot_oldest_dirty_seconds", "seconds", "",
        "Time since that chunk was stored which has waited longest."),
    [METRIC_snapshot_stored_bytes] = GAUGE("muster_snapshot_stored_bytes", "bytes", "",
        "Size of this appliance's chunks in the store."),
    [METRIC_snapshot_stored_peers] = GAUGE("muster_snapshot_stored_peers", "peers", "",
        "Peers in this appliance's chunks in the store."),
    [METRIC_load_progress] = GAUGE("muster_load_progress_ratio", "share", "",
        "How much of what is stored has been loaded since the start; 1: all of it."),
    [METRIC_fleet_lag] = GAUGE("muster_fleet_lag_seconds", "seconds", "appliance",
        "How far we are behind what another appliance has told of."),
    [METRIC_fleet_lag_records] = GAUGE("muster_fleet_lag_records", "announces", "appliance",
        "Announces that another appliance has told of and that we haven't read."),
    [METRIC_fleet_member_alive] = GAUGE("muster_fleet_member_alive", "", "appliance",
        "1 when another appliance of the fleet gives signs of life."),
    [METRIC_fleet_gaps] = COUNTER("muster_fleet_gaps_total", "gaps", "appliance",
        "Gaps in what another appliance told; each is closed from its snapshot."),
    [METRIC_fleet_resyncs] = COUNTER("muster_fleet_resyncs_total", "resyncs", "",
        "Snapshots of other appliances read to close gaps."),
    [METRIC_fleet_published] = COUNTER("muster_fleet_published_total", "announces", "",
        "Announces told to the fleet."),
    [METRIC_fleet_lost] = COUNTER("muster_fleet_lost_total", "announces", "where",
        "Announces that the fleet learns of from snapshots only: ring, they came faster than Redis takes them; waiting, Redis was away for too long."),
    [METRIC_fleet_waiting] = GAUGE("muster_fleet_waiting_bytes", "bytes", "",
        "Memory of what waits to be told to the fleet; at most 32 MiB."),
    [METRIC_redis_replication_offset] = GAUGE("muster_redis_replication_offset_bytes", "bytes", "node",
        "Replication offset of a Redis node."),
    [METRIC_redis_up] = GAUGE("muster_redis_up", "", "node",
        "1 when a Redis node that serves slots is connected."),
    [METRIC_redis_errors] = COUNTER("muster_redis_errors_total", "errors", "kind",
        "What went wrong with Redis. With a connection: connect, closed, timeout, protocol. As a node answered: "
        "moved, ask, tryagain, clusterdown, loading, masterdown, readonly, busy, oom, misconf, noreplicas, noauth, "
        "wrongpass, noperm, wrongtype, other. Some of moved and ask are a cluster's daily life."),

#define EVENT_ROW(event, event_help)                                                               \
    [METRIC_EVENT_##event] =                                                                       \
        COUNTER("muster_" #event "_total", "", "worker", "Counter of a worker: " event_help "."),
    COUNTERS_EVENTS(EVENT_ROW)
#undef EVENT_ROW
};
/* clang-format on */

const char *metric_type_name(enum metric_type type)
{
    static const char *const names[] = {"counter", "gauge", "histogram"};

    return names[type];
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* What outlives the process and what is shared: store, fleet, Redis. Nothing where there is none.
 */
#include <stdio.h>

#include "../../persistence.h"
#include "../console_state.h"
#include "sample.h"

/* The store ----------------------------------------------------------------------------------- */

/* False where nothing is kept. */
static bool persistence_of(const struct metric_writer *writer, struct persistence_info *info)
{
    const struct persistence *persistence = writer->console->controlplane->persistence;

    if (persistence)
        persistence_info(persistence, info);
    return persistence != NULL;
}

static void store_state(const struct metric_writer *writer, size_t offset)
{
    static const char *const states[] = {"waiting", "loading", "serving", "stopped"};
    struct persistence_info info;

    if (!persistence_of(writer, &info))
        return;
    for (unsigned state = PERSISTENCE_WAITING; state <= PERSISTENCE_SERVING; state++)
        metric_sample_labelled(writer, "state", states[state], state == (unsigned)info.state);
}

static void store_errors(const struct metric_writer *writer, size_t offset)
{
    struct persistence_info info;

    if (!persistence_of(writer, &info))
        return;
    metric_sample_labelled(writer, "operation", "write", (double)info.store.write_errors);
    metric_sample_labelled(writer, "operation", "read", (double)info.store.read_errors);
}

static void store_requests(const struct metric_writer *writer, size_t offset)
{
    struct persistence_info info;

    if (!persistence_of(writer, &info))
        return;
    metric_sample_labelled(writer, "operation", "write", (double)info.store.chunks_written);
    metric_sample_labelled(writer, "operation", "read", (double)info.store.chunks_read);
}

static void snapshot_chunks(const struct metric_writer *writer, size_t offset)
{
    struct persistence_info info;

    if (!persistence_of(writer, &info))
        return;
    metric_sample_labelled(writer, "outcome", "written", (double)info.snapshot.chunks_written);
    metric_sample_labelled(writer, "outcome", "unchanged", (double)info.snapshot.chunks_unchanged);
    metric_sample_labelled(writer, "outcome", "failed", (double)info.snapshot.chunks_failed);
}

static void snapshot_number(const struct metric_writer *writer, size_t offset)
{
    struct persistence_info info;

    if (persistence_of(writer, &info))
        metric_sample(writer, (double)*(const uint64_t *)((const char *)&info.snapshot + offset));
}

static void snapshot_oldest(const struct metric_writer *writer, size_t offset)
{
    struct persistence_info info;

    if (persistence_of(writer, &info))
        metric_sample(writer, info.snapshot.oldest_dirty);
}

static void load_progress(const struct metric_writer *writer, size_t offset)
{
    struct persistence_info info;

    if (persistence_of(writer, &info))
        metric_sample(writer, info.progress);
}

/* The fleet ----------------------------------------------------------------------------------- */

static const struct fleet *fleet_of(const struct metric_writer *writer)
{
    const struct persistence *persistence = writer->console->controlplane->persistence;

    return persistence ? persistence_fleet(persistence) : NULL;
}

enum fleet_number { FLEET_LAG, FLEET_LAG_RECORDS, FLEET_ALIVE, FLEET_GAPS };

static void fleet_number(const struct metric_writer *writer, size_t number)
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
        metric_sample_labelled(writer, "appliance", name, values[number]);
    }
}

static void fleet_resyncs(const struct metric_writer *writer, size_t offset)
{
    struct fleet_info info;

    if (!fleet_of(writer))
        return;
    fleet_info(fleet_of(writer), &info);
    metric_sample(writer, (double)info.resyncs);
}

static void fleet_published(const struct metric_writer *writer, size_t offset)
{
    struct fleet_info info;

    if (!fleet_of(writer))
        return;
    fleet_info(fleet_of(writer), &info);
    metric_sample(writer, (double)info.publisher.records);
}

static void fleet_lost(const struct metric_writer *writer, size_t offset)
{
    struct fleet_info info;

    if (!fleet_of(writer))
        return;
    fleet_info(fleet_of(writer), &info);
    metric_sample_labelled(writer, "where", "ring", (double)info.publisher.lost_in_ring);
    metric_sample_labelled(writer, "where", "waiting", (double)info.publisher.lost_waiting);
}

static void fleet_waiting(const struct metric_writer *writer, size_t offset)
{
    struct fleet_info info;

    if (!fleet_of(writer))
        return;
    fleet_info(fleet_of(writer), &info);
    metric_sample(writer, (double)info.publisher.waiting_bytes);
}

/* Redis --------------------------------------------------------------------------------------- */

static const struct redis_cluster *redis_of(const struct metric_writer *writer)
{
    const struct persistence *persistence = writer->console->controlplane->persistence;

    return persistence ? persistence_redis(persistence) : NULL;
}

static void redis_errors(const struct metric_writer *writer, size_t offset)
{
    struct redis_cluster_info info;

    if (!redis_of(writer))
        return;
    redis_cluster_info(redis_of(writer), &info);
    for (unsigned kind = REDIS_ERROR_none + 1; kind < REDIS_ERROR_KINDS; kind++)
        metric_sample_labelled(writer, "kind", redis_error_name((enum redis_error)kind),
                               (double)info.errors[kind]);
}

enum redis_number { REDIS_OFFSET, REDIS_UP };

static void redis_number(const struct metric_writer *writer, size_t number)
{
    const struct redis_cluster *redis = redis_of(writer);
    struct redis_node_info node;

    for (unsigned i = 0; redis && redis_cluster_node_info(redis, i, &node); i++) {
        char address[REDIS_HOST_SIZE + 16], escaped[600];

        if (node.slots == 0)
            continue;
        snprintf(address, sizeof(address), "%s:%u", node.address.host, node.address.port);
        metric_escape(address, escaped, sizeof(escaped));
        metric_sample_labelled(writer, "node", escaped,
                               number == REDIS_UP ? node.state == REDIS_NODE_READY
                                                  : (double)node.replication_offset);
    }
}

#define SNAPSHOT(member) offsetof(struct snapshot_info, member)

const struct metric_source metric_sources_store[METRICS_COUNT] = {
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
    [METRIC_fleet_resyncs] = {fleet_resyncs, 0},
    [METRIC_fleet_published] = {fleet_published, 0},
    [METRIC_fleet_lost] = {fleet_lost, 0},
    [METRIC_fleet_waiting] = {fleet_waiting, 0},
    [METRIC_redis_replication_offset] = {redis_number, REDIS_OFFSET},
    [METRIC_redis_up] = {redis_number, REDIS_UP},
    [METRIC_redis_errors] = {redis_errors, 0},
};

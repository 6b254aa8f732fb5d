/* SPDX-License-Identifier: BSD-3-Clause */
/* store, fleet, snapshot */
#include <errno.h>

#include "../../persistence.h"
#include "commands.h"

static const char *const state_names[] = {"waiting", "loading", "serving", "stopped"};

/* Ends the call and returns NULL where nothing is kept. */
static struct persistence *persistence_of(struct call *call)
{
    struct persistence *persistence = command_controlplane(call)->persistence;

    if (!persistence)
        call_error(call, JSON_RPC_UNAVAILABLE, "set store.type to file or redis, and restart",
                   "nothing is stored: store.type is none");
    return persistence;
}

/* Store ---------------------------------------------------------------------------------------- */

static json_t *view_loading(const struct persistence_info *info)
{
    const struct loader_info *loaded = &info->loaded;
    json_t *chunks = json_object();

    for (unsigned kind = 0; kind < LOADER_CHUNK_KINDS; kind++)
        json_object_set_new(chunks, loader_chunk_name((enum loader_chunk)kind),
                            json_integer((json_int_t)loaded->chunks[kind]));
    return json_pack("{s:f, s:f, s:I, s:I, s:f, s:I, s:I, s:I, s:o}", "progress", info->progress,
                     "seconds", info->seconds, "peers", (json_int_t)loaded->peers, "swarms",
                     (json_int_t)loaded->swarms, "peers_per_second",
                     info->seconds > 0 ? (double)loaded->peers / info->seconds : 0.0,
                     "peers_expired", (json_int_t)loaded->peers_expired, "peers_stopped",
                     (json_int_t)loaded->peers_dead, "chunks_unread",
                     (json_int_t)info->chunks_unread, "chunks", chunks);
}

static json_t *view_snapshot(const struct snapshot_info *snapshot)
{
    double peers = (double)snapshot->peers_stored;

    return json_pack(
        "{s:f, s:I, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:I, s:I}", "progress",
        snapshot->progress, "passes", (json_int_t)snapshot->passes, "pass_seconds",
        snapshot->last_pass_seconds, "chunks_written", (json_int_t)snapshot->chunks_written,
        "chunks_unchanged", (json_int_t)snapshot->chunks_unchanged, "chunks_failed",
        (json_int_t)snapshot->chunks_failed, "chunks_newer", (json_int_t)snapshot->chunks_newer,
        "peers", (json_int_t)snapshot->peers_stored, "bytes", (json_int_t)snapshot->bytes_stored,
        "bytes_per_peer", peers > 0 ? (double)snapshot->bytes_stored / peers : 0.0,
        "oldest_dirty_seconds", (json_int_t)snapshot->oldest_dirty, "doubts",
        (json_int_t)snapshot->doubts);
}

/* How many of each kind; *all is their sum. */
static json_t *view_errors(const uint64_t errors[REDIS_ERROR_KINDS], json_int_t *all)
{
    json_t *kinds = json_object();

    *all = 0;
    for (unsigned kind = REDIS_ERROR_none + 1; kind < REDIS_ERROR_KINDS; kind++) {
        json_int_t count = (json_int_t)errors[kind];

        if (count > 0)
            json_object_set_new(kinds, redis_error_name((enum redis_error)kind),
                                json_integer(count));
        *all += count;
    }
    return kinds;
}

static json_t *view_node(const struct redis_node_info *node)
{
    static const char *const states[] = {"idle", "connecting", "ready", "resting"};
    static const char *const roles[] = {"unknown", "master", "replica"};
    json_int_t errors;
    json_t *kinds = view_errors(node->errors, &errors);
    char address[REDIS_HOST_SIZE + 16];

    snprintf(address, sizeof(address), "%s:%u", node->address.host, node->address.port);
    return json_pack(
        "{s:s, s:s, s:s, s:I, s:I, s:I, s:o, s:s, s:I, s:I, s:I, s:I, s:I}", "address", address,
        "state", states[node->state], "role", roles[node->role], "slots", (json_int_t)node->slots,
        "commands", (json_int_t)node->commands, "errors", errors, "error_kinds", kinds,
        "last_error", node->last_text, "restarts", (json_int_t)node->restarts, "replication_offset",
        (json_int_t)node->replication_offset, "replication_lag_bytes",
        (json_int_t)node->replication_lag, "memory_used", (json_int_t)node->memory_used,
        "round_trip_us", (json_int_t)node->round_trip_us);
}

static json_t *view_nodes(const struct redis_cluster *redis)
{
    json_t *nodes = json_array();
    struct redis_node_info node;

    for (unsigned i = 0; redis && redis_cluster_node_info(redis, i, &node); i++)
        json_array_append_new(nodes, view_node(&node));
    return nodes;
}

/* Of all nodes, also those that have left. */
static json_t *view_all_errors(const struct redis_cluster *redis)
{
    struct redis_cluster_info info;
    json_int_t all;

    if (!redis)
        return json_null();
    redis_cluster_info(redis, &info);
    return view_errors(info.errors, &all);
}

static json_t *view_slots(const struct redis_cluster *redis)
{
    struct redis_cluster_info info;

    if (!redis)
        return json_null();
    redis_cluster_info(redis, &info);
    return json_pack("{s:I, s:I, s:I, s:I}", "served", (json_int_t)info.slots_served, "reachable",
                     (json_int_t)info.slots_reachable, "redirects", (json_int_t)info.redirects,
                     "retries", (json_int_t)info.retries);
}

void command_store(struct call *call)
{
    const struct persistence *persistence = persistence_of(call);
    const struct redis_cluster *redis;
    struct persistence_info info;

    if (!persistence)
        return;
    persistence_info(persistence, &info);
    redis = persistence_redis(persistence);
    call_result(call,
                json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o}", "kind", info.store.kind,
                          "place", info.store.place, "state", state_names[info.state], "last_error",
                          info.store.last_error, "loading", view_loading(&info), "snapshot",
                          view_snapshot(&info.snapshot), "slots", view_slots(redis), "error_kinds",
                          view_all_errors(redis), "nodes", view_nodes(redis)));
}

/* Fleet ---------------------------------------------------------------------------------------- */

static json_t *view_member(const struct fleet_member_info *member)
{
    static const char *const healths[] = {"unknown", "alive", "silent", "left"};
    const struct subscriber_info *stream = &member->stream;

    return json_pack("{s:I, s:s, s:s, s:f, s:I, s:f, s:I, s:I, s:I, s:b, s:I, s:I, s:I}",
                     "appliance", (json_int_t)member->number, "name", member->name, "state",
                     healths[member->health], "lag_seconds", stream->lag_ms / 1000.0, "lag_records",
                     (json_int_t)stream->lag_records, "clock_ahead_seconds",
                     (double)member->clock_ahead_ms / 1000.0, "peers", (json_int_t)member->peers,
                     "records", (json_int_t)stream->records, "gaps", (json_int_t)stream->gaps,
                     "resync_due", member->resync_due, "errors", (json_int_t)stream->errors,
                     "unreadable", (json_int_t)(stream->unreadable + member->unreadable_records),
                     "epoch", (json_int_t)member->epoch);
}

void command_fleet(struct call *call)
{
    static const char *const states[] = {"looking", "listening", "loading", "serving",
                                         "superseded"};
    const struct persistence *persistence = persistence_of(call);
    const struct fleet *fleet = persistence ? persistence_fleet(persistence) : NULL;
    json_t *members = NULL;
    struct fleet_member_info member;
    struct fleet_info info;

    if (!persistence)
        return;
    if (!fleet) {
        call_error(call, JSON_RPC_UNAVAILABLE, "set fleet.enabled, and restart",
                   "this appliance is in no fleet");
        return;
    }
    members = json_array();
    for (unsigned number = 0; number < MEMBERS_MAX; number++) {
        if (fleet_member_info(fleet, number, &member))
            json_array_append_new(members, view_member(&member));
    }
    fleet_info(fleet, &info);
    call_result(call,
                json_pack("{s:I, s:s, s:I, s:I, s:I, s:I, s:s, s:o}", "number",
                          (json_int_t)info.self, "state", states[info.state], "published",
                          (json_int_t)info.publisher.records, "waiting",
                          (json_int_t)info.publisher.waiting, "lost",
                          (json_int_t)(info.publisher.lost_in_ring + info.publisher.lost_waiting),
                          "resyncs", (json_int_t)info.resyncs, "last_error",
                          info.publisher.last_error, "members", members));
}

/* Snapshot ------------------------------------------------------------------------------------- */

void command_snapshot(struct call *call)
{
    struct persistence *persistence = persistence_of(call);
    int error = persistence ? persistence_snapshot(persistence, NULL, NULL) : 0;

    if (!persistence)
        return;
    if (error == -EBUSY)
        call_error(call, JSON_RPC_UNAVAILABLE, "`store` shows how far it is",
                   "what is stored is still being loaded");
    else if (error)
        call_error(call, JSON_RPC_REFUSED, NULL, "out of memory");
    else
        call_result(call, json_pack("{s:b}", "started", 1));
}

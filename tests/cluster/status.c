/* SPDX-License-Identifier: BSD-3-Clause */
/* What the drills' appliance tells of itself. */
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>

#include "appliance.h"

void answer(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    fflush(stdout);
}

static double cpu_seconds(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static long resident_kib(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    long size = 0, resident = 0;

    if (file) {
        if (fscanf(file, "%ld %ld", &size, &resident) != 2)
            resident = 0;
        fclose(file);
    }
    return resident * 4;
}

static void print_persistence(const struct persistence_info *info)
{
    static const char *const states[] = {"waiting", "loading", "serving", "stopped"};

    printf("\"state\": \"%s\", \"progress\": %.3f, \"load_seconds\": %.3f, \"sources\": %u, "
           "\"loaded_peers\": %llu, \"loaded_expired\": %llu, \"loaded_dead\": %llu, "
           "\"chunks_unread\": %u, ",
           states[info->state], info->progress, info->seconds, info->sources,
           (unsigned long long)info->loaded.peers, (unsigned long long)info->loaded.peers_expired,
           (unsigned long long)info->loaded.peers_dead, info->chunks_unread);
    for (unsigned kind = 0; kind < LOADER_CHUNK_KINDS; kind++)
        printf("\"chunks_%s\": %llu, ", loader_chunk_name((enum loader_chunk)kind),
               (unsigned long long)info->loaded.chunks[kind]);
    printf("\"passes\": %llu, \"written\": %llu, \"unchanged\": %llu, \"failed\": %llu, "
           "\"bytes_written\": %llu, \"stored_peers\": %llu, \"stored_bytes\": %llu, "
           "\"newer_kept\": %u, \"oldest_dirty\": %u, \"doubts\": %llu, \"pass_seconds\": %.2f, "
           "\"store_error\": \"%s\", ",
           (unsigned long long)info->snapshot.passes,
           (unsigned long long)info->snapshot.chunks_written,
           (unsigned long long)info->snapshot.chunks_unchanged,
           (unsigned long long)info->snapshot.chunks_failed,
           (unsigned long long)info->snapshot.bytes_written,
           (unsigned long long)info->snapshot.peers_stored,
           (unsigned long long)info->snapshot.bytes_stored, info->snapshot.chunks_newer,
           info->snapshot.oldest_dirty, (unsigned long long)info->snapshot.doubts,
           info->snapshot.last_pass_seconds, info->store.last_error);
}

static void print_errors(const struct redis_node_info *node)
{
    bool first = true;

    for (unsigned kind = 0; kind < REDIS_ERROR_KINDS; kind++) {
        if (node->errors[kind] == 0)
            continue;
        printf("%s\"%s\": %llu", first ? "" : ", ", redis_error_name((enum redis_error)kind),
               (unsigned long long)node->errors[kind]);
        first = false;
    }
}

static void print_redis(const struct persistence *persistence)
{
    const struct redis_cluster *redis = persistence_redis(persistence);
    struct redis_cluster_info info;
    struct redis_node_info node;

    if (!redis)
        return;
    redis_cluster_info(redis, &info);
    printf("\"redis\": {\"retries\": %llu, \"redirects\": %llu, \"expired\": %llu, "
           "\"slots_served\": %u, \"slots_reachable\": %u, \"under_way\": %u, \"nodes\": [",
           (unsigned long long)info.retries, (unsigned long long)info.redirects,
           (unsigned long long)info.expired, info.slots_served, info.slots_reachable,
           info.under_way);
    for (unsigned i = 0; redis_cluster_node_info(redis, i, &node); i++) {
        printf("%s{\"port\": %u, \"state\": %d, \"slots\": %u, \"restarts\": %llu, "
               "\"last_error\": \"%s\", \"lag\": %llu, \"errors\": {",
               i ? ", " : "", node.address.port, node.state, node.slots,
               (unsigned long long)node.restarts, redis_error_name(node.last_error),
               (unsigned long long)node.replication_lag);
        print_errors(&node);
        printf("}}");
    }
    printf("]}, ");
}

static void print_member(const struct fleet_member_info *member)
{
    printf("\"%u\": {\"health\": %d, \"state\": %d, \"ahead_ms\": %lld, \"peers\": %llu, "
           "\"records\": %llu, \"stopped\": %llu, \"gaps\": %llu, \"duplicates\": %llu, "
           "\"dead\": %llu, \"expired\": %llu, \"unreadable\": %llu, \"errors\": %llu, "
           "\"lag_records\": %llu, \"lag_ms\": %u, \"resync_due\": %s}",
           member->number, member->health, member->state, (long long)member->clock_ahead_ms,
           (unsigned long long)member->peers, (unsigned long long)member->stream.records,
           (unsigned long long)member->stream.stopped, (unsigned long long)member->stream.gaps,
           (unsigned long long)member->stream.duplicates, (unsigned long long)member->stream.dead,
           (unsigned long long)member->stream.expired,
           (unsigned long long)member->stream.unreadable + member->unreadable_records,
           (unsigned long long)member->stream.errors,
           (unsigned long long)member->stream.lag_records, member->stream.lag_ms,
           member->resync_due ? "true" : "false");
}

static void print_fleet(const struct persistence *persistence)
{
    static const char *const states[] = {"looking", "listening", "loading", "serving",
                                         "superseded"};
    const struct fleet *fleet = persistence_fleet(persistence);
    struct fleet_member_info member;
    struct fleet_info info;
    bool first = true;

    if (!fleet)
        return;
    fleet_info(fleet, &info);
    printf("\"fleet\": {\"state\": \"%s\", \"alive\": %u, \"lag_ms\": %u, \"resyncs\": %llu, "
           "\"published\": %llu, \"lost_in_ring\": %llu, \"lost_waiting\": %llu, "
           "\"waiting\": %u, \"waiting_bytes\": %zu, \"bumps\": %llu, \"publish_error\": \"%s\", "
           "\"members\": {",
           states[info.state], info.members_alive, info.lag_ms, (unsigned long long)info.resyncs,
           (unsigned long long)info.publisher.records,
           (unsigned long long)info.publisher.lost_in_ring,
           (unsigned long long)info.publisher.lost_waiting, info.publisher.waiting,
           info.publisher.waiting_bytes, (unsigned long long)info.publisher.clock_bumps,
           info.publisher.last_error);
    for (unsigned number = 0; number < MEMBERS_MAX; number++) {
        if (!fleet_member_info(fleet, number, &member))
            continue;
        printf("%s", first ? "" : ", ");
        print_member(&member);
        first = false;
    }
    printf("}}, ");
}

void command_status(struct appliance *appliance, char *arguments)
{
    struct swarms_counters counters;
    struct persistence_info info;

    tables_counters(appliance->dataplane, &counters);
    persistence_info(appliance->persistence, &info);
    printf("{");
    print_persistence(&info);
    print_redis(appliance->persistence);
    print_fleet(appliance->persistence);
    answer("\"peers\": %llu, \"torrents\": %llu, \"refused\": %llu, \"evicted\": %llu, "
           "\"tables_bytes\": %llu, \"cpu\": %.3f, \"resident_kib\": %ld}",
           (unsigned long long)counters.peers[0] + counters.peers[1],
           (unsigned long long)counters.torrents[0] + counters.torrents[1],
           (unsigned long long)counters.peers_refused,
           (unsigned long long)counters.torrents_evicted,
           (unsigned long long)counters.memory_reserved, cpu_seconds(), resident_kib());
}

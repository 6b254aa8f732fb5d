/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An appliance without packets, for drills and measurements: real tables, snapshots, store and
 * fleet, and announces that come as lines on standard input. Each line is answered by one line of
 * JSON.
 *
 *   announce TORRENT FIRST COUNT [started|completed|stopped] [AGE]   peers FIRST.. of a torrent
 *   bulk PEERS SEED      a mixed population: a quarter of the peers each in swarms of 1, 5, 50,
 * 1000 load RATE SECONDS    announces of random peers of that population, as many a second list
 * TORRENT         the peers' numbers snapshot             answered when it is done status clock
 * SECONDS        sets the wall clock (of this process) ahead quit                 a last snapshot,
 * and the end
 */
#include <errno.h>
#include <event2/event.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "controlplane/persistence.h"
#include "controlplane/store/monotonic.h"
#include "tables.h"

enum { LINE_SIZE = 512, BURST = 32, LOAD_TICK_MS = 10 };

static struct event_base *base;
static struct dataplane *dataplane;
static struct jobs *jobs;
static struct persistence *persistence;
static struct persistence_settings settings = {
    .kind = PERSISTENCE_REDIS,
    .interval = 60,
    .refresh = 1800,
    .redis.expiry = 86400,
    .fleet.retention = 180,
};
static struct tables_config tables = {
    .workers = 1,
    .torrents_max = 1000000,
    .peers_max = 4000000,
    .timeouts = {.peer = 4500, .torrent = 14400},
    .deltas = 1 << 16,
};

/* Time ----------------------------------------------------------------------------------------- */

/* This program's wall clock: what is linked before libc's is what is called. */
static int64_t clock_offset;

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int result = (int)syscall(SYS_clock_gettime, clock, now);

    if (clock == CLOCK_REALTIME)
        now->tv_sec += clock_offset;
    return result;
}

time_t time(time_t *into)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (into)
        *into = now.tv_sec;
    return now.tv_sec;
}

/* Answers -------------------------------------------------------------------------------------- */

static void answer(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void answer(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    fflush(stdout);
}

static void on_note(void *user, bool warning, const char *text)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    fprintf(stderr, "%ld.%03ld %s: %s\n", (long)now.tv_sec, now.tv_nsec / 1000000,
            warning ? "warning" : "note", text);
}

/* Announces ------------------------------------------------------------------------------------ */

static void torrent_hash(uint64_t torrent, uint8_t info_hash[20])
{
    memset(info_hash, 0, 20);
    memcpy(info_hash, &torrent, sizeof(torrent));
    info_hash[19] = 0x5a;
}

/* A burst of announces for the worker that they are owned by. */
struct burst {
    unsigned count;
    struct swarms_announce announces[BURST];
    struct swarms_announce *pointers[BURST];
    uint8_t info_hashes[BURST][20];
    uint8_t rooms[BURST][SWARMS_REPLY_SLACK];
};

static struct burst bursts[DATAPLANE_WORKERS_MAX];

static void send_burst(unsigned worker, uint32_t age)
{
    struct burst *burst = &bursts[worker];

    tables_announce(dataplane, worker, burst->pointers, burst->count, age);
    burst->count = 0;
}

static void send_bursts(uint32_t age)
{
    for (unsigned worker = 0; worker < tables.workers; worker++)
        send_burst(worker, age);
}

static void announce(uint64_t torrent, uint32_t peer, enum swarms_event event, uint32_t age)
{
    uint8_t info_hash[20];
    unsigned worker, i;
    struct burst *burst;

    torrent_hash(torrent, info_hash);
    worker = dataplane_owner(dataplane, info_hash);
    burst = &bursts[worker];
    i = burst->count++;
    memcpy(burst->info_hashes[i], info_hash, 20);
    burst->announces[i] = (struct swarms_announce){
        .info_hash = burst->info_hashes[i],
        .peer = {(uint8_t)(peer >> 24), (uint8_t)(peer >> 16), (uint8_t)(peer >> 8), (uint8_t)peer,
                 0x1a, 0xe1},
        .family = SWARMS_IPV4,
        .event = (uint8_t)event,
        .seeder = peer % 4 != 0,
        .peers = burst->rooms[i],
    };
    burst->pointers[i] = &burst->announces[i];
    if (burst->count == BURST)
        send_burst(worker, age);
}

static void command_announce(char *arguments)
{
    unsigned long long torrent;
    unsigned first, count, age = 0;
    char event[16] = "started";

    if (sscanf(arguments, "%llu %u %u %15s %u", &torrent, &first, &count, event, &age) < 3) {
        answer("{\"error\": \"announce TORRENT FIRST COUNT [EVENT] [AGE]\"}");
        return;
    }
    for (unsigned i = 0; i < count; i++)
        announce(torrent, first + i,
                 !strcmp(event, "stopped")     ? SWARMS_STOPPED
                 : !strcmp(event, "completed") ? SWARMS_COMPLETED
                                               : SWARMS_STARTED,
                 age);
    send_bursts(age);
    answer("{\"ok\": true}");
}

/* Peer `i` of a mixed population of `peers`: a quarter each in swarms of 1, 5, 50 and 1000. */
static void announce_mixed(uint64_t i, uint64_t peers, uint64_t seed)
{
    static const unsigned sizes[] = {1, 5, 50, 1000};
    uint64_t quarter = (peers + 3) / 4, kind = i / quarter;
    uint64_t torrent = seed << 40 | kind << 36 | (i % quarter) / sizes[kind];

    announce(torrent, (uint32_t)i, SWARMS_STARTED, 0);
}

static uint64_t bulk_peers, bulk_seed;

static void command_bulk(char *arguments)
{
    unsigned long long peers, seed = 1;

    if (sscanf(arguments, "%llu %llu", &peers, &seed) < 1) {
        answer("{\"error\": \"bulk PEERS SEED\"}");
        return;
    }
    bulk_peers = peers;
    bulk_seed = seed;
    for (uint64_t i = 0; i < peers; i++)
        announce_mixed(i, peers, seed);
    send_bursts(0);
    answer("{\"ok\": true}");
}

/* A stretch of announces at a rate. */
static struct {
    struct event *tick;
    uint64_t started, until, sent, late;
    double rate;
    uint64_t random;
} load;

static void on_load(evutil_socket_t fd, short what, void *user)
{
    uint64_t now = monotonic_us();
    uint64_t due = (uint64_t)((double)(now - load.started) / 1e6 * load.rate);

    for (; load.sent < due; load.sent++) {
        load.random = load.random * UINT64_C(6364136223846793005) + 1442695040888963407u;
        announce_mixed((load.random >> 33) % bulk_peers, bulk_peers, bulk_seed);
    }
    send_bursts(0);
    if (now >= load.until) {
        event_free(load.tick);
        load.tick = NULL;
        answer("{\"ok\": true, \"sent\": %llu}", (unsigned long long)load.sent);
    }
}

static void command_load(char *arguments)
{
    const struct timeval interval = {.tv_usec = LOAD_TICK_MS * 1000};
    double seconds;

    if (bulk_peers == 0 || sscanf(arguments, "%lf %lf", &load.rate, &seconds) < 2) {
        answer("{\"error\": \"load RATE SECONDS, after bulk\"}");
        return;
    }
    load.sent = 0;
    load.random = 1;
    load.started = monotonic_us();
    load.until = load.started + (uint64_t)(seconds * 1e6);
    load.tick = event_new(base, -1, EV_PERSIST, on_load, NULL);
    event_add(load.tick, &interval);
}

static void print_peer(void *user, const uint8_t *peer, uint8_t flags, uint32_t seen)
{
    unsigned *count = user;

    printf("%s%u", (*count)++ ? ", " : "",
           (unsigned)peer[0] << 24 | (unsigned)peer[1] << 16 | (unsigned)peer[2] << 8 | peer[3]);
}

static void command_list(char *arguments)
{
    unsigned count = 0;
    uint8_t info_hash[20];

    torrent_hash(strtoull(arguments, NULL, 0), info_hash);
    printf("{\"peers\": [");
    tables_list(dataplane, info_hash, SWARMS_IPV4, print_peer, &count);
    answer("]}");
}

/* Status --------------------------------------------------------------------------------------- */

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

static void print_redis(void)
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
    for (unsigned i = 0; redis_cluster_node_info(redis, i, &node); i++)
        printf("%s{\"port\": %u, \"state\": %d, \"slots\": %u, \"restarts\": %llu, "
               "\"last_error\": \"%s\", \"lag\": %llu}",
               i ? ", " : "", node.address.port, node.state, node.slots,
               (unsigned long long)node.restarts, redis_error_name(node.last_error),
               (unsigned long long)node.replication_lag);
    printf("]}, ");
}

static void print_member(const struct fleet_member_info *member)
{
    printf("\"%u\": {\"health\": %d, \"state\": %d, \"ahead_ms\": %lld, \"peers\": %llu, "
           "\"records\": %llu, \"stopped\": %llu, \"gaps\": %llu, \"duplicates\": %llu, "
           "\"dead\": %llu, \"expired\": %llu, \"unreadable\": %llu, \"lag_records\": %llu, "
           "\"lag_ms\": %u, \"resync_due\": %s}",
           member->number, member->health, member->state, (long long)member->clock_ahead_ms,
           (unsigned long long)member->peers, (unsigned long long)member->stream.records,
           (unsigned long long)member->stream.stopped, (unsigned long long)member->stream.gaps,
           (unsigned long long)member->stream.duplicates, (unsigned long long)member->stream.dead,
           (unsigned long long)member->stream.expired,
           (unsigned long long)member->stream.unreadable + member->unreadable_records,
           (unsigned long long)member->stream.lag_records, member->stream.lag_ms,
           member->resync_due ? "true" : "false");
}

static void print_fleet(void)
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

static void command_status(void)
{
    struct swarms_counters counters;
    struct persistence_info info;

    tables_counters(dataplane, &counters);
    persistence_info(persistence, &info);
    printf("{");
    print_persistence(&info);
    print_redis();
    print_fleet();
    answer("\"peers\": %llu, \"torrents\": %llu, \"refused\": %llu, \"evicted\": %llu, "
           "\"cpu\": %.3f, \"resident_kib\": %ld}",
           (unsigned long long)counters.peers[0] + counters.peers[1],
           (unsigned long long)counters.torrents[0] + counters.torrents[1],
           (unsigned long long)counters.peers_refused,
           (unsigned long long)counters.torrents_evicted, cpu_seconds(), resident_kib());
}

/* The rest ------------------------------------------------------------------------------------- */

static uint64_t snapshot_began;

static void on_snapshot(void *user, unsigned failed)
{
    answer("{\"failed\": %u, \"seconds\": %.3f}", failed,
           (double)(monotonic_us() - snapshot_began) / 1e6);
}

static void command_snapshot(void)
{
    int error;

    snapshot_began = monotonic_us();
    error = persistence_snapshot(persistence, on_snapshot, NULL);
    if (error)
        answer("{\"error\": \"%s\"}", strerror(-error));
}

static void obey(char *line)
{
    char *arguments = strchr(line, ' ');

    line[strcspn(line, "\n")] = '\0';
    if (arguments)
        *arguments++ = '\0';
    else
        arguments = line + strlen(line);
    if (!strcmp(line, "announce"))
        command_announce(arguments);
    else if (!strcmp(line, "bulk"))
        command_bulk(arguments);
    else if (!strcmp(line, "load"))
        command_load(arguments);
    else if (!strcmp(line, "list"))
        command_list(arguments);
    else if (!strcmp(line, "snapshot"))
        command_snapshot();
    else if (!strcmp(line, "status"))
        command_status();
    else if (!strcmp(line, "clock"))
        answer("{\"offset\": %lld}", (long long)(clock_offset = atoll(arguments)));
    else if (!strcmp(line, "quit"))
        event_base_loopbreak(base);
    else
        answer("{\"error\": \"no such command\"}");
}

static void on_input(evutil_socket_t fd, short what, void *user)
{
    char line[LINE_SIZE];

    if (fgets(line, sizeof(line), stdin))
        obey(line);
    else
        event_base_loopbreak(base);
}

static void add_nodes(char *list)
{
    for (char *node = strtok(list, ","); node; node = strtok(NULL, ","))
        snprintf(settings.redis.nodes[settings.redis.nodes_count++], PERSISTENCE_NODE_SIZE, "%s",
                 node);
}

static void parse(int argc, char *argv[])
{
    enum { WORKERS, TORRENTS, PEERS, DIRECTORY, NODES, SINGLE, USER, PASSWORD, INTERVAL, REFRESH };
    enum { NUMBER = REFRESH + 1, FLEET, RETENTION, EXPIRY, CLOCK, TIMEOUT, SECRET };
    static const struct option known[] = {
        {"workers", 1, NULL, WORKERS},     {"torrents", 1, NULL, TORRENTS},
        {"peers", 1, NULL, PEERS},         {"directory", 1, NULL, DIRECTORY},
        {"nodes", 1, NULL, NODES},         {"single", 0, NULL, SINGLE},
        {"user", 1, NULL, USER},           {"password-file", 1, NULL, PASSWORD},
        {"interval", 1, NULL, INTERVAL},   {"refresh", 1, NULL, REFRESH},
        {"number", 1, NULL, NUMBER},       {"fleet", 0, NULL, FLEET},
        {"retention", 1, NULL, RETENTION}, {"expiry", 1, NULL, EXPIRY},
        {"clock", 1, NULL, CLOCK},         {"timeout", 1, NULL, TIMEOUT},
        {"secret", 1, NULL, SECRET},       {0},
    };
    uint64_t secret = 1;
    int option;

    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (option) {
        case WORKERS:
            tables.workers = (unsigned)atoi(optarg);
            break;
        case TORRENTS:
            tables.torrents_max = (uint32_t)atoll(optarg);
            break;
        case PEERS:
            tables.peers_max = (uint64_t)atoll(optarg);
            break;
        case DIRECTORY:
            settings.kind = PERSISTENCE_FILE;
            snprintf(settings.directory, sizeof(settings.directory), "%s", optarg);
            break;
        case NODES:
            add_nodes(optarg);
            break;
        case SINGLE:
            settings.redis.single = true;
            break;
        case USER:
            snprintf(settings.redis.user, sizeof(settings.redis.user), "%s", optarg);
            break;
        case PASSWORD:
            snprintf(settings.redis.password_file, sizeof(settings.redis.password_file), "%s",
                     optarg);
            break;
        case INTERVAL:
            settings.interval = (uint32_t)atoi(optarg);
            break;
        case REFRESH:
            settings.refresh = (uint32_t)atoi(optarg);
            break;
        case NUMBER:
            settings.fleet.number = (unsigned)atoi(optarg);
            break;
        case FLEET:
            settings.fleet.enabled = true;
            break;
        case RETENTION:
            settings.fleet.retention = (uint32_t)atoi(optarg);
            break;
        case EXPIRY:
            settings.redis.expiry = (uint32_t)atoi(optarg);
            break;
        case CLOCK:
            clock_offset = atoll(optarg);
            break;
        case TIMEOUT:
            tables.timeouts.peer = (uint32_t)atoi(optarg);
            break;
        case SECRET:
            secret = (uint64_t)atoll(optarg);
            break;
        default:
            exit(2);
        }
    }
    for (unsigned i = 0; i < sizeof(tables.secret); i++) {
        secret = secret * UINT64_C(6364136223846793005) + 1442695040888963407u;
        tables.secret.bytes[i] = (uint8_t)(secret >> 56);
    }
    if (!settings.fleet.enabled)
        tables.deltas = 0;
}

int main(int argc, char *argv[])
{
    struct persistence_config config = {.settings = &settings, .on_note = on_note};
    char error[256];
    struct event *input;

    parse(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdin, NULL, _IONBF, 0); /* a line that stdio holds back would wake nobody */
    base = event_base_new();
    dataplane = tables_start(&tables);
    jobs = jobs_new(base, dataplane);
    config.base = base;
    config.jobs = jobs;
    config.dataplane = dataplane;
    config.secret = &tables.secret;
    config.timeouts = &tables.timeouts;
    persistence = persistence_start(&config, error, sizeof(error));
    if (!persistence) {
        fprintf(stderr, "appliance: %s\n", error);
        return 1;
    }
    input = event_new(base, STDIN_FILENO, EV_READ | EV_PERSIST, on_input, NULL);
    event_add(input, NULL);
    event_base_dispatch(base);
    event_free(input);
    persistence_stop(persistence, 30);
    tables_stop(dataplane);
    persistence_free(persistence);
    jobs_free(jobs);
    event_base_free(base);
    answer("{\"ok\": true}");
    return 0;
}

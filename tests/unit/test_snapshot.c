/* SPDX-License-Identifier: BSD-3-Clause */
/* Snapshots of real tables into files, and back. */
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <xxhash.h>

#include "broken_disk.h"
#include "controlplane/store/monotonic.h"
#include "controlplane/store/snapshot.h"
#include "tests/cluster/tables.h"

enum { PATIENCE_MS = 20000, TIMEOUT = 3600 };

static const struct swarms_timeouts timeouts = {.peer = TIMEOUT, .torrent = TIMEOUT};

static char directory[64];

/* One appliance: tables, and what keeps them. */
static struct appliance {
    struct event_base *base;
    struct dataplane *dataplane;
    struct seen_clock clock;
    struct jobs *jobs;
    struct store *store;
    struct snapshot *snapshot;
    struct loader *loader;
    bool loaded, written;
    unsigned failed;
} appliance;

static void on_chunk(void *user, unsigned number, unsigned chunk, enum loader_chunk kind,
                     const struct chunk_header *header)
{
    snapshot_found(appliance.snapshot, chunk, kind);
}

static void on_loaded(void *user, const struct loader_info *info)
{
    appliance.loaded = true;
}

/* `secret`: what keys the hashes of this run. */
static void start(unsigned workers, uint8_t secret)
{
    struct tables_config config = {
        .workers = workers, .torrents_max = 100000, .peers_max = 1000000, .timeouts = timeouts};
    struct snapshot_config snapshot = {.interval = 2, .refresh = 600};
    struct loader_config loader = {
        .timeouts = &timeouts, .on_chunk = on_chunk, .on_done = on_loaded};
    char error[200];

    for (unsigned i = 0; i < sizeof(config.secret); i++)
        config.secret.bytes[i] = (uint8_t)((i + 1) * (i + 77) * (secret + 13u) >> 3);
    appliance = (struct appliance){.base = event_base_new()};
    appliance.dataplane = tables_start(&config);
    appliance.jobs = jobs_new(appliance.base, appliance.dataplane);
    appliance.store = store_open_file(appliance.base, directory, error, sizeof(error));
    assert_non_null(appliance.store);
    snapshot.base = loader.base = appliance.base;
    snapshot.store = loader.store = appliance.store;
    snapshot.jobs = loader.jobs = appliance.jobs;
    snapshot.dataplane = loader.dataplane = appliance.dataplane;
    snapshot.clock = loader.clock = &appliance.clock;
    appliance.snapshot = snapshot_new(&snapshot);
    appliance.loader = loader_new(&loader);
}

static void stop(void)
{
    store_close(appliance.store);
    tables_stop(appliance.dataplane);
    snapshot_free(appliance.snapshot);
    loader_free(appliance.loader);
    jobs_free(appliance.jobs);
    event_base_free(appliance.base);
}

static void run_until(const bool *condition)
{
    uint64_t started = monotonic_ms();

    while (!*condition && monotonic_ms() - started < PATIENCE_MS)
        event_base_loop(appliance.base, EVLOOP_ONCE);
    assert_true(*condition);
}

static const struct loader_info *load(void)
{
    appliance.loaded = false;
    loader_start(appliance.loader, 0, 0);
    run_until(&appliance.loaded);
    return loader_info(appliance.loader);
}

static void on_snapshot(void *user, unsigned failed)
{
    appliance.written = true;
    appliance.failed = failed;
}

static struct snapshot_info write_all(void)
{
    struct snapshot_info info;

    appliance.written = false;
    assert_int_equal(snapshot_now(appliance.snapshot, on_snapshot, NULL), 0);
    run_until(&appliance.written);
    snapshot_info(appliance.snapshot, &info);
    return info;
}

/* Torrent `torrent` gets `count` peers from number `first` on; every third is IPv6's. */
static void announce(unsigned torrent, unsigned first, unsigned count, enum swarms_event event,
                     uint32_t age)
{
    uint8_t info_hash[20] = {(uint8_t)torrent, (uint8_t)(torrent >> 8), 1};

    for (unsigned i = first; i < first + count; i++) {
        uint8_t room[SWARMS_REPLY_SLACK];
        struct swarms_announce request = {
            .info_hash = info_hash,
            .peer = {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i, 0x1a, 0xe1},
            .family = torrent % 3 == 2 ? SWARMS_IPV6 : SWARMS_IPV4,
            .event = event,
            .seeder = i % 2,
            .peers = room,
        };
        struct swarms_announce *const requests[] = {&request};

        if (torrent % 3 == 2)
            request.peer[17] = 7;
        tables_announce(appliance.dataplane, dataplane_owner(appliance.dataplane, info_hash),
                        requests, 1, age);
    }
}

static uint64_t peers(void)
{
    struct swarms_counters counters;

    tables_counters(appliance.dataplane, &counters);
    return counters.peers[0] + counters.peers[1];
}

static uint64_t seeders(void)
{
    struct swarms_counters counters;

    tables_counters(appliance.dataplane, &counters);
    return counters.seeders[0] + counters.seeders[1];
}

static int set_up(void **state)
{
    strcpy(directory, "/tmp/muster-test-XXXXXX");
    return mkdtemp(directory) ? 0 : -1;
}

static int tear_down(void **state)
{
    char command[128];

    disk_free();
    disk_unreadable = false;
    snprintf(command, sizeof(command), "rm -rf %s", directory);
    return system(command);
}

/* Tests ---------------------------------------------------------------------------------------- */

static void populate(void)
{
    for (unsigned torrent = 0; torrent < 3000; torrent++)
        announce(torrent, torrent, 1 + torrent % 7, SWARMS_STARTED, 0);
    announce(5000, 0, 30000, SWARMS_STARTED, 0); /* more than a buffer takes */
}

static void test_all_peers_come_back(void **state)
{
    const struct loader_info *loaded;
    struct snapshot_info info;
    uint64_t peers_before, seeders_before;

    start(2, 1);
    load();
    snapshot_start(appliance.snapshot);
    populate();
    peers_before = peers();
    seeders_before = seeders();
    info = write_all();
    assert_int_equal(appliance.failed, 0);
    assert_int_equal(info.peers_stored, peers_before);
    assert_int_equal(info.chunks_stored, info.chunks_written);
    stop();

    start(2, 1);
    loaded = load();
    assert_int_equal(loaded->peers, peers_before);
    assert_int_equal(loaded->chunks[LOADER_LOADED], info.chunks_stored);
    assert_int_equal(loaded->chunks[LOADER_ABSENT], TRANSFER_CHUNKS - info.chunks_stored);
    assert_int_equal(peers(), peers_before);
    assert_int_equal(seeders(), seeders_before);
    stop();
}

static void test_they_come_back_under_another_secret_and_to_other_workers(void **state)
{
    uint64_t before;

    start(3, 1);
    load();
    snapshot_start(appliance.snapshot);
    populate();
    before = peers();
    write_all();
    stop();

    start(2, 9);
    load();
    assert_int_equal(peers(), before);
    stop();
}

static void test_only_what_changed_is_written(void **state)
{
    struct snapshot_info first, second;

    start(2, 1);
    load();
    snapshot_start(appliance.snapshot);
    populate();
    first = write_all();
    second = write_all();
    assert_int_equal(second.chunks_written, first.chunks_written);
    announce(1, 500, 1, SWARMS_STARTED, 0);
    second = write_all();
    assert_int_equal(second.chunks_written, first.chunks_written + 1);
    snapshot_doubt(appliance.snapshot, TRANSFER_CHUNKS - 1); /* never stored: nothing to lose */
    for (unsigned chunk = 0; chunk < TRANSFER_CHUNKS; chunk++)
        snapshot_doubt(appliance.snapshot, chunk);
    second = write_all();
    assert_true(second.chunks_written > 2 * first.chunks_written - 10);
    stop();
}

static void test_emptied_chunks_are_emptied_in_the_store(void **state)
{
    start(1, 1);
    load();
    snapshot_start(appliance.snapshot);
    announce(1, 0, 3, SWARMS_STARTED, 0);
    announce(2, 0, 3, SWARMS_STARTED, 0);
    write_all();
    announce(1, 0, 3, SWARMS_STOPPED, 0);
    announce(2, 1, 2, SWARMS_STOPPED, 0);
    write_all();
    stop();

    start(1, 1);
    load();
    assert_int_equal(peers(), 1);
    stop();
}

static void test_old_peers_are_left_out(void **state)
{
    const struct loader_info *loaded;

    start(1, 1);
    load();
    snapshot_start(appliance.snapshot);
    announce(1, 0, 5, SWARMS_STARTED, TIMEOUT - 1);
    announce(1, 5, 5, SWARMS_STARTED, 0);
    write_all();
    stop();

    sleep(2);
    start(1, 1);
    loaded = load();
    assert_int_equal(loaded->peers, 5);
    assert_int_equal(loaded->peers_expired, 5);
    assert_int_equal(peers(), 5);
    stop();
}

static void test_it_writes_by_itself(void **state)
{
    struct snapshot_info info;
    uint64_t started = monotonic_ms();

    start(2, 1);
    load();
    snapshot_start(appliance.snapshot);
    announce(1, 0, 3, SWARMS_STARTED, 0);
    do {
        event_base_loop(appliance.base, EVLOOP_ONCE);
        snapshot_info(appliance.snapshot, &info);
    } while (info.peers_stored < 3 && monotonic_ms() - started < PATIENCE_MS);
    assert_int_equal(info.peers_stored, 3);
    while (info.passes < 2 && monotonic_ms() - started < PATIENCE_MS) {
        event_base_loop(appliance.base, EVLOOP_ONCE);
        snapshot_info(appliance.snapshot, &info);
    }
    assert_int_equal(info.chunks_written, 1);
    assert_true(info.oldest_dirty <= 4);
    stop();
}

static void replace(const char *name, const char *bytes, size_t size)
{
    char path[128];
    FILE *file;

    snprintf(path, sizeof(path), "%s/00/%s", directory, name);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

/* The name of the file of the only chunk there is. */
static const char *only_chunk(void)
{
    static char name[16];
    char command[128];
    FILE *listing;

    snprintf(command, sizeof(command), "ls %s/00", directory);
    listing = popen(command, "r");
    assert_non_null(fgets(name, sizeof(name), listing));
    pclose(listing);
    name[4] = '\0';
    return name;
}

static void test_damaged_chunk_is_skipped_and_written_anew(void **state)
{
    const struct loader_info *loaded;

    start(1, 1);
    load();
    snapshot_start(appliance.snapshot);
    announce(1, 0, 3, SWARMS_STARTED, 0);
    write_all();
    stop();
    replace(only_chunk(), "junk", 4);

    start(1, 1);
    loaded = load();
    assert_int_equal(loaded->chunks[LOADER_DAMAGED], 1);
    assert_int_equal(peers(), 0);
    snapshot_start(appliance.snapshot);
    write_all();
    stop();

    start(1, 1);
    loaded = load();
    assert_int_equal(loaded->chunks[LOADER_DAMAGED], 0);
    stop();
}

static void test_newer_chunk_is_never_overwritten(void **state)
{
    /* An intact chunk of version 9: 64 bytes, of which the first 16 mean what they always do. */
    uint8_t newer[64] = {'M', 'S', 'C', 'K', 9, 0, 64, 0};
    uint64_t seed, checksum;
    const struct loader_info *loaded;
    struct snapshot_info info;

    start(1, 1);
    load();
    snapshot_start(appliance.snapshot);
    announce(1, 0, 1, SWARMS_STARTED, 0);
    write_all();
    stop();
    memcpy(&seed, newer, 8);
    checksum = XXH64(newer + 16, sizeof(newer) - 16, seed);
    memcpy(newer + 8, &checksum, 8);
    replace(only_chunk(), (const char *)newer, sizeof(newer));

    start(1, 1);
    loaded = load();
    assert_int_equal(loaded->chunks[LOADER_NEWER], 1);
    snapshot_start(appliance.snapshot);
    announce(1, 0, 1, SWARMS_STARTED, 0);
    info = write_all();
    assert_int_equal(info.chunks_newer, 1);
    assert_int_equal(info.chunks_written, 0);
    stop();

    start(1, 1);
    assert_int_equal(load()->chunks[LOADER_NEWER], 1);
    stop();
}

static void test_what_a_full_disk_refused_is_written_later(void **state)
{
    struct snapshot_info info;

    start(1, 1);
    load();
    snapshot_start(appliance.snapshot);
    announce(1, 0, 3, SWARMS_STARTED, 0);
    disk_fill(0);
    info = write_all();
    assert_int_equal(appliance.failed, 1);
    assert_int_equal(info.chunks_written, 0);
    disk_free();
    info = write_all();
    assert_int_equal(appliance.failed, 0);
    assert_int_equal(info.chunks_written, 1);
    stop();

    start(1, 1);
    load();
    assert_int_equal(peers(), 3);
    stop();
}

static void test_unreadable_chunk_is_kept_until_it_was_read(void **state)
{
    start(1, 1);
    load();
    snapshot_start(appliance.snapshot);
    announce(1, 0, 3, SWARMS_STARTED, 0);
    write_all();
    stop();

    disk_unreadable = true;
    start(1, 1);
    assert_int_equal(load()->chunks[LOADER_FAILED], 1);
    assert_int_equal(peers(), 0);
    snapshot_start(appliance.snapshot);
    announce(1, 10, 1, SWARMS_STARTED, 0);
    assert_int_equal(write_all().chunks_written, 0);

    disk_unreadable = false;
    appliance.loaded = false;
    loader_retry(appliance.loader);
    run_until(&appliance.loaded);
    assert_int_equal(peers(), 4);
    assert_int_equal(write_all().chunks_written, 1);
    stop();

    start(1, 1);
    load();
    assert_int_equal(peers(), 4);
    stop();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    static const struct CMUnitTest tests[] = {
        TEST(test_all_peers_come_back),
        TEST(test_they_come_back_under_another_secret_and_to_other_workers),
        TEST(test_only_what_changed_is_written),
        TEST(test_emptied_chunks_are_emptied_in_the_store),
        TEST(test_old_peers_are_left_out),
        TEST(test_it_writes_by_itself),
        TEST(test_damaged_chunk_is_skipped_and_written_anew),
        TEST(test_newer_chunk_is_never_overwritten),
        TEST(test_what_a_full_disk_refused_is_written_later),
        TEST(test_unreadable_chunk_is_kept_until_it_was_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

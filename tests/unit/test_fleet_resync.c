/* SPDX-License-Identifier: BSD-3-Clause */
/* A fleet as a whole: when an appliance is ready, whose snapshots it reads, and how gaps are
 * closed. */
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "controlplane/fleet/fleet.h"
#include "controlplane/store/chunk.h"
#include "fleet_rig.h"
#include "redis_memory.h"

enum {
    RETENTION = 180, /* seconds */
    INTERVAL = 10,   /* of snapshots, seconds */
    ALONE_MS = 2000, /* within which who is alone is ready */
    LISTEN_MS = 5000,
    RESYNC_MS = INTERVAL * 1000 + 3000,
    RING = 64,
    FETCHES_MAX = 512,
    CHUNK = 7, /* the one that isn't empty */
    STORED = 3 /* peers in it */
};

/* A store that holds one chunk of appliance 0 ---------------------------------------------------
 */

static struct {
    struct store store;
    struct event *event;
    bool away;
    struct chunk_writer chunk;
    struct fetch {
        unsigned appliance, chunk;
        store_fetched *done;
        void *user;
    } fetches[FETCHES_MAX];
    unsigned count;
} store;

static int fetch(struct store *which, unsigned appliance, unsigned chunk, store_fetched *done,
                 void *user)
{
    store.fetches[store.count++] = (struct fetch){appliance, chunk, done, user};
    event_active(store.event, EV_TIMEOUT, 0);
    return 0;
}

static unsigned room(const struct store *which)
{
    return FETCHES_MAX - store.count;
}

static struct redis_cluster *redis(struct store *which)
{
    return NULL; /* redis_memory.h asks for none */
}

static const struct store_kind kind = {.name = "one", .fetch = fetch, .room = room, .redis = redis};

static void on_fetches(evutil_socket_t fd, short what, void *user)
{
    struct fetch due[FETCHES_MAX];
    unsigned count = store.count;

    memcpy(due, store.fetches, sizeof(due));
    store.count = 0;
    for (unsigned i = 0; i < count; i++) {
        bool there = due[i].appliance == 0 && due[i].chunk == CHUNK && !store.away;

        due[i].done(due[i].user, due[i].appliance, due[i].chunk,
                    there        ? STORE_OK
                    : store.away ? STORE_AWAY
                                 : STORE_ABSENT,
                    there ? store.chunk.bytes : NULL, there ? store.chunk.size : 0);
    }
}

static void make_chunk(void)
{
    struct seen_clock now = {.worker = (uint32_t)time(NULL), .wall = (uint64_t)time(NULL)};
    struct chunk_header header = {.appliance = 0, .chunk = CHUNK, .epoch = 1, .time = now.wall};
    struct transfer_swarm swarm = {.family = SWARMS_IPV4, .peers = STORED};
    struct transfer_ipv4 peers[STORED] = {0};

    rig_info_hash(1000, swarm.info_hash);
    for (unsigned i = 0; i < STORED; i++) {
        uint8_t peer[SWARMS_PEER_MAX];

        rig_peer(i, peer);
        memcpy(peers[i].peer, peer, sizeof(peers[i].peer));
        peers[i].seen = now.worker;
    }
    chunk_writer_reset(&store.chunk);
    assert_int_equal(chunk_writer_add(&store.chunk, &swarm, peers, now), 0);
    assert_int_equal(chunk_writer_finish(&store.chunk, &header), 0);
}

static int set_up(void **state)
{
    rig_set_up(state);
    memset(&store, 0, sizeof(store));
    store.store.kind = &kind;
    store.event = event_new(rig_base, -1, 0, on_fetches, NULL);
    make_chunk();
    return 0;
}

static int tear_down(void **state)
{
    event_free(store.event);
    chunk_writer_free(&store.chunk);
    return rig_tear_down(state);
}

/* Appliances ----------------------------------------------------------------------------------- */

struct party {
    struct dataplane *tables;
    struct seen_clock clock;
    struct jobs *jobs;
    struct fleet *fleet;
    bool ready, superseded;
    char note[160];
};

static void on_ready(void *user)
{
    ((struct party *)user)->ready = true;
}

static void on_superseded(void *user)
{
    ((struct party *)user)->superseded = true;
}

static void on_note(void *user, const char *text)
{
    snprintf(((struct party *)user)->note, sizeof(((struct party *)user)->note), "%s", text);
}

static void on_census(void *user, uint64_t *torrents, uint64_t *peers)
{
    *torrents = 11;
    *peers = 22;
}

static void join(struct party *party, unsigned number)
{
    *party = (struct party){.tables = rig_tables_new(RING)};
    party->jobs = jobs_new(rig_base, party->tables);
    party->fleet = fleet_new(&(struct fleet_config){.base = rig_base,
                                                    .store = &store.store,
                                                    .jobs = party->jobs,
                                                    .dataplane = party->tables,
                                                    .clock = &party->clock,
                                                    .timeouts = &rig_timeouts,
                                                    .self = number,
                                                    .name = "somebody",
                                                    .snapshot_interval = INTERVAL,
                                                    .retention = RETENTION,
                                                    .user = party,
                                                    .on_ready = on_ready,
                                                    .on_superseded = on_superseded,
                                                    .on_note = on_note,
                                                    .on_census = on_census});
    assert_non_null(party->fleet);
}

static void serve(struct party *party, unsigned number)
{
    join(party, number);
    RIG_UNTIL(party->ready, ALONE_MS + LISTEN_MS);
    fleet_serve(party->fleet);
    rig_pass(ALONE_MS);
}

/* It ends without a word. */
static void crash(struct party *party)
{
    redis_memory_settle();
    fleet_free(party->fleet);
    jobs_free(party->jobs);
    rig_tables_free(party->tables);
}

static struct fleet_info info_of(const struct party *party)
{
    struct fleet_info info;

    fleet_info(party->fleet, &info);
    return info;
}

static struct fleet_member_info member_of(const struct party *party, unsigned number)
{
    struct fleet_member_info info;

    assert_true(fleet_member_info(party->fleet, number, &info));
    return info;
}

/* The numbers of whose snapshots are to be read, as bits. */
static uint64_t sources_of(const struct party *party)
{
    uint8_t numbers[MEMBERS_MAX];
    unsigned count = fleet_sources(party->fleet, numbers);
    uint64_t bits = 0;

    for (unsigned i = 0; i < count; i++)
        bits |= UINT64_C(1) << numbers[i];
    return bits;
}

/* Getting ready -------------------------------------------------------------------------------- */

static void test_who_is_alone_reads_its_own_snapshot_at_once(void **state)
{
    struct fleet_member_info none;
    struct party party;

    join(&party, 5);
    assert_int_equal(info_of(&party).state, FLEET_LOOKING);
    RIG_UNTIL(party.ready, ALONE_MS);
    assert_int_equal(info_of(&party).state, FLEET_LOADING);
    assert_int_equal(sources_of(&party), 1 << 5);
    fleet_serve(party.fleet);
    assert_int_equal(info_of(&party).state, FLEET_SERVING);
    rig_pass(ALONE_MS);
    assert_int_equal(info_of(&party).members_alive, 0);
    assert_false(fleet_member_info(party.fleet, 0, &none));
    crash(&party);
}

static void test_who_comes_later_reads_the_snapshot_of_who_serves(void **state)
{
    struct party first, second;

    serve(&first, 0);
    join(&second, 1);
    rig_announce(first.tables, 2, 0, 10, SWARMS_STARTED);
    RIG_UNTIL(second.ready, ALONE_MS + LISTEN_MS);
    assert_int_equal(sources_of(&second), 1 << 0);
    assert_int_equal(rig_peers(second.tables), 10); /* and what was announced meanwhile is there */
    assert_int_equal(info_of(&second).members_alive, 1);
    assert_int_equal(member_of(&second, 0).peers, 22);
    assert_int_equal(member_of(&second, 0).torrents, 11);
    assert_int_equal(member_of(&second, 0).state, MEMBER_SERVING);
    crash(&second);
    crash(&first);
}

static void test_where_nobody_serves_all_snapshots_are_read(void **state)
{
    struct party first, second;

    join(&first, 0);
    RIG_UNTIL(first.ready, ALONE_MS);
    join(&second, 1);
    RIG_UNTIL(second.ready, ALONE_MS + LISTEN_MS);
    assert_int_equal(sources_of(&second), 1 << 0 | 1 << 1);
    crash(&second);
    crash(&first);
}

/* Its snapshot has peers of which nobody remembers any more that they stopped. */
static void test_who_has_been_gone_for_long_is_no_source(void **state)
{
    struct party first, gone, late;

    serve(&first, 0);
    serve(&gone, 1);
    crash(&gone);
    serve(&late, 2);
    assert_int_equal(sources_of(&late), 1 << 0 | 1 << 1);
    crash(&late);
    rig_pass(RETENTION * 1000);
    serve(&late, 2);
    assert_int_equal(sources_of(&late), 1 << 0);
    assert_int_equal(member_of(&late, 1).health, MEMBER_SILENT);
    crash(&late);
    crash(&first);
}

static void test_what_was_announced_before_a_crash_is_read_from_streams(void **state)
{
    struct party first, second;

    serve(&first, 0);
    rig_announce(first.tables, 2, 0, 10, SWARMS_STARTED);
    rig_pass(1000);
    crash(&first);
    join(&second, 1);
    RIG_UNTIL(second.ready, ALONE_MS + LISTEN_MS);
    assert_int_equal(rig_peers(second.tables), 10);
    crash(&second);

    join(&first, 0); /* and so does it itself */
    RIG_UNTIL(first.ready, ALONE_MS + LISTEN_MS);
    assert_int_equal(rig_peers(first.tables), 10);
    assert_int_equal(sources_of(&first) & 1 << 0, 1 << 0);
    crash(&first);
}

static void test_streams_that_cannot_be_read_are_not_waited_for_forever(void **state)
{
    struct party first, second;

    serve(&first, 0);
    redis_trouble =
        (struct redis_trouble){.command = "XREAD", .outcome = REDIS_EXPIRED, .times = UINT32_MAX};
    join(&second, 1);
    rig_pass(15000);
    assert_int_equal(info_of(&second).state, FLEET_LISTENING);
    RIG_UNTIL(second.ready, 3000);
    crash(&second);
    crash(&first);
}

/* Closing gaps --------------------------------------------------------------------------------- */

static void begin_with_gap(struct party *first, struct party *second)
{
    serve(first, 0);
    serve(second, 1);
    rig_announce(first->tables, 2, 0, 10, SWARMS_STARTED);
    rig_pass(1000);
    rig_announce(first->tables, 2, 10, 2 * RING, SWARMS_STARTED); /* half of it is lost */
    rig_pass(1000);
    rig_announce(first->tables, 2, 10 + 2 * RING, 10, SWARMS_STARTED);
    rig_pass(1000);
    assert_int_equal(member_of(second, 0).stream.gaps, 1);
    assert_true(member_of(second, 0).resync_due);
    assert_int_equal(rig_peers(second->tables), 10 + RING + 10);
}

static void test_a_gap_is_closed_from_the_next_snapshot(void **state)
{
    struct party first, second;

    begin_with_gap(&first, &second);
    rig_pass((INTERVAL - 3) * 1000); /* not before it has been written */
    assert_int_equal(info_of(&second).resyncs, 0);
    rig_pass(RESYNC_MS);
    assert_int_equal(info_of(&second).resyncs, 1);
    assert_false(member_of(&second, 0).resync_due);
    assert_int_equal(rig_peers(second.tables), 10 + RING + 10 + STORED);
    assert_non_null(strstr(second.note, "member 0: read its snapshot: 3 peers"));
    rig_pass(RESYNC_MS);
    assert_int_equal(info_of(&second).resyncs, 1);
    crash(&second);
    crash(&first);
}

static void test_a_snapshot_that_cannot_be_read_is_tried_again(void **state)
{
    struct party first, second;

    begin_with_gap(&first, &second);
    store.away = true;
    rig_pass(RESYNC_MS);
    assert_int_equal(info_of(&second).resyncs, 1);
    assert_true(member_of(&second, 0).resync_due);
    assert_non_null(strstr(second.note, "16384 chunks failed"));
    store.away = false;
    rig_pass(8000);
    assert_int_equal(info_of(&second).resyncs, 2);
    assert_false(member_of(&second, 0).resync_due);
    assert_int_equal(rig_peers(second.tables), 10 + RING + 10 + STORED);
    crash(&second);
    crash(&first);
}

static void test_who_stopped_here_is_not_brought_back_by_a_snapshot(void **state)
{
    struct party first, second;
    uint8_t info_hash[20];
    struct transfer_ipv4 peers[2] = {{.seen = (uint32_t)time(NULL)}};

    serve(&first, 0);
    rig_announce(first.tables, 1000, 0, 1, SWARMS_STARTED);
    rig_announce(first.tables, 1000, 0, 1, SWARMS_STOPPED);
    rig_pass(1000);
    serve(&second, 1);
    rig_info_hash(1000, info_hash);
    for (unsigned i = 0; i < 2; i++) {
        uint8_t peer[SWARMS_PEER_MAX];

        rig_peer(i, peer);
        memcpy(peers[i].peer, peer, sizeof(peers[i].peer));
        peers[i].seen = peers[0].seen;
    }
    /* Here by its own tables, there by the stream. */
    assert_int_equal(fleet_filter(first.fleet, info_hash, SWARMS_IPV4, peers, 2), 1);
    assert_int_equal(peers[0].peer[1], 1);
    fleet_resync(second.fleet, 0);
    rig_pass(RESYNC_MS);
    assert_int_equal(rig_peers(second.tables), STORED - 1);
    crash(&second);
    crash(&first);
}

/*
 * For 700 ms of each second the tables' is the wall clock's, for 300 ms it is the next already: a
 * reader of streams that began in the former, and one of snapshots that began in the latter, must
 * not take the same second for different ones.
 */
static void test_who_stopped_within_a_second_is_not_brought_back_by_a_snapshot(void **state)
{
    struct party first, second;

    rig_set_tables(300);
    rig_pass_to(100);
    serve(&first, 0);
    rig_pass_to(100);
    rig_announce(first.tables, 1000, 0, STORED, SWARMS_STARTED);
    make_chunk();
    rig_announce(first.tables, 1000, 0, STORED, SWARMS_STOPPED);
    rig_pass_to(100);
    serve(&second, 1);
    rig_pass_to(800);
    fleet_resync(second.fleet, 0);
    rig_pass(RESYNC_MS);
    assert_int_equal(info_of(&second).resyncs, 1);
    assert_int_equal(rig_peers(second.tables), 0);
    crash(&second);
    crash(&first);
}

static void test_nobody_reads_its_own_snapshot_again(void **state)
{
    struct party party;

    serve(&party, 0);
    fleet_resync(party.fleet, 0);
    rig_pass(RESYNC_MS);
    assert_int_equal(info_of(&party).resyncs, 0);
    crash(&party);
}

/* The rest of its life ------------------------------------------------------------------------- */

static void test_lag_is_noted_and_its_end(void **state)
{
    struct party first, second;

    serve(&first, 0);
    serve(&second, 1);
    redis_trouble = (struct redis_trouble){
        .command = "XREAD", .key = ":d:0:", .outcome = REDIS_EXPIRED, .times = UINT32_MAX};
    rig_announce(first.tables, 2, 0, 10, SWARMS_STARTED);
    rig_pass(8000);
    assert_non_null(strstr(second.note, "deltas of other members lag by"));
    assert_true(info_of(&second).lag_ms >= FLEET_LAG_WARNING_MS);
    *second.note = '\0';
    rig_pass(30000);
    assert_non_null(strstr(second.note, "deltas of other members lag by 30."));
    redis_trouble.command = NULL;
    rig_pass(1000);
    assert_string_equal(second.note, "deltas of other members no longer lag");
    assert_int_equal(info_of(&second).lag_ms, 0);
    crash(&second);
    crash(&first);
}

static void test_who_was_superseded_tells_nothing_more(void **state)
{
    struct party first, second;
    unsigned written, told;

    serve(&first, 0);
    serve(&second, 0);
    assert_true(first.superseded);
    crash(&second);
    written = redis_memory_asked("SET");
    told = redis_memory_asked("XADD");
    rig_announce(first.tables, 2, 0, 10, SWARMS_STARTED);
    fleet_serve(first.fleet);
    fleet_leave(first.fleet);
    rig_pass(2000);
    assert_int_equal(info_of(&first).state, FLEET_SUPERSEDED);
    assert_int_equal(redis_memory_asked("SET"), written);
    assert_int_equal(redis_memory_asked("XADD"), told);
    crash(&first);
}

static void test_who_leaves_says_so(void **state)
{
    struct party first, second;

    serve(&first, 0);
    serve(&second, 1);
    fleet_leave(second.fleet);
    rig_pass(1000);
    assert_int_equal(member_of(&first, 1).health, MEMBER_LEFT);
    assert_int_equal(info_of(&first).members_alive, 0);
    crash(&second);
    crash(&first);
}

/* Between wall clocks: chunks are dated by these. */
static void test_a_clock_that_was_set_is_allowed_for(void **state)
{
    struct party first, second;

    serve(&first, 0);
    serve(&second, 1);
    assert_int_equal(fleet_ahead(first.fleet, 1), 0);
    rig_set_wall(600 * 1000); /* of both, which share it here */
    rig_pass(3000);
    assert_in_range(fleet_ahead(first.fleet, 1) + 2, 0, 4);
    crash(&second);
    crash(&first);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    static const struct CMUnitTest tests[] = {
        TEST(test_who_is_alone_reads_its_own_snapshot_at_once),
        TEST(test_who_comes_later_reads_the_snapshot_of_who_serves),
        TEST(test_where_nobody_serves_all_snapshots_are_read),
        TEST(test_who_has_been_gone_for_long_is_no_source),
        TEST(test_what_was_announced_before_a_crash_is_read_from_streams),
        TEST(test_streams_that_cannot_be_read_are_not_waited_for_forever),
        TEST(test_a_gap_is_closed_from_the_next_snapshot),
        TEST(test_a_snapshot_that_cannot_be_read_is_tried_again),
        TEST(test_who_stopped_here_is_not_brought_back_by_a_snapshot),
        TEST(test_who_stopped_within_a_second_is_not_brought_back_by_a_snapshot),
        TEST(test_nobody_reads_its_own_snapshot_again),
        TEST(test_lag_is_noted_and_its_end),
        TEST(test_who_was_superseded_tells_nothing_more),
        TEST(test_who_leaves_says_so),
        TEST(test_a_clock_that_was_set_is_allowed_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

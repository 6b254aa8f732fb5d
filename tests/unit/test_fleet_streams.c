/* SPDX-License-Identifier: BSD-3-Clause */
/* Deltas on their way from one appliance to another: what is lost, late, foreign or nonsense. */
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "controlplane/fleet/delta_batch.h"
#include "controlplane/fleet/publisher.h"
#include "controlplane/fleet/subscriber.h"
#include "fleet_rig.h"
#include "redis_memory.h"

enum {
    TELLER = 3,
    EPOCH = 100,
    RETENTION = 180,
    RING = 1 << 16,
    SOON_MS = 1000, /* within which a delta arrives */
};

static struct {
    struct dataplane *here, *there;
    struct seen_clock clock_here, clock_there;
    struct tombstones *stopped_here, *stopped_there;
    struct publisher *publisher;
    struct jobs *jobs;
    struct subscriber *subscriber;
    unsigned gaps;
    char key[PUBLISHER_KEY_SIZE];
} rig;

static void on_gap(void *user, unsigned member)
{
    assert_int_equal(member, TELLER);
    rig.gaps++;
}

static void begin(unsigned ring)
{
    rig.gaps = 0;
    rig.clock_here = rig.clock_there = (struct seen_clock){0};
    rig.here = rig_tables_new(ring);
    rig.there = rig_tables_new(64);
    rig.stopped_here = tombstones_new();
    rig.stopped_there = tombstones_new();
    rig.jobs = jobs_new(rig_base, rig.there);
    rig.publisher = publisher_new(&(struct publisher_config){.base = rig_base,
                                                             .dataplane = rig.here,
                                                             .clock = &rig.clock_here,
                                                             .tombstones = rig.stopped_here,
                                                             .self = TELLER,
                                                             .batch_ms = 200,
                                                             .retention = RETENTION});
    rig.subscriber = subscriber_new(&(struct subscriber_config){.base = rig_base,
                                                                .jobs = rig.jobs,
                                                                .dataplane = rig.there,
                                                                .clock = &rig.clock_there,
                                                                .tombstones = rig.stopped_there,
                                                                .timeouts = &rig_timeouts,
                                                                .poll_ms = 100,
                                                                .on_gap = on_gap});
    publisher_stream_key(rig.key, TELLER, 0);
    publisher_start(rig.publisher, EPOCH, NULL);
    rig_pass(10);
}

static void end(void)
{
    redis_memory_settle();
    publisher_free(rig.publisher);
    subscriber_free(rig.subscriber);
    jobs_free(rig.jobs);
    tombstones_free(rig.stopped_here);
    tombstones_free(rig.stopped_there);
    rig_tables_free(rig.here);
    rig_tables_free(rig.there);
}

/* What the teller's record says of its stream reaches the reader. */
static void tell_of(struct member_stream stream)
{
    struct member member = {.record = {.appliance = TELLER, .epoch = EPOCH, .streams_count = 1}};

    member.record.streams[0] = stream;
    subscriber_follow(rig.subscriber, TELLER, &member);
}

static void tell(void)
{
    struct member_record record = {.streams_count = 1};

    publisher_describe(rig.publisher, &record);
    tell_of(record.streams[0]);
}

static struct subscriber_info taken(void)
{
    struct subscriber_info info;

    subscriber_info(rig.subscriber, TELLER, &info);
    return info;
}

static struct publisher_info told(void)
{
    struct publisher_info info;

    publisher_info(rig.publisher, &info);
    return info;
}

/* A batch by somebody else's hand, with one record: client `client` of torrent 2, seen now. */
static void forge(struct delta_batch_header header, unsigned client)
{
    struct seen_clock now = {.worker = (uint32_t)time(NULL), .wall = (uint64_t)time(NULL)};
    struct delta delta = {.seen = now.worker};
    uint8_t bytes[DELTA_BATCH_SIZE_MAX];
    size_t size = delta_batch_begin(bytes);
    static uint64_t number;

    rig_info_hash(2, delta.info_hash);
    rig_peer(client, delta.peer);
    size = delta_batch_add(bytes, size, &delta, now);
    if (header.time_ms == 0)
        header.time_ms = now.wall * 1000;
    delta_batch_finish(bytes, size, &header);
    redis_memory_append(rig.key, now.wall * 1000, ++number, bytes, size);
}

static struct delta_batch_header batch(uint64_t epoch, uint64_t sequence)
{
    return (struct delta_batch_header){.appliance = TELLER,
                                       .records = 1,
                                       .epoch = epoch,
                                       .sequence = sequence,
                                       .before = sequence - 1};
}

/* When all goes well --------------------------------------------------------------------------- */

static void test_what_is_announced_here_is_known_there(void **state)
{
    begin(RING);
    tell();
    rig_announce(rig.here, 2, 0, 10, SWARMS_STARTED);
    rig_announce(rig.here, 1, 0, 5, SWARMS_STARTED); /* on IPv6 */
    rig_pass(SOON_MS);
    assert_int_equal(rig_peers(rig.there), 15);
    rig_announce(rig.here, 2, 0, 4, SWARMS_STOPPED);
    rig_pass(SOON_MS);
    assert_int_equal(rig_peers(rig.there), 11);
    assert_int_equal(taken().records, 19);
    assert_int_equal(taken().stopped, 4);
    assert_int_equal(taken().batches, told().batches);
    assert_int_equal(taken().bytes, told().bytes);
    assert_true(taken().caught_up);
    assert_true(subscriber_idle(rig.subscriber));
    assert_int_equal(told().waiting, 0);
    end();
}

static void test_a_stream_that_nobody_writes_to_is_to_be_forgotten(void **state)
{
    begin(RING);
    for (unsigned i = 0; i < 4; i++) {
        rig_announce(rig.here, 2, i, 1, SWARMS_STARTED);
        rig_pass(SOON_MS);
    }
    assert_int_equal(redis_memory_asked("EXPIRE"), 1); /* not with every batch */
    redis_trouble =
        (struct redis_trouble){.command = "EXPIRE", .reply = "-NOPERM no right\r\n", .times = 1};
    rig_pass(RETENTION * 1000);
    rig_announce(rig.here, 2, 0, 1, SWARMS_STARTED);
    rig_pass(SOON_MS);
    assert_int_equal(redis_memory_asked("EXPIRE"), 2);
    assert_string_equal(told().last_error, "NOPERM no right");
    end();
}

static void test_all_times_of_a_batch_are_told_by_one_clock(void **state)
{
    begin(RING);
    tell();
    rig_announce(rig.here, 2, 0, 1, SWARMS_STARTED);
    rig_pass(20);
    rig_set_wall(600 * 1000);
    rig_announce(rig.here, 2, 1, 1, SWARMS_STARTED);
    rig_pass(SOON_MS);
    assert_int_equal(told().batches, 2);
    assert_int_equal(rig_peers(rig.there), 2);
    assert_int_equal(taken().expired, 0);
    end();
}

static void test_who_is_stopped_tells_nothing_more(void **state)
{
    begin(RING);
    tell();
    publisher_stop(rig.publisher);
    rig_announce(rig.here, 2, 0, 10, SWARMS_STARTED);
    rig_pass(SOON_MS);
    assert_int_equal(redis_memory_asked("XADD"), 0);
    assert_int_equal(rig_peers(rig.there), 0);
    end();
}

static void test_who_is_dropped_is_read_no_more(void **state)
{
    unsigned asked;

    begin(RING);
    tell();
    rig_pass(SOON_MS);
    subscriber_drop(rig.subscriber, TELLER);
    asked = redis_memory_asked("XREAD");
    rig_announce(rig.here, 2, 0, 10, SWARMS_STARTED);
    rig_pass(SOON_MS);
    assert_int_equal(redis_memory_asked("XREAD"), asked);
    assert_int_equal(rig_peers(rig.there), 0);
    assert_int_equal(taken().streams, 0);
    end();
}

/* Writing, with Redis in trouble --------------------------------------------------------------- */

static void test_a_batch_whose_answer_is_lost_is_there_once(void **state)
{
    begin(RING);
    tell();
    redis_trouble = (struct redis_trouble){
        .command = "XADD", .outcome = REDIS_EXPIRED, .carried_out = true, .times = 1};
    rig_announce(rig.here, 2, 0, 10, SWARMS_STARTED);
    rig_pass(2 * SOON_MS);
    assert_int_equal(redis_memory_asked("XADD"), 2);
    assert_int_equal(told().retries, 1);
    assert_int_equal(told().batches, 1);
    assert_int_equal(told().records, 10);
    assert_int_equal(taken().batches, 1);
    assert_int_equal(taken().duplicates, 0);
    assert_int_equal(rig_peers(rig.there), 10);
    end();
}

static void test_a_batch_that_is_refused_is_sent_again(void **state)
{
    begin(RING);
    tell();
    redis_trouble = (struct redis_trouble){
        .command = "XADD", .reply = "-OOM command not allowed\r\n", .times = 3};
    rig_announce(rig.here, 2, 0, 10, SWARMS_STARTED);
    rig_pass(SOON_MS);
    assert_int_equal(told().waiting, 10);
    assert_true(told().oldest_ms >= 500);
    assert_string_equal(told().last_error, "OOM command not allowed");
    rig_announce(rig.here, 2, 10, 10, SWARMS_STARTED);
    rig_pass(2 * SOON_MS);
    assert_int_equal(told().errors, 3);
    assert_int_equal(told().waiting, 0);
    assert_int_equal(rig_peers(rig.there), 20);
    assert_int_equal(rig.gaps, 0);
    end();
}

/* An earlier run's clock was ahead: Redis takes only IDs that are later. */
static void test_a_stream_whose_end_is_in_the_future_is_written_past_it(void **state)
{
    struct delta_batch_header former = batch(EPOCH - 1, 1);

    begin(RING);
    rig_set_wall(60 * 1000);
    forge(former, 0);
    rig_set_wall(0);
    tell();
    rig_announce(rig.here, 2, 1, 10, SWARMS_STARTED);
    rig_pass(SOON_MS);
    rig_announce(rig.here, 2, 11, 10, SWARMS_STARTED);
    rig_pass(SOON_MS);
    assert_true(told().clock_bumps > 0);
    assert_int_equal(told().waiting, 0);
    assert_int_equal(rig_peers(rig.there), 21);
    assert_int_equal(rig.gaps, 0);
    end();
}

static void test_what_the_ring_lost_is_a_gap_for_readers(void **state)
{
    begin(64);
    tell();
    rig_announce(rig.here, 2, 0, 200, SWARMS_STARTED);
    rig_pass(SOON_MS);
    rig_announce(rig.here, 2, 200, 10, SWARMS_STARTED);
    rig_pass(SOON_MS);
    assert_int_equal(told().lost_in_ring, 200 - 64);
    assert_int_equal(told().waiting, 0);
    assert_int_equal(rig_peers(rig.there), 64 + 10);
    assert_int_equal(taken().gaps, 1);
    assert_int_equal(rig.gaps, 1);
    end();
}

enum { CROWD = 10000 };

/* Redis takes nothing, and everybody announces so often. */
static void pile_up(unsigned rounds, enum swarms_event event)
{
    redis_trouble = (struct redis_trouble){
        .command = "XADD", .outcome = REDIS_UNREACHABLE, .times = UINT32_MAX};
    for (unsigned i = 0; i < rounds; i++) {
        rig_announce(rig.here, 2, 0, CROWD, event);
        rig_pass(10);
        assert_true(told().waiting_bytes <= PUBLISHER_WAITING_MAX);
    }
}

/* Redis is back: all that waited comes, and what was given up is known to be missing. */
static void settle(uint64_t announces)
{
    redis_trouble.command = NULL;
    RIG_UNTIL(told().waiting == 0, 60000);
    RIG_UNTIL(taken().records + told().lost_waiting + told().lost_in_ring == announces, 60000);
    assert_int_equal(told().waiting_bytes, 0);
    rig_announce(rig.here, 2, CROWD, 1, SWARMS_STARTED);
    rig_pass(SOON_MS);
    assert_true(rig.gaps >= 1);
}

static void test_memory_is_bounded_while_redis_is_away_and_the_loss_is_a_gap(void **state)
{
    enum { ROUNDS = 100 };

    begin(RING);
    tell();
    pile_up(ROUNDS, SWARMS_STARTED);
    assert_true(told().lost_in_ring > CROWD);
    assert_int_equal(told().lost_waiting, 0);
    assert_true(told().waiting_bytes > PUBLISHER_WAITING_MAX * 9 / 10);
    settle(CROWD * ROUNDS);
    assert_int_equal(rig_peers(rig.there), CROWD + 1);
    end();
}

/* No snapshot would tell of them: when nobody else is told of any more, they are. */
static void test_who_stops_is_told_of_while_redis_is_away(void **state)
{
    enum { ROUNDS = 100 };

    begin(RING);
    tell();
    pile_up(ROUNDS, SWARMS_STARTED);
    rig_announce(rig.here, 2, 0, 100, SWARMS_STOPPED);
    rig_pass(10);
    assert_int_equal(told().lost_waiting, 0);
    settle(CROWD * ROUNDS + 100);
    assert_int_equal(rig_peers(rig.there), CROWD - 100 + 1);
    end();
}

static void test_of_too_many_who_stop_the_latest_are_told_of(void **state)
{
    enum { ROUNDS = 100, STOPS = 12 };

    begin(RING);
    tell();
    pile_up(ROUNDS, SWARMS_STARTED);
    pile_up(STOPS, SWARMS_STOPPED);
    assert_true(told().lost_waiting > 0);
    settle(CROWD * (ROUNDS + STOPS));
    assert_int_equal(rig_peers(rig.there), 1);
    end();
}

static void test_nothing_is_lost_while_the_client_takes_no_more(void **state)
{
    begin(RING);
    tell();
    redis_full = true;
    rig_announce(rig.here, 2, 0, 10, SWARMS_STARTED);
    rig_pass(SOON_MS);
    assert_int_equal(rig_peers(rig.there), 0);
    redis_full = false;
    rig_pass(SOON_MS);
    assert_int_equal(rig_peers(rig.there), 10);
    end();
}

/* Reading what isn't as it should be ----------------------------------------------------------- */

static void test_a_reader_that_comes_late_notices_what_was_trimmed(void **state)
{
    for (unsigned expects_all = 0; expects_all < 2; expects_all++) {
        begin(RING);
        for (unsigned i = 0; i < 5; i++) {
            rig_announce(rig.here, 2, i, 1, SWARMS_STARTED);
            rig_pass(SOON_MS);
        }
        redis_memory_trim(rig.key, 2);
        if (expects_all) /* else it reads the snapshot anyway */
            subscriber_expect_all(rig.subscriber);
        tell();
        rig_pass(SOON_MS);
        assert_int_equal(rig_peers(rig.there), 2);
        assert_int_equal(rig.gaps, expects_all);
        end();
        redis_memory_close();
        redis_memory_open(rig_base);
    }
}

static void test_a_stream_that_lacks_what_the_member_told_of_was_lost(void **state)
{
    begin(RING);
    forge(batch(EPOCH, 1), 1);
    tell_of((struct member_stream){.sequence = 1, .records = 1});
    rig_pass(SOON_MS);
    tell_of((struct member_stream){.sequence = 5, .records = 50});
    rig_pass(SOON_MS);
    assert_int_equal(rig.gaps, 1);
    assert_int_equal(taken().lag_records, 0);
    rig_pass(SOON_MS);
    assert_int_equal(rig.gaps, 1); /* told once */
    forge(batch(EPOCH, 6), 2);
    rig_pass(SOON_MS);
    assert_int_equal(rig.gaps, 1);
    assert_int_equal(rig_peers(rig.there), 2);
    end();
}

static void test_runs_are_told_apart(void **state)
{
    begin(RING);
    tell();
    forge(batch(EPOCH, 1), 1);
    forge(batch(EPOCH, 1), 2);     /* again */
    forge(batch(EPOCH - 1, 7), 3); /* of one who was superseded, and doesn't know it yet */
    forge(batch(EPOCH + 1, 1), 4); /* the next run, from its beginning on */
    rig_pass(SOON_MS);
    assert_int_equal(taken().duplicates, 2);
    assert_int_equal(rig_peers(rig.there), 2);
    assert_int_equal(rig.gaps, 0);
    forge(batch(EPOCH + 2, 3), 5); /* and one whose beginning is missing */
    rig_pass(SOON_MS);
    assert_int_equal(rig_peers(rig.there), 3);
    assert_int_equal(rig.gaps, 1);
    end();
}

static void test_batches_that_are_damaged_or_foreign_are_left_out(void **state)
{
    struct delta_batch_header foreign = batch(EPOCH, 1), other = batch(EPOCH, 1),
                              cut = batch(EPOCH, 2);

    begin(RING);
    tell();
    foreign.appliance = TELLER + 1;
    other.stream = 1;
    cut.records = 2; /* and there is one */
    redis_memory_append(rig.key, 1, 1, "junk", 4);
    forge(foreign, 1);
    forge(other, 2);
    forge(batch(EPOCH, 1), 3);
    rig_pass(SOON_MS);
    assert_int_equal(taken().unreadable, 3);
    assert_int_equal(rig_peers(rig.there), 1);
    forge(cut, 4);
    rig_pass(SOON_MS);
    assert_int_equal(taken().unreadable, 4);
    assert_int_equal(rig_peers(rig.there), 2);
    end();
}

static void test_answers_that_are_no_streams_are_survived(void **state)
{
    static const struct {
        const char *reply;
        unsigned unreadable;
    } odd[] = {
        {"+OK\r\n", 1},
        {"*1\r\n:5\r\n", 1},
        {"*1\r\n*2\r\n$1\r\nk\r\n:5\r\n", 1},
        {"*1\r\n*2\r\n$1\r\nk\r\n*3\r\n:1\r\n*2\r\n:1\r\n*0\r\n*2\r\n$3\r\n1-1\r\n:5\r\n", 3},
        {"*-1\r\n", 0},
    };
    unsigned unreadable = 0;

    begin(RING);
    tell();
    for (unsigned i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        redis_trouble = (struct redis_trouble){
            .command = "XREAD", .outcome = REDIS_ANSWERED, .reply = odd[i].reply, .times = 1};
        rig_pass(SOON_MS);
        unreadable += odd[i].unreadable;
        assert_int_equal(taken().unreadable, unreadable);
    }
    rig_announce(rig.here, 2, 0, 10, SWARMS_STARTED);
    rig_pass(SOON_MS);
    assert_int_equal(rig_peers(rig.there), 10);
    end();
}

static void test_reads_that_fail_are_tried_again(void **state)
{
    begin(RING);
    tell();
    rig_announce(rig.here, 2, 0, 10, SWARMS_STARTED);
    redis_trouble =
        (struct redis_trouble){.command = "XREAD", .reply = "-NOPERM no right\r\n", .times = 4};
    rig_pass(SOON_MS);
    assert_int_equal(rig_peers(rig.there), 0);
    rig_pass(2 * SOON_MS);
    assert_int_equal(taken().errors, 4);
    assert_int_equal(rig_peers(rig.there), 10);
    assert_int_equal(rig.gaps, 0);
    end();
}

static void test_lag_is_the_age_of_what_was_told_of_and_not_read(void **state)
{
    begin(RING);
    redis_trouble =
        (struct redis_trouble){.command = "XREAD", .outcome = REDIS_EXPIRED, .times = UINT32_MAX};
    tell_of((struct member_stream){.sequence = 1, .records = 1});
    rig_pass(3000);
    assert_int_equal(taken().lag_records, 1);
    assert_in_range(taken().lag_ms, 2900, 3000);
    assert_false(taken().caught_up);
    redis_trouble.command = NULL;
    forge(batch(EPOCH, 1), 1);
    rig_pass(SOON_MS);
    assert_int_equal(taken().lag_records, 0);
    assert_int_equal(taken().lag_ms, 0);
    assert_true(taken().caught_up);
    end();
}

static void test_who_is_long_gone_or_has_stopped_since_stays_away(void **state)
{
    struct delta_batch_header old = batch(EPOCH, 1);
    uint8_t info_hash[20], peer[SWARMS_PEER_MAX];

    begin(RING);
    tell();
    old.time_ms = ((uint64_t)time(NULL) - 2 * RIG_TIMEOUT) * 1000;
    forge(old, 1);
    rig_pass(SOON_MS);
    assert_int_equal(taken().expired, 1);

    forge(batch(EPOCH, 2), 2);
    rig_info_hash(2, info_hash);
    rig_peer(2, peer);
    tombstones_add(rig.stopped_there, info_hash, SWARMS_IPV4, peer, (uint32_t)time(NULL) + 1);
    rig_pass(SOON_MS);
    assert_int_equal(taken().dead, 1);
    assert_int_equal(rig_peers(rig.there), 0);
    end();
}

static void test_what_a_busy_worker_has_no_room_for_waits(void **state)
{
    enum { CLIENTS = 15000 }; /* more than its buffers hold */

    begin(RING);
    tell();
    rig_set_busy(rig.there, true);
    rig_announce(rig.here, 2, 0, CLIENTS, SWARMS_STARTED);
    rig_pass(3 * SOON_MS);
    assert_int_equal(told().waiting, 0);
    assert_false(subscriber_idle(rig.subscriber));
    assert_false(taken().caught_up);
    assert_int_equal(rig_peers(rig.there), 0);
    rig_set_busy(rig.there, false);
    rig_pass(3 * SOON_MS);
    assert_int_equal(rig_peers(rig.there), CLIENTS);
    assert_true(subscriber_idle(rig.subscriber));
    assert_int_equal(rig.gaps, 0);
    end();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_set_up, rig_tear_down)
    static const struct CMUnitTest tests[] = {
        TEST(test_what_is_announced_here_is_known_there),
        TEST(test_a_stream_that_nobody_writes_to_is_to_be_forgotten),
        TEST(test_all_times_of_a_batch_are_told_by_one_clock),
        TEST(test_who_is_stopped_tells_nothing_more),
        TEST(test_who_is_dropped_is_read_no_more),
        TEST(test_a_batch_whose_answer_is_lost_is_there_once),
        TEST(test_a_batch_that_is_refused_is_sent_again),
        TEST(test_a_stream_whose_end_is_in_the_future_is_written_past_it),
        TEST(test_what_the_ring_lost_is_a_gap_for_readers),
        TEST(test_who_stops_is_told_of_while_redis_is_away),
        TEST(test_of_too_many_who_stop_the_latest_are_told_of),
        TEST(test_memory_is_bounded_while_redis_is_away_and_the_loss_is_a_gap),
        TEST(test_nothing_is_lost_while_the_client_takes_no_more),
        TEST(test_a_reader_that_comes_late_notices_what_was_trimmed),
        TEST(test_a_stream_that_lacks_what_the_member_told_of_was_lost),
        TEST(test_runs_are_told_apart),
        TEST(test_batches_that_are_damaged_or_foreign_are_left_out),
        TEST(test_answers_that_are_no_streams_are_survived),
        TEST(test_reads_that_fail_are_tried_again),
        TEST(test_lag_is_the_age_of_what_was_told_of_and_not_read),
        TEST(test_who_is_long_gone_or_has_stopped_since_stays_away),
        TEST(test_what_a_busy_worker_has_no_room_for_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Who is in the fleet: members that come, stall, leave, are taken for each other, or write
 * nonsense. */
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "controlplane/fleet/members.h"
#include "controlplane/store/redis_slots.h"
#include "controlplane/store/seen_clock.h"
#include "fleet_rig.h"
#include "redis_memory.h"

enum {
    READY_MS = 1000,
    BEATS_MS = 2500, /* two at least, and somebody has read them */
    SILENT_MS = 6000,
};

/* A member, and what it was told. */
struct party {
    struct members *members;
    bool ready, superseded;
    unsigned records;
    char note[160];
};

static void on_ready(void *user)
{
    ((struct party *)user)->ready = true;
}

static void on_record(void *user, unsigned number)
{
    ((struct party *)user)->records++;
}

static void on_superseded(void *user)
{
    ((struct party *)user)->superseded = true;
}

static void on_note(void *user, const char *text)
{
    snprintf(((struct party *)user)->note, sizeof(((struct party *)user)->note), "%s", text);
}

static void join(struct party *party, unsigned number)
{
    const struct members_config config = {.base = rig_base,
                                          .self = number,
                                          .name = "somebody",
                                          .streams = 1,
                                          .user = party,
                                          .on_ready = on_ready,
                                          .on_record = on_record,
                                          .on_superseded = on_superseded,
                                          .on_note = on_note};

    *party = (struct party){.members = members_new(&config)};
}

static void serve(struct party *party, unsigned number)
{
    join(party, number);
    RIG_UNTIL(party->ready, READY_MS);
    members_tell(party->members, MEMBER_SERVING);
}

/* It ends without a word. */
static void crash(struct party *party)
{
    redis_memory_settle();
    members_free(party->members);
}

static enum member_health health(const struct party *party, unsigned number)
{
    return members_get(party->members, number)->health;
}

static const char *key_of(unsigned number)
{
    static char key[MEMBERS_KEY_SIZE];

    snprintf(key, sizeof(key), "{%s}:m:%u", redis_slot_tag(store_redis_slot(number)), number);
    return key;
}

static void put_record(const struct member_record *record, unsigned under)
{
    uint8_t bytes[MEMBER_RECORD_SIZE_MAX];

    redis_memory_put(key_of(under), bytes, member_record_write(record, bytes));
}

/* Coming and going ----------------------------------------------------------------------------- */

static void test_members_learn_of_each_other(void **state)
{
    struct party first, second;

    serve(&first, 0);
    serve(&second, 1);
    rig_pass(BEATS_MS);
    assert_int_equal(health(&first, 1), MEMBER_ALIVE);
    assert_int_equal(health(&second, 0), MEMBER_ALIVE);
    assert_int_equal(health(&first, 2), MEMBER_UNKNOWN);
    assert_int_equal(health(&first, 0), MEMBER_UNKNOWN); /* oneself is none of the others */
    assert_string_equal(first.note, "member 1: is alive");
    assert_string_equal(members_get(first.members, 1)->record.name, "somebody");
    assert_true(first.records >= 2);
    crash(&second);
    crash(&first);
}

/* Its record may be of long ago. */
static void test_a_record_without_a_beat_is_no_sign_of_life(void **state)
{
    struct party gone, late;

    serve(&gone, 1);
    rig_pass(BEATS_MS);
    crash(&gone);
    serve(&late, 0);
    rig_pass(BEATS_MS);
    assert_int_equal(health(&late, 1), MEMBER_SILENT);
    assert_false(members_get(late.members, 1)->clock_known);
    crash(&late);
}

static void test_who_stops_beating_is_silent_and_alive_when_it_is_back(void **state)
{
    struct party first, second;
    uint64_t epoch;

    serve(&first, 0);
    serve(&second, 1);
    rig_pass(BEATS_MS);
    epoch = members_epoch(second.members);
    crash(&second);
    rig_pass(SILENT_MS);
    assert_int_equal(health(&first, 1), MEMBER_SILENT);
    assert_string_equal(first.note, "member 1: is silent");
    serve(&second, 1);
    rig_pass(BEATS_MS);
    assert_int_equal(health(&first, 1), MEMBER_ALIVE);
    assert_true(members_get(first.members, 1)->record.epoch > epoch);
    crash(&second);
    crash(&first);
}

static void test_who_leaves_has_left(void **state)
{
    struct party first, second;

    serve(&first, 0);
    serve(&second, 1);
    rig_pass(BEATS_MS);
    members_tell(second.members, MEMBER_LEAVING);
    rig_pass(READY_MS);
    assert_int_equal(health(&first, 1), MEMBER_LEFT);
    assert_string_equal(first.note, "member 1: has left");
    crash(&second);
    rig_pass(SILENT_MS);
    assert_int_equal(health(&first, 1), MEMBER_LEFT);
    crash(&first);
}

/* One number ----------------------------------------------------------------------------------- */

static void test_a_number_that_is_taken_twice_is_the_later_ones(void **state)
{
    struct party first, second;
    uint64_t written, failed, later;

    serve(&first, 0);
    rig_pass(BEATS_MS);
    serve(&second, 0);
    rig_pass(BEATS_MS);
    assert_true(first.superseded);
    assert_false(members_may_write(first.members));
    assert_non_null(strstr(first.note, "another appliance has taken this number"));
    assert_false(second.superseded);
    assert_true(members_may_write(second.members));
    members_beats(first.members, &written, &failed);
    rig_pass(BEATS_MS);
    members_beats(first.members, &later, &failed);
    assert_int_equal(later, written);
    crash(&second);
    crash(&first);
}

static void test_a_run_is_later_than_the_one_before_though_the_clock_went_back(void **state)
{
    struct party first, second;
    uint64_t epoch;

    serve(&first, 0);
    assert_null(members_former(first.members));
    rig_pass(BEATS_MS);
    epoch = members_epoch(first.members);
    crash(&first);
    rig_set_wall(-3600 * 1000);
    serve(&second, 0);
    assert_int_equal(members_former(second.members)->epoch, epoch);
    assert_int_equal(members_epoch(second.members), epoch + 1);
    assert_true(members_may_write(second.members));
    crash(&second);
}

/* Nonsense ------------------------------------------------------------------------------------- */

static void test_records_that_cannot_be_read_are_counted_and_no_members(void **state)
{
    struct member_record stranger = {.appliance = 7, .epoch = 1, .beat = 1};
    struct party party;

    redis_memory_put(key_of(1), "junk", 4);
    put_record(&stranger, 2);
    redis_memory_append(key_of(3), 1, 1, "a stream", 8);
    serve(&party, 0);
    rig_pass(BEATS_MS);
    for (unsigned number = 1; number < 4; number++)
        assert_int_equal(health(&party, number), MEMBER_UNKNOWN);
    assert_true(members_get(party.members, 1)->unreadable >= 2);
    assert_true(members_get(party.members, 2)->unreadable >= 2);
    assert_int_equal(party.records, 0);
    crash(&party);
}

/* Of one who was superseded, and doesn't know it yet. */
static void test_a_record_of_an_earlier_run_changes_nothing(void **state)
{
    struct member_record record = {.appliance = 1, .epoch = 10, .beat = 1};
    struct party party;

    put_record(&record, 1);
    serve(&party, 0);
    record.beat++;
    put_record(&record, 1);
    rig_pass(BEATS_MS);
    assert_int_equal(health(&party, 1), MEMBER_ALIVE);
    record =
        (struct member_record){.appliance = 1, .epoch = 9, .beat = 99, .state = MEMBER_LEAVING};
    put_record(&record, 1);
    rig_pass(BEATS_MS);
    assert_int_equal(health(&party, 1), MEMBER_ALIVE);
    assert_int_equal(members_get(party.members, 1)->record.epoch, 10);
    crash(&party);
}

/* Redis in trouble ----------------------------------------------------------------------------- */

static void test_nobody_is_ready_before_every_number_was_looked_up(void **state)
{
    struct party party;

    redis_trouble = (struct redis_trouble){
        .command = "GET", .key = ":m:63", .outcome = REDIS_EXPIRED, .times = 5};
    join(&party, 0);
    while (redis_trouble.times > 0) {
        assert_false(party.ready);
        rig_pass(100);
    }
    RIG_UNTIL(party.ready, READY_MS);
    crash(&party);
}

static void test_nothing_is_lost_when_redis_takes_no_more_for_a_while(void **state)
{
    struct party party;
    uint64_t written, failed;

    redis_full = true;
    join(&party, 0);
    rig_pass(BEATS_MS);
    assert_false(party.ready);
    redis_full = false;
    RIG_UNTIL(party.ready, READY_MS);
    members_tell(party.members, MEMBER_SERVING);
    redis_trouble = (struct redis_trouble){
        .command = "SET", .reply = "-OOM command not allowed\r\n", .times = 3};
    rig_pass(6000);
    members_beats(party.members, &written, &failed);
    assert_int_equal(failed, 3);
    assert_true(written >= 2);
    crash(&party);
}

/* Clocks --------------------------------------------------------------------------------------- */

/* Writes a beat a second for a member whose wall clock is ahead, and was set by `steps`. */
static void beat(struct member_record *record, int64_t ahead_ms, unsigned beats)
{
    for (unsigned i = 0; i < beats; i++) {
        record->beat++;
        record->time_ms = UINT64_C(1700000000) * 1000 + rig_now_ms() + (uint64_t)ahead_ms;
        put_record(record, 1);
        rig_pass(1000);
    }
}

static void test_how_far_a_clock_is_ahead_is_told_by_its_beats(void **state)
{
    struct member_record record = {.appliance = 1, .epoch = 1};
    struct party party;
    const struct member *member;

    serve(&party, 0);
    member = members_get(party.members, 1);
    beat(&record, 600 * 1000, 3);
    assert_true(member->clock_known);
    assert_in_range(member->ahead_ms, 599 * 1000, 600 * 1000);
    assert_in_range(member->ahead, 599, 600);

    /* It is set ahead, and says so: what it says of time later fits what it said before. */
    record.steps_ms = 900 * 1000;
    beat(&record, 1500 * 1000, 3);
    assert_in_range(member->ahead, 599, 600);
    crash(&party);
}

static void test_two_seconds_are_taken_for_the_way_that_a_beat_takes(void **state)
{
    struct member_record record = {.appliance = 1, .epoch = 1};
    struct party party;

    serve(&party, 0);
    beat(&record, -2000, 3);
    assert_int_equal(members_get(party.members, 1)->ahead, 0);
    assert_true(members_get(party.members, 1)->ahead_ms <= -2000);
    crash(&party);
}

static void test_a_first_record_of_the_past_may_just_be_old(void **state)
{
    struct member_record record = {.appliance = 1, .epoch = 1};
    struct party party;

    serve(&party, 0);
    beat(&record, -3600 * 1000, 1);
    rig_pass(READY_MS);
    assert_int_equal(health(&party, 1), MEMBER_SILENT);
    assert_int_equal(members_get(party.members, 1)->ahead, 0);
    crash(&party);
}

static void test_a_record_from_the_future_tells_of_a_clock_that_is_ahead(void **state)
{
    struct member_record record = {.appliance = 1, .epoch = 1};
    struct party party;

    serve(&party, 0);
    beat(&record, 3600 * 1000, 1);
    rig_pass(READY_MS);
    assert_in_range(members_get(party.members, 1)->ahead, 3598, 3600);
    crash(&party);
}

static void test_an_instant_is_the_same_second_whenever_one_looks(void **state)
{
    struct seen_clock clock = {0};
    uint64_t first;

    rig_pass_to(100);
    seen_clock_set(&clock, 500);
    first = clock.wall;
    rig_pass(700);
    seen_clock_set(&clock, 501); /* a second of the tables' has begun, and none of the wall's */
    assert_int_equal(clock.wall, first + 1);
    rig_set_wall(600 * 1000);
    seen_clock_set(&clock, 501);
    assert_int_equal(clock.wall, first + 601);
    assert_int_equal(seen_clock_steady(&clock), first + 1);
    rig_set_wall(0);
    seen_clock_set(&clock, 600); /* it goes wrong */
    assert_int_equal(clock.wall, first);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_set_up, rig_tear_down)
    static const struct CMUnitTest tests[] = {
        TEST(test_members_learn_of_each_other),
        TEST(test_a_record_without_a_beat_is_no_sign_of_life),
        TEST(test_who_stops_beating_is_silent_and_alive_when_it_is_back),
        TEST(test_who_leaves_has_left),
        TEST(test_a_number_that_is_taken_twice_is_the_later_ones),
        TEST(test_a_run_is_later_than_the_one_before_though_the_clock_went_back),
        TEST(test_records_that_cannot_be_read_are_counted_and_no_members),
        TEST(test_a_record_of_an_earlier_run_changes_nothing),
        TEST(test_nobody_is_ready_before_every_number_was_looked_up),
        TEST(test_nothing_is_lost_when_redis_takes_no_more_for_a_while),
        TEST(test_how_far_a_clock_is_ahead_is_told_by_its_beats),
        TEST(test_two_seconds_are_taken_for_the_way_that_a_beat_takes),
        TEST(test_a_first_record_of_the_past_may_just_be_old),
        TEST(test_a_record_from_the_future_tells_of_a_clock_that_is_ahead),
        TEST(test_an_instant_is_the_same_second_whenever_one_looks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The cluster client: who is asked, redirections, and refusals. */
#include <errno.h>
#include <event2/event.h>
#include <hiredis/hiredis.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "redis_rig.h"

static void test_commands_go_to_the_owner_of_their_slot(void **state)
{
    struct answer answer;

    connect_with((struct redis_cluster_config){.seeds_count = 1});
    submit(&answer, true, PATIENCE_MS, "SET", "a", "high");
    wait_for(&answer);
    assert_int_equal(answer.outcome, REDIS_ANSWERED);
    submit(&answer, true, PATIENCE_MS, "SET", "b", "low");
    wait_for(&answer);
    assert_string_equal(high.value, "high");
    assert_string_equal(low.value, "low");
    submit(&answer, true, PATIENCE_MS, "GET", "a", NULL);
    wait_for(&answer);
    assert_string_equal(answer.text, "high");
    assert_int_equal(doubts, 0);
}

static void test_answers_come_in_order_and_once(void **state)
{
    enum { COUNT = 500 };
    static struct answer answers[COUNT];

    connect_with((struct redis_cluster_config){0});
    for (unsigned i = 0; i < COUNT; i++)
        assert_int_equal(submit(&answers[i], true, PATIENCE_MS, "GET", i % 2 ? "a" : "b", NULL), 0);
    wait_for(&answers[COUNT - 1]);
    wait_for(&answers[COUNT - 2]);
    for (unsigned i = 0; i < COUNT; i++)
        assert_int_equal(answers[i].calls, 1);
    assert_int_equal(low.gets, COUNT / 2);
    assert_int_equal(high.gets, COUNT / 2);
}

static void test_too_much_is_refused(void **state)
{
    struct answer answers[5];

    connect_with((struct redis_cluster_config){.commands_max = 4});
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(redis_cluster_room(cluster), 4 - i);
        assert_int_equal(submit(&answers[i], true, PATIENCE_MS, "GET", "a", NULL), 0);
    }
    assert_int_equal(redis_cluster_room(cluster), 0);
    assert_int_equal(submit(&answers[4], true, PATIENCE_MS, "GET", "a", NULL), -EAGAIN);
    wait_for(&answers[3]);
    assert_int_equal(redis_cluster_room(cluster), 4);
}

static char moved[64];

static const char *answer_moved(struct redis_fake *fake, int argc, char **argv)
{
    return strcmp(argv[0], "GET") ? redis_fake_usual(fake, argc, argv) : moved;
}

static void test_moved_is_followed_and_remembered(void **state)
{
    connect_with((struct redis_cluster_config){0});
    get("a", REDIS_ANSWERED);
    high.answer = answer_moved;
    snprintf(moved, sizeof(moved), "-MOVED 15495 127.0.0.1:%u\r\n", low.port);
    snprintf(slots, sizeof(slots),
             "*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n$9\r\n127.0.0.1\r\n:%u\r\n$1\r\nx\r\n", low.port);
    high.gets = low.gets = 0;
    get("a", REDIS_ANSWERED);
    assert_int_equal(high.gets, 1);
    assert_int_equal(low.gets, 1);
    assert_true(doubts > 0);
    get("a", REDIS_ANSWERED);
    assert_int_equal(high.gets, 1);
    run_for(600); /* the map is read anew */
    high.gets = 0;
    get("ab", REDIS_ANSWERED); /* slot 13567: was high's */
    assert_int_equal(high.gets, 0);
}

static void test_moved_in_a_circle_ends_at_the_deadline(void **state)
{
    struct answer answer;

    connect_with((struct redis_cluster_config){0});
    get("a", REDIS_ANSWERED);
    high.answer = answer_moved;
    snprintf(moved, sizeof(moved), "-MOVED 15495 127.0.0.1:%u\r\n", high.port);
    high.gets = 0;
    submit(&answer, true, 700, "GET", "a", NULL);
    wait_for(&answer);
    assert_int_equal(answer.outcome, REDIS_EXPIRED);
    assert_int_equal(answer.error, REDIS_ERROR_moved);
    assert_true(high.gets < 30);
}

static const char *answer_if_asking(struct redis_fake *fake, int argc, char **argv)
{
    if (strcmp(argv[0], "GET") != 0)
        return redis_fake_usual(fake, argc, argv);
    return fake->asking ? "$5\r\nasked\r\n" : moved;
}

static void test_ask_is_followed_once(void **state)
{
    struct answer answer;

    connect_with((struct redis_cluster_config){0});
    get("a", REDIS_ANSWERED);
    high.answer = answer_moved;
    low.answer = answer_if_asking;
    snprintf(moved, sizeof(moved), "-ASK 15495 127.0.0.1:%u\r\n", low.port);
    high.gets = low.gets = 0;
    for (unsigned i = 1; i <= 2; i++) {
        submit(&answer, true, PATIENCE_MS, "GET", "a", NULL);
        wait_for(&answer);
        assert_string_equal(answer.text, "asked");
        assert_int_equal(high.gets, i); /* the owner is still who was before */
        assert_int_equal(low.gets, i);
    }
}

static void test_single_server(void **state)
{
    low.slots = NULL;
    connect_with((struct redis_cluster_config){.single = true, .seeds_count = 1});
    get("a", REDIS_ANSWERED);
    get("b", REDIS_ANSWERED);
    assert_int_equal(low.gets, 2);
    assert_int_equal(low.slots_asked, 0);
    redis_fake_close(&low);
    strcpy(low.run_id, "second");
    redis_fake_open(&low, base);
    get("a", REDIS_ANSWERED);
    assert_int_equal(doubts, 1);
    assert_int_equal(doubt_first, 0);
    assert_int_equal(doubt_last, REDIS_SLOTS - 1);
}

static void test_node_that_left_is_forgotten(void **state)
{
    struct redis_cluster_info info;
    struct redis_fake third = {.slots = slots};

    redis_fake_open(&third, base);
    describe(low.port, third.port);
    connect_with((struct redis_cluster_config){.seeds_count = 1});
    get("a", REDIS_ANSWERED);
    redis_cluster_info(cluster, &info);
    assert_int_equal(info.nodes, 2);
    describe(low.port, low.port);
    redis_fake_close(&third);
    get("a", REDIS_ANSWERED);
    run_for(700);
    redis_cluster_info(cluster, &info);
    assert_int_equal(info.nodes, 1);
    assert_int_equal(info.slots_served, REDIS_SLOTS);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, redis_rig_set_up, redis_rig_tear_down)
    static const struct CMUnitTest tests[] = {
        TEST(test_commands_go_to_the_owner_of_their_slot),
        TEST(test_answers_come_in_order_and_once),
        TEST(test_too_much_is_refused),
        TEST(test_moved_is_followed_and_remembered),
        TEST(test_moved_in_a_circle_ends_at_the_deadline),
        TEST(test_ask_is_followed_once),
        TEST(test_single_server),
        TEST(test_node_that_left_is_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

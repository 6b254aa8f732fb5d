/* SPDX-License-Identifier: BSD-3-Clause */
/* The cluster client while servers hang, die, lie, or refuse it. */
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

static unsigned troubles;
static const char *trouble;

static const char *answer_with_trouble(struct redis_fake *fake, int argc, char **argv)
{
    if (!strcmp(argv[0], "GET") && troubles > 0) {
        troubles--;
        return trouble;
    }
    return redis_fake_usual(fake, argc, argv);
}

static void test_passing_trouble_is_sat_out(void **state)
{
    static const char *const kinds[] = {"-TRYAGAIN multiple keys\r\n", "-CLUSTERDOWN is down\r\n",
                                        "-LOADING dataset\r\n",        "-READONLY replica\r\n",
                                        "-MASTERDOWN link\r\n",        NULL};

    connect_with((struct redis_cluster_config){0});
    low.answer = high.answer = answer_with_trouble;
    for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        trouble = kinds[i];
        troubles = 2;
        get("a", REDIS_ANSWERED);
        assert_int_equal(troubles, 0);
    }
}

static void test_refusals_are_the_callers_business(void **state)
{
    static const char *const texts[] = {"-OOM command not allowed\r\n", "-NOPERM no right\r\n",
                                        "-WRONGTYPE Operation\r\n", "-ERR what\r\n"};
    static const enum redis_error kinds[] = {REDIS_ERROR_oom, REDIS_ERROR_noperm,
                                             REDIS_ERROR_wrongtype, REDIS_ERROR_other};

    connect_with((struct redis_cluster_config){0});
    low.answer = high.answer = answer_with_trouble;
    for (unsigned i = 0; i < 4; i++) {
        struct answer answer;

        trouble = texts[i];
        troubles = 1;
        submit(&answer, true, PATIENCE_MS, "GET", "a", NULL);
        wait_for(&answer);
        assert_int_equal(answer.outcome, REDIS_REFUSED);
        assert_int_equal(answer.error, kinds[i]);
        assert_memory_equal(answer.text, texts[i] + 1, strlen(texts[i]) - 3);
    }
}

static const char *answer_silence(struct redis_fake *fake, int argc, char **argv)
{
    return "";
}

static void test_silent_node_is_given_up_and_the_others_asked(void **state)
{
    struct answer answer;
    uint64_t started;

    connect_with((struct redis_cluster_config){.reply_ms = 400});
    get("a", REDIS_ANSWERED);
    get("b", REDIS_ANSWERED);
    high.answer = answer_silence;
    low.slots_asked = 0;
    started = now_ms();
    submit(&answer, true, 1500, "GET", "a", NULL);
    get("b", REDIS_ANSWERED); /* the other node is not held up */
    assert_true(now_ms() - started < 200);
    wait_for(&answer);
    assert_int_equal(answer.outcome, REDIS_EXPIRED);
    assert_true(now_ms() - started < 2000);
    assert_true(low.slots_asked >= 2); /* at least twice a second */
}

static void test_failover_is_followed(void **state)
{
    struct answer answer;

    connect_with((struct redis_cluster_config){0});
    get("a", REDIS_ANSWERED);
    redis_fake_close(&high);
    submit(&answer, true, PATIENCE_MS, "GET", "a", NULL);
    run_for(300);
    assert_int_equal(answer.calls, 0);
    snprintf(slots, sizeof(slots),
             "*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n$9\r\n127.0.0.1\r\n:%u\r\n$1\r\nx\r\n", low.port);
    wait_for(&answer);
    assert_int_equal(answer.outcome, REDIS_ANSWERED);
    assert_int_equal(doubts, 1);
    assert_int_equal(doubt_first, 8192);
    assert_int_equal(doubt_last, 16383);
}

static void test_who_does_not_wait_is_told_at_once(void **state)
{
    struct answer answer;

    connect_with((struct redis_cluster_config){0});
    get("a", REDIS_ANSWERED);
    redis_fake_close(&high);
    run_for(300);
    submit(&answer, false, PATIENCE_MS, "GET", "a", NULL);
    run_for(200);
    assert_int_equal(answer.calls, 1);
    assert_int_equal(answer.outcome, REDIS_UNREACHABLE);
    get("b", REDIS_ANSWERED);
}

static void test_restarted_node_is_noticed(void **state)
{
    struct redis_node_info info;

    connect_with((struct redis_cluster_config){0});
    get("a", REDIS_ANSWERED);
    get("b", REDIS_ANSWERED);
    redis_fake_close(&high);
    redis_fake_open(&high, base);
    get("a", REDIS_ANSWERED); /* the connection was lost, but it is the same server */
    assert_int_equal(doubts, 0);

    redis_fake_close(&high);
    strcpy(high.run_id, "second");
    redis_fake_open(&high, base);
    get("a", REDIS_ANSWERED);
    assert_int_equal(doubts, 1);
    assert_int_equal(doubt_first, 8192);
    assert_int_equal(doubt_last, 16383);
    assert_true(redis_cluster_node_info(cluster, 1, &info));
    assert_int_equal(info.restarts, 1);
    assert_int_equal(info.role, REDIS_ROLE_MASTER);
    assert_non_null(strstr(last_note, "is back"));
}

static void test_hang_up_in_the_middle_is_survived(void **state)
{
    enum { COUNT = 100 };
    static struct answer answers[COUNT];

    connect_with((struct redis_cluster_config){0});
    low.answer = high.answer = answer_with_trouble;
    trouble = NULL;
    troubles = 3;
    for (unsigned i = 0; i < COUNT; i++)
        submit(&answers[i], true, PATIENCE_MS, "GET", i % 2 ? "a" : "b", NULL);
    for (unsigned i = 0; i < COUNT; i++) {
        wait_for(&answers[i]);
        assert_int_equal(answers[i].outcome, REDIS_ANSWERED);
    }
}

static void test_garbage_is_survived(void **state)
{
    static const char *const garbage[] = {"HTTP/1.1 400 Bad Request\r\n\r\n", "*2147483647\r\n"};
    struct redis_node_info info;

    connect_with((struct redis_cluster_config){0});
    get("a", REDIS_ANSWERED);
    high.answer = answer_with_trouble;
    for (unsigned i = 0; i < 2; i++) {
        trouble = garbage[i];
        troubles = 1;
        get("a", REDIS_ANSWERED);
        redis_cluster_node_info(cluster, 1, &info);
        assert_int_equal(info.errors[REDIS_ERROR_protocol], i + 1);
    }
}

static void test_password(void **state)
{
    low.password = high.password = "secret";
    connect_with((struct redis_cluster_config){.user = "muster", .password = "secret"});
    get("a", REDIS_ANSWERED);
}

static void test_wrong_password_is_said_and_not_hammered(void **state)
{
    struct redis_node_info info;
    struct answer answer;

    low.password = high.password = "secret";
    connect_with((struct redis_cluster_config){.password = "guess", .seeds_count = 1});
    submit(&answer, true, 1200, "GET", "a", NULL);
    wait_for(&answer);
    assert_int_equal(answer.outcome, REDIS_EXPIRED);
    redis_cluster_node_info(cluster, 0, &info);
    assert_int_equal(info.last_error, REDIS_ERROR_wrongpass);
    assert_non_null(strstr(info.last_text, "WRONGPASS"));
    assert_true(low.connections <= 3);
}

/* It rests for half a second at least, then tries again: a slow machine may miss the first rest. */
static void wait_until_it_rests(struct redis_node_info *info)
{
    uint64_t until = now_ms() + PATIENCE_MS;

    do {
        run_for(1);
        redis_cluster_node_info(cluster, 0, info);
    } while (info->state != REDIS_NODE_RESTING && now_ms() < until);
    assert_int_equal(info->state, REDIS_NODE_RESTING);
}

static void test_no_password_is_said(void **state)
{
    struct redis_node_info info;

    low.password = "secret";
    connect_with((struct redis_cluster_config){.single = true});
    wait_until_it_rests(&info);
    assert_int_equal(info.last_error, REDIS_ERROR_noauth);
    assert_non_null(strstr(info.last_text, "NOAUTH"));
}

static const char *answer_without_info(struct redis_fake *fake, int argc, char **argv)
{
    if (!strcmp(argv[0], "INFO"))
        return "-NOPERM this user has no permissions to run the 'info' command\r\n";
    return redis_fake_usual(fake, argc, argv);
}

static void test_without_right_to_info_it_works(void **state)
{
    struct redis_node_info info;

    low.answer = answer_without_info;
    connect_with((struct redis_cluster_config){.single = true});
    get("a", REDIS_ANSWERED);
    redis_cluster_node_info(cluster, 0, &info);
    assert_true(info.info_denied);
    assert_int_equal(info.slots, REDIS_SLOTS);
}

static void test_closing_cancels(void **state)
{
    struct answer answers[3];

    connect_with((struct redis_cluster_config){0});
    get("a", REDIS_ANSWERED);
    high.answer = answer_silence;
    submit(&answers[0], true, PATIENCE_MS, "GET", "a", NULL); /* sent */
    run_for(20);
    redis_fake_close(&low);
    run_for(20);
    submit(&answers[1], true, PATIENCE_MS, "GET", "b", NULL); /* parked */
    submit(&answers[2], true, PATIENCE_MS, "GET", "a", NULL); /* on its way */
    redis_cluster_free(cluster);
    cluster = NULL;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(answers[i].calls, 1);
        assert_int_equal(answers[i].outcome, REDIS_CANCELLED);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, redis_rig_set_up, redis_rig_tear_down)
    static const struct CMUnitTest tests[] = {
        TEST(test_passing_trouble_is_sat_out),
        TEST(test_refusals_are_the_callers_business),
        TEST(test_silent_node_is_given_up_and_the_others_asked),
        TEST(test_failover_is_followed),
        TEST(test_who_does_not_wait_is_told_at_once),
        TEST(test_restarted_node_is_noticed),
        TEST(test_hang_up_in_the_middle_is_survived),
        TEST(test_garbage_is_survived),
        TEST(test_password),
        TEST(test_wrong_password_is_said_and_not_hammered),
        TEST(test_no_password_is_said),
        TEST(test_without_right_to_info_it_works),
        TEST(test_closing_cancels),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

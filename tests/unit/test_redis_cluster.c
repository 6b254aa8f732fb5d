/* SPDX-License-Identifier: BSD-3-Clause */
/* The cluster client against servers that misbehave on purpose. */
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

#include "controlplane/store/redis_cluster.h"
#include "redis_fake.h"

enum { PATIENCE_MS = 5000 };

/* Two nodes: slots 0-8191, and the rest. "a" is in slot 15495, "b" in 3300. */
static struct event_base *base;
static struct redis_fake low, high;
static char slots[512];
static struct redis_cluster *cluster;
static struct redis_address seeds[2];
static unsigned doubts, doubt_first, doubt_last;
static char last_note[512];

struct answer {
    unsigned calls;
    enum redis_outcome outcome;
    enum redis_error error;
    char text[64];
};

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void describe(uint16_t low_port, uint16_t high_port)
{
    snprintf(slots, sizeof(slots),
             "*2\r\n*3\r\n:0\r\n:8191\r\n*3\r\n$9\r\n127.0.0.1\r\n:%u\r\n$1\r\nx\r\n"
             "*3\r\n:8192\r\n:16383\r\n*3\r\n$9\r\n127.0.0.1\r\n:%u\r\n$1\r\ny\r\n",
             low_port, high_port);
}

static int set_up(void **state)
{
    base = event_base_new();
    low = high = (struct redis_fake){.slots = slots};
    redis_fake_open(&low, base);
    redis_fake_open(&high, base);
    describe(low.port, high.port);
    seeds[0] = (struct redis_address){.host = "127.0.0.1", .port = low.port};
    seeds[1] = (struct redis_address){.host = "127.0.0.1", .port = high.port};
    doubts = 0;
    cluster = NULL;
    return 0;
}

static int tear_down(void **state)
{
    redis_cluster_free(cluster);
    redis_fake_close(&low);
    redis_fake_close(&high);
    event_base_free(base);
    return 0;
}

static void on_doubt(void *user, unsigned first, unsigned last)
{
    doubts++;
    doubt_first = first;
    doubt_last = last;
}

static void on_note(void *user, const char *text)
{
    snprintf(last_note, sizeof(last_note), "%s", text);
}

static void connect_with(struct redis_cluster_config config)
{
    config.seeds = seeds;
    config.seeds_count = config.seeds_count ? config.seeds_count : 2;
    config.on_doubt = on_doubt;
    config.on_note = on_note;
    cluster = redis_cluster_new(base, &config);
    assert_non_null(cluster);
}

static void on_done(void *user, const struct redis_result *result)
{
    struct answer *answer = user;

    answer->calls++;
    answer->outcome = result->outcome;
    answer->error = result->error;
    answer->text[0] = '\0';
    if (result->reply && result->reply->str)
        snprintf(answer->text, sizeof(answer->text), "%s", result->reply->str);
}

static int submit(struct answer *answer, bool wait, uint32_t timeout_ms, const char *name,
                  const char *key, const char *value)
{
    const char *argv[] = {name, key, value};
    size_t sizes[] = {strlen(name), strlen(key), value ? strlen(value) : 0};
    struct redis_request request = {.argc = value ? 3 : 2,
                                    .argv = argv,
                                    .sizes = sizes,
                                    .key = 1,
                                    .timeout_ms = timeout_ms,
                                    .wait = wait,
                                    .done = on_done,
                                    .user = answer};

    *answer = (struct answer){0};
    return redis_cluster_submit(cluster, &request);
}

static void run_for(uint64_t ms)
{
    uint64_t until = now_ms() + ms;

    while (now_ms() < until) {
        struct timeval pause = {.tv_usec = 2000};

        event_base_loopexit(base, &pause);
        event_base_dispatch(base);
    }
}

static void wait_for(const struct answer *answer)
{
    uint64_t until = now_ms() + PATIENCE_MS;

    while (answer->calls == 0 && now_ms() < until)
        run_for(1);
    assert_int_equal(answer->calls, 1);
}

static void get(const char *key, enum redis_outcome outcome)
{
    struct answer answer;

    assert_int_equal(submit(&answer, true, PATIENCE_MS, "GET", key, NULL), 0);
    assert_int_equal(answer.calls, 0);
    wait_for(&answer);
    assert_int_equal(answer.outcome, outcome);
}

/* Tests ---------------------------------------------------------------------------------------- */

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

static void test_no_password_is_said(void **state)
{
    struct redis_node_info info;

    low.password = "secret";
    connect_with((struct redis_cluster_config){.single = true});
    run_for(200);
    redis_cluster_node_info(cluster, 0, &info);
    assert_int_equal(info.last_error, REDIS_ERROR_noauth);
    assert_int_equal(info.state, REDIS_NODE_RESTING);
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
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    static const struct CMUnitTest tests[] = {
        TEST(test_commands_go_to_the_owner_of_their_slot),
        TEST(test_answers_come_in_order_and_once),
        TEST(test_too_much_is_refused),
        TEST(test_moved_is_followed_and_remembered),
        TEST(test_moved_in_a_circle_ends_at_the_deadline),
        TEST(test_ask_is_followed_once),
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
        TEST(test_single_server),
        TEST(test_closing_cancels),
        TEST(test_node_that_left_is_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The log: one line an event, whatever is in it, and never too many. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <rte_log.h>

#include "../../controlplane/log.h"

static char text[64 << 10];
static int real_stderr, captured;

/* From here on, what is logged is kept. */
static int capture(void **state)
{
    fflush(stderr);
    real_stderr = dup(STDERR_FILENO);
    captured = open("/tmp", O_TMPFILE | O_RDWR, 0600);
    assert_true(captured >= 0);
    dup2(captured, STDERR_FILENO);
    log_open(LOG_TARGET_STDERR, LOG_LEVEL_INFO);
    return 0;
}

static int restore(void **state)
{
    dup2(real_stderr, STDERR_FILENO);
    close(real_stderr);
    close(captured);
    return 0;
}

/* What was logged so far. */
static const char *logged(void)
{
    ssize_t length = pread(captured, text, sizeof(text) - 1, 0);

    assert_true(length >= 0);
    text[length] = '\0';
    return text;
}

static unsigned lines(void)
{
    unsigned count = 0;

    for (const char *at = logged(); *at; at++)
        count += *at == '\n';
    return count;
}

static void writes_time_level_area_and_text(void **state)
{
    unsigned year, month, day, hour, minute, second, millisecond;
    char level[16];
    int end = 0;

    log_warning("store", "node is away: node=%s", "redis3");
    assert_int_equal(sscanf(logged(), "%4u-%2u-%2uT%2u:%2u:%2u.%3uZ %15s %n", &year, &month, &day,
                            &hour, &minute, &second, &millisecond, level, &end),
                     8);
    assert_string_equal(level, "warning");
    assert_string_equal(text + end, "store: node is away: node=redis3\n");
}

static void leaves_out_what_is_below_its_level(void **state)
{
    log_debug("test", "not this");
    assert_string_equal(logged(), "");
    log_set_level(LOG_LEVEL_DEBUG);
    log_debug("test", "this");
    assert_int_equal(lines(), 1);
    log_set_level(LOG_LEVEL_ERROR);
    log_warning("test", "not this");
    assert_int_equal(lines(), 1);
}

static void keeps_an_event_on_one_line(void **state)
{
    log_info("test", "name=%s", "two\nlines\x1b[31m\r\x7f");
    assert_int_equal(lines(), 1);
    assert_non_null(strstr(text, "name=two?lines?[31m??\n"));
}

static void cuts_a_line_that_is_too_long(void **state)
{
    static char longest[32 << 10];

    memset(longest, 'x', sizeof(longest) - 1);
    log_info("test", "%s", longest);
    assert_int_equal(lines(), 1);
    assert_true(strlen(text) < 4096);
}

static void limits_each_place_by_itself(void **state)
{
    for (unsigned i = 0; i < 1000; i++) {
        log_info("test", "storm: i=%u", i);
        if (i % 500 == 0)
            log_info("test", "calm: i=%u", i);
    }
    assert_int_equal(lines(), LOG_SITE_LINES + 2);
}

static void says_how_much_it_left_out(void **state)
{
    struct log_site site = {0};

    for (unsigned i = 0; i < 100; i++)
        log_write(&site, LOG_LEVEL_INFO, "test", "storm");
    atomic_store(&site.window, 1); /* long ago */
    log_write(&site, LOG_LEVEL_INFO, "test", "storm");
    assert_non_null(strstr(logged(), "test: storm suppressed=90\n"));
}

static void logs_each_line_of_a_text(void **state)
{
    log_lines(LOG_LEVEL_ERROR, "config", "one\n\ntwo\nthree");
    assert_int_equal(lines(), 3);
    assert_non_null(strstr(text, "config: two\n"));
}

static void takes_over_what_dpdk_says(void **state)
{
    log_adopt_dpdk();
    rte_log(RTE_LOG_ERR, RTE_LOGTYPE_EAL, "EAL: no\n");
    rte_log(RTE_LOG_DEBUG, RTE_LOGTYPE_EAL, "EAL: chatter\n");
    assert_int_equal(lines(), 1);
    assert_non_null(strstr(text, "error   dpdk: EAL: no\n"));
}

static void lives_on_when_nothing_can_be_written(void **state)
{
    int full = open("/dev/full", O_WRONLY);

    dup2(full, STDERR_FILENO);
    close(full);
    log_error("test", "lost");
}

#define LOG_TEST(test) cmocka_unit_test_setup_teardown(test, capture, restore)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOG_TEST(writes_time_level_area_and_text),
        LOG_TEST(leaves_out_what_is_below_its_level),
        LOG_TEST(keeps_an_event_on_one_line),
        LOG_TEST(cuts_a_line_that_is_too_long),
        LOG_TEST(limits_each_place_by_itself),
        LOG_TEST(says_how_much_it_left_out),
        LOG_TEST(logs_each_line_of_a_text),
        LOG_TEST(takes_over_what_dpdk_says),
        LOG_TEST(lives_on_when_nothing_can_be_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

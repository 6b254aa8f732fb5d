/* SPDX-License-Identifier: BSD-3-Clause */
#include "redis_rig.h"

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

struct event_base *base;
struct redis_fake low, high;
char slots[512];
struct redis_cluster *cluster;
struct redis_address seeds[2];
unsigned doubts, doubt_first, doubt_last;
char last_note[512];

uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void describe(uint16_t low_port, uint16_t high_port)
{
    snprintf(slots, sizeof(slots),
             "*2\r\n*3\r\n:0\r\n:8191\r\n*3\r\n$9\r\n127.0.0.1\r\n:%u\r\n$1\r\nx\r\n"
             "*3\r\n:8192\r\n:16383\r\n*3\r\n$9\r\n127.0.0.1\r\n:%u\r\n$1\r\ny\r\n",
             low_port, high_port);
}

int redis_rig_set_up(void **state)
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

int redis_rig_tear_down(void **state)
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

void connect_with(struct redis_cluster_config config)
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

int submit(struct answer *answer, bool wait, uint32_t timeout_ms, const char *name, const char *key,
           const char *value)
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

void run_for(uint64_t ms)
{
    uint64_t until = now_ms() + ms;

    while (now_ms() < until) {
        struct timeval pause = {.tv_usec = 2000};

        event_base_loopexit(base, &pause);
        event_base_dispatch(base);
    }
}

void wait_for(const struct answer *answer)
{
    uint64_t until = now_ms() + PATIENCE_MS;

    while (answer->calls == 0 && now_ms() < until)
        run_for(1);
    assert_int_equal(answer->calls, 1);
}

void get(const char *key, enum redis_outcome outcome)
{
    struct answer answer;

    assert_int_equal(submit(&answer, true, PATIENCE_MS, "GET", key, NULL), 0);
    assert_int_equal(answer.calls, 0);
    wait_for(&answer);
    assert_int_equal(answer.outcome, outcome);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/limiter.h"

#define SECOND UINT64_C(1000000000)

enum { ADDRESS = 0x076433c6, NEIGHBOUR = 0x086433c6, STRANGER = 0x07097acb }; /* as loaded */

struct fixture {
    struct limiter_line *lines;
    struct limiter_config config;
    uint64_t now;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    fixture->lines = aligned_alloc(64, LIMITER_TABLE_SIZE);
    memset(fixture->lines, 0, LIMITER_TABLE_SIZE);
    for (unsigned i = 0; i < 3; i++)
        fixture->config.secret[i] = UINT64_C(0x9e3779b97f4a7c15) * (i + 1);
    fixture->now = 12345 * SECOND;
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    free(fixture->lines);
    free(fixture);
    return 0;
}

static bool ask(struct fixture *fixture, uint32_t source)
{
    return limiter_admit_ipv4(fixture->lines, &fixture->config, LIMITER_CONNECT, source,
                              fixture->now);
}

static unsigned admitted(struct fixture *fixture, uint32_t source, unsigned requests)
{
    unsigned count = 0;

    for (unsigned i = 0; i < requests; i++)
        count += ask(fixture, source);
    return count;
}

static void limit(struct fixture *fixture, enum limiter_prefix prefix, uint32_t rate,
                  uint32_t burst)
{
    fixture->config.limits[LIMITER_CONNECT][prefix] = limiter_limit(rate, burst);
}

static void without_limits_all_pass_and_nothing_is_written(void **state)
{
    struct fixture *fixture = *state;
    struct limiter_line zeros = {{0}};

    assert_int_equal(admitted(fixture, ADDRESS, 1000), 1000);
    for (unsigned i = 0; i < LIMITER_LINES; i++)
        assert_memory_equal(&fixture->lines[i], &zeros, sizeof(zeros));
}

static void a_burst_passes_then_the_rate(void **state)
{
    struct fixture *fixture = *state;
    unsigned count = 0;

    limit(fixture, LIMITER_IPV4_32, 10, 25);
    assert_int_equal(admitted(fixture, ADDRESS, 100), 25);
    for (unsigned millisecond = 0; millisecond < 10000; millisecond++) {
        fixture->now += SECOND / 1000;
        count += ask(fixture, ADDRESS);
    }
    assert_in_range(count, 99, 101);
}

static void a_pause_gives_the_burst_back(void **state)
{
    struct fixture *fixture = *state;

    limit(fixture, LIMITER_IPV4_32, 10, 25);
    admitted(fixture, ADDRESS, 100);
    fixture->now += SECOND * 25 / 10 + SECOND / 100;
    assert_int_equal(admitted(fixture, ADDRESS, 100), 25);
}

static void debts_are_forgotten_when_the_clock_wraps(void **state)
{
    struct fixture *fixture = *state;

    limit(fixture, LIMITER_IPV4_32, 10, 25);
    fixture->now = (UINT64_C(1) << (48 + LIMITER_TICK_SHIFT)) - 1000 * SECOND;
    assert_int_equal(admitted(fixture, ADDRESS, 100), 25);
    fixture->now += 999 * SECOND;
    assert_int_equal(admitted(fixture, ADDRESS, 100), 25);
    fixture->now += 2 * SECOND;
    assert_in_range(admitted(fixture, ADDRESS, 100), 19, 20);
    fixture->now += UINT64_C(1) << 40 << LIMITER_TICK_SHIFT;
    assert_int_equal(admitted(fixture, ADDRESS, 100), 25);
    fixture->now -= UINT64_C(1) << 40 << LIMITER_TICK_SHIFT; /* debt of 3.3 days: not believed */
    assert_int_equal(admitted(fixture, ADDRESS, 100), 25);
}

static void the_wide_prefix_limits_its_sources_together(void **state)
{
    struct fixture *fixture = *state;

    limit(fixture, LIMITER_IPV4_32, 10, 25);
    limit(fixture, LIMITER_IPV4_24, 10, 40);
    assert_int_equal(admitted(fixture, ADDRESS, 100), 25);
    assert_int_equal(admitted(fixture, NEIGHBOUR, 100), 15);
    assert_int_equal(admitted(fixture, STRANGER, 100), 25);
}

static void who_is_over_the_wide_limit_keeps_its_own_budget(void **state)
{
    struct fixture *fixture = *state;

    limit(fixture, LIMITER_IPV4_32, 10, 25);
    limit(fixture, LIMITER_IPV4_24, 1000, 25);
    assert_int_equal(admitted(fixture, ADDRESS, 25), 25);
    assert_int_equal(admitted(fixture, NEIGHBOUR, 100), 0);
    fixture->now += SECOND / 20;
    assert_int_equal(admitted(fixture, NEIGHBOUR, 100), 25);
}

static void classes_and_families_are_apart(void **state)
{
    struct fixture *fixture = *state;

    for (unsigned kind = 0; kind < LIMITER_CLASSES; kind++)
        for (unsigned prefix = 0; prefix < LIMITER_PREFIXES; prefix++)
            fixture->config.limits[kind][prefix] = limiter_limit(10, 1);
    assert_true(ask(fixture, ADDRESS));
    assert_false(ask(fixture, ADDRESS));
    assert_true(limiter_admit_ipv4(fixture->lines, &fixture->config, LIMITER_ESTABLISHED, ADDRESS,
                                   fixture->now));
    assert_true(limiter_admit_ipv6(fixture->lines, &fixture->config, LIMITER_CONNECT, ADDRESS,
                                   fixture->now));
}

static void ipv6_is_limited_by_64_and_48(void **state)
{
    struct fixture *fixture = *state;
    const uint64_t site = 0x0000010db80120, other = UINT64_C(1) << 48 | site;
    unsigned count[2] = {0, 0};

    limit(fixture, LIMITER_IPV6_64, 10, 25);
    limit(fixture, LIMITER_IPV6_48, 10, 40);
    for (unsigned i = 0; i < 200; i++)
        count[i / 100] += limiter_admit_ipv6(fixture->lines, &fixture->config, LIMITER_CONNECT,
                                             i < 100 ? site : other, fixture->now);
    assert_int_equal(count[0], 25);
    assert_int_equal(count[1], 15);
}

/* One line for all: as if an attacker had found sources that collide. */
static void a_crowded_line_neither_forgets_floods_nor_shuts_strangers_out(void **state)
{
    struct limiter_line line = {{0}};
    struct limiter_limit allowed = limiter_limit(10, 10);
    uint64_t now = 1000000, hashes[LIMITER_WAYS + 4];
    unsigned passed = 0;

    for (unsigned i = 0; i < LIMITER_WAYS + 4; i++)
        hashes[i] = (uint64_t)(i + 1) << 48 | (uint64_t)i << 32;
    for (unsigned request = 0; request < 1000; request++) {
        uint64_t hash = hashes[request % (LIMITER_WAYS + 4)];
        limiter_place place = limiter_find(&line, hash, now);

        if (!limiter_has_room(place, &allowed))
            continue;
        limiter_charge(&line, place, hash, now, &allowed);
        passed++;
    }
    /* Twelve sources with 10 each would be 120; eight cells bound them to 80, and grant at least
     * that. */
    assert_int_equal(passed, LIMITER_WAYS * 10);
}

static void random_strangers_pass_beside_ten_thousand_floods(void **state)
{
    struct fixture *fixture = *state;
    unsigned refused = 0;

    limit(fixture, LIMITER_IPV4_32, 10, 20);
    srand(1);
    for (uint32_t flood = 0; flood < 10000; flood++)
        admitted(fixture, 0x0a + (flood << 8), 30);
    for (uint32_t stranger = 0; stranger < 10000; stranger++)
        refused += !ask(fixture, 0x0b + (stranger << 8));
    assert_int_equal(refused, 0);
}

#define limiter_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        limiter_test(without_limits_all_pass_and_nothing_is_written),
        limiter_test(a_burst_passes_then_the_rate),
        limiter_test(a_pause_gives_the_burst_back),
        limiter_test(debts_are_forgotten_when_the_clock_wraps),
        limiter_test(the_wide_prefix_limits_its_sources_together),
        limiter_test(who_is_over_the_wide_limit_keeps_its_own_budget),
        limiter_test(classes_and_families_are_apart),
        limiter_test(ipv6_is_limited_by_64_and_48),
        cmocka_unit_test(a_crowded_line_neither_forgets_floods_nor_shuts_strangers_out),
        limiter_test(random_strangers_pass_beside_ten_thousand_floods),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "controlplane/adaptive_interval.h"

static const struct adaptive_interval rule = {.base = 1800, .maximum = 7200, .threshold = 0.7};

static void stays_at_the_base_up_to_the_threshold(void **state)
{
    assert_int_equal(adaptive_interval(&rule, 0), 1800);
    assert_int_equal(adaptive_interval(&rule, 0.7), 1800);
}

static void reaches_the_maximum_at_full_load_and_stays_there(void **state)
{
    assert_int_equal(adaptive_interval(&rule, 1), 7200);
    assert_int_equal(adaptive_interval(&rule, 3), 7200);
    assert_int_equal(adaptive_interval(&rule, INFINITY), 7200);
}

static void doubles_half_way_to_four_times_the_base(void **state)
{
    assert_in_range(adaptive_interval(&rule, 0.85), 3480, 3600);
}

static void never_falls_while_load_rises(void **state)
{
    uint32_t before = 0;

    for (int i = 0; i <= 1000; i++) {
        uint32_t interval = adaptive_interval(&rule, i / 1000.0);

        assert_true(interval >= before && interval >= rule.base && interval <= rule.maximum);
        before = interval;
    }
}

static void changes_seldom(void **state)
{
    unsigned changes = 0;

    for (int i = 700; i < 1000; i++)
        changes +=
            adaptive_interval(&rule, i / 1000.0) != adaptive_interval(&rule, (i + 1) / 1000.0);
    assert_in_range(changes, 10, 50);
}

static void is_off_when_the_maximum_is_not_above_the_base(void **state)
{
    const struct adaptive_interval off = {.base = 1800, .maximum = 1800, .threshold = 0.7};
    const struct adaptive_interval inverted = {.base = 1800, .maximum = 60, .threshold = 0.7};

    assert_int_equal(adaptive_interval(&off, 1), 1800);
    assert_int_equal(adaptive_interval(&inverted, 1), 1800);
}

static void survives_edges(void **state)
{
    const struct adaptive_interval full = {.base = 5, .maximum = 10, .threshold = 1};
    const struct adaptive_interval zero = {.base = 0, .maximum = 10, .threshold = 0};

    assert_int_equal(adaptive_interval(&full, 1), 5);
    assert_int_equal(adaptive_interval(&zero, 1), 0);
    assert_int_equal(adaptive_interval(&rule, NAN), 1800);
}

static void load_rises_in_seconds_and_falls_in_minutes(void **state)
{
    double load = 0;

    for (int second = 0; second < 15; second++)
        load = adaptive_load(load, 1, 1);
    assert_true(load > 0.9);
    for (int second = 0; second < 15; second++)
        load = adaptive_load(load, 0, 1);
    assert_true(load > 0.7);
    for (int second = 0; second < 240; second++)
        load = adaptive_load(load, 0, 1);
    assert_true(load < 0.1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stays_at_the_base_up_to_the_threshold),
        cmocka_unit_test(reaches_the_maximum_at_full_load_and_stays_there),
        cmocka_unit_test(doubles_half_way_to_four_times_the_base),
        cmocka_unit_test(never_falls_while_load_rises),
        cmocka_unit_test(changes_seldom),
        cmocka_unit_test(is_off_when_the_maximum_is_not_above_the_base),
        cmocka_unit_test(survives_edges),
        cmocka_unit_test(load_rises_in_seconds_and_falls_in_minutes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/cookie.h"

enum { EPOCH = 29000001, ADDRESS = 0x0100000a };

static const struct cookie_state state_now = {
    .epoch = EPOCH,
    .current = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908), EPOCH - 100},
    .previous = {1, 2, 0},
};

/* The paper's test vectors: key 00..0f, messages of the bytes 00, 01, ... */
static void siphash_gives_the_values_of_its_authors(void **state)
{
    const uint64_t m0 = UINT64_C(0x0706050403020100), m1 = UINT64_C(0x0f0e0d0c0b0a0908),
                   m2 = UINT64_C(0x1716151413121110);

    assert_int_equal(cookie_siphash(&state_now.current, m0, 0, 0, 1), UINT64_C(0x93f5f5799a932462));
    assert_int_equal(cookie_siphash(&state_now.current, m0, m1, m2, 3),
                     UINT64_C(0xb8ad50c6f649af94));
}

static void an_id_is_honoured_for_at_least_two_minutes_and_at_most_three(void **state)
{
    for (uint64_t issued = EPOCH * UINT64_C(60); issued < (EPOCH + 1) * UINT64_C(60); issued++) {
        struct cookie_state then = state_now, later = state_now;
        uint64_t id4, id6;

        then.epoch = issued / COOKIE_EPOCH_SECONDS;
        id4 = cookie_ipv4(&then, then.epoch, ADDRESS);
        id6 = cookie_ipv6(&then, then.epoch, 1, 2);
        for (uint64_t age = 0; age < 300; age++) {
            later.epoch = (issued + age) / COOKIE_EPOCH_SECONDS;
            if (age <= 120) {
                assert_true(cookie_valid_ipv4(&later, id4, ADDRESS));
                assert_true(cookie_valid_ipv6(&later, id6, 1, 2));
            } else if (age >= 180) {
                assert_false(cookie_valid_ipv4(&later, id4, ADDRESS));
                assert_false(cookie_valid_ipv6(&later, id6, 1, 2));
            }
        }
    }
}

static void an_id_does_not_come_back_when_the_epochs_low_bits_do(void **state)
{
    struct cookie_state one_key = state_now;
    uint64_t old;

    one_key.current.since = 1;
    old = cookie_ipv4(&one_key, EPOCH - 256, ADDRESS);
    assert_int_equal(old >> 56, cookie_ipv4(&one_key, EPOCH, ADDRESS) >> 56);
    assert_false(cookie_valid_ipv4(&one_key, old, ADDRESS));
    old = cookie_ipv6(&one_key, EPOCH - 256, 1, 2);
    assert_int_equal(old >> 56, cookie_ipv6(&one_key, EPOCH, 1, 2) >> 56);
    assert_false(cookie_valid_ipv6(&one_key, old, 1, 2));
}

static void an_id_is_bound_to_its_address(void **state)
{
    uint64_t id4 = cookie_ipv4(&state_now, EPOCH, ADDRESS);
    uint64_t id6 = cookie_ipv6(&state_now, EPOCH, 1, 2);

    assert_false(cookie_valid_ipv4(&state_now, id4, ADDRESS + 1));
    assert_false(cookie_valid_ipv6(&state_now, id6, 1, 3));
    assert_false(cookie_valid_ipv6(&state_now, id6, 2, 2));
}

static void an_appliance_whose_clock_is_an_epoch_ahead_is_understood(void **state)
{
    struct cookie_state behind = state_now;

    behind.epoch = EPOCH - 1;
    assert_true(cookie_valid_ipv4(&behind, cookie_ipv4(&state_now, EPOCH, ADDRESS), ADDRESS));
    behind.epoch = EPOCH - 2;
    assert_false(cookie_valid_ipv4(&behind, cookie_ipv4(&state_now, EPOCH, ADDRESS), ADDRESS));
}

static void after_a_rotation_each_key_signs_its_epochs(void **state)
{
    struct cookie_state rotated = state_now;
    uint64_t before = cookie_ipv4(&state_now, EPOCH, ADDRESS);

    rotated.previous = state_now.current;
    rotated.current = (struct cookie_key){3, 4, EPOCH + 2};
    assert_int_equal(cookie_ipv4(&rotated, EPOCH + 1, ADDRESS),
                     cookie_ipv4(&state_now, EPOCH + 1, ADDRESS));
    assert_int_not_equal(cookie_ipv4(&rotated, EPOCH + 2, ADDRESS),
                         cookie_ipv4(&state_now, EPOCH + 2, ADDRESS));
    rotated.epoch = EPOCH + 2;
    assert_true(cookie_valid_ipv4(&rotated, before, ADDRESS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(siphash_gives_the_values_of_its_authors),
        cmocka_unit_test(an_id_is_honoured_for_at_least_two_minutes_and_at_most_three),
        cmocka_unit_test(an_id_does_not_come_back_when_the_epochs_low_bits_do),
        cmocka_unit_test(an_id_is_bound_to_its_address),
        cmocka_unit_test(an_appliance_whose_clock_is_an_epoch_ahead_is_understood),
        cmocka_unit_test(after_a_rotation_each_key_signs_its_epochs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

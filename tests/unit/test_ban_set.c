/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/ban_set.h"

enum { NOW = 1000 };

static struct ban ban_ipv4(const char *address, unsigned length, uint64_t until)
{
    struct ban ban = {.family = 4, .length = (uint8_t)length, .until = until};

    memcpy(ban.bytes, address, 4);
    return ban;
}

static bool holds_ipv4(const struct ban_set *set, const char *address, uint64_t now)
{
    return ban_set_holds_ipv4(set, (const uint8_t *)address, now);
}

static void nobody_is_banned_by_no_set_and_by_an_empty_one(void **state)
{
    struct ban_set *set = ban_set_create(NULL, 0);
    const uint8_t address[16] = {0x20, 1};

    assert_false(holds_ipv4(NULL, "\x0a\0\0\1", NOW));
    assert_false(holds_ipv4(set, "\x0a\0\0\1", NOW));
    assert_false(ban_set_holds_ipv6(set, address, NOW));
    ban_set_free(set);
}

static void a_prefix_holds_from_its_first_address_to_its_last(void **state)
{
    struct ban bans[] = {ban_ipv4("\x0a\1\0\0", 16, BAN_FOR_GOOD),
                         ban_ipv4("\xff\xff\xff\xff", 32, BAN_FOR_GOOD)};
    struct ban_set *set = ban_set_create(bans, 2);

    assert_false(holds_ipv4(set, "\x0a\0\xff\xff", NOW));
    assert_true(holds_ipv4(set, "\x0a\1\0\0", NOW));
    assert_true(holds_ipv4(set, "\x0a\1\xff\xff", NOW));
    assert_false(holds_ipv4(set, "\x0a\2\0\0", NOW));
    assert_true(holds_ipv4(set, "\xff\xff\xff\xff", NOW));
    ban_set_free(set);
}

static void a_ban_ends_at_its_time(void **state)
{
    struct ban ban = ban_ipv4("\x0a\0\0\0", 8, NOW);
    struct ban_set *set = ban_set_create(&ban, 1);

    assert_true(holds_ipv4(set, "\x0a\0\0\1", NOW - 1));
    assert_false(holds_ipv4(set, "\x0a\0\0\1", NOW));
    ban_set_free(set);
}

static void an_expired_prefix_inside_a_lasting_one_is_still_banned(void **state)
{
    struct ban bans[] = {ban_ipv4("\x0a\1\1\1", 32, NOW), ban_ipv4("\x0a\0\0\0", 8, BAN_FOR_GOOD)};
    struct ban_set *set = ban_set_create(bans, 2);

    assert_true(holds_ipv4(set, "\x0a\1\1\1", NOW + 1));
    assert_true(holds_ipv4(set, "\x0a\1\1\2", NOW + 1));
    ban_set_free(set);
}

static void families_are_apart(void **state)
{
    struct ban ban = {.family = 6, .length = 0, .until = BAN_FOR_GOOD};
    const uint8_t address[16] = {0x20, 1};
    struct ban_set *set = ban_set_create(&ban, 1);

    assert_true(ban_set_holds_ipv6(set, address, NOW));
    assert_false(holds_ipv4(set, "\x0a\0\0\1", NOW));
    ban_set_free(set);
}

/* What a ban set means, in the plainest way. */
static bool holds_naively(const struct ban *bans, size_t count, uint8_t family,
                          const uint8_t address[16], uint64_t now)
{
    for (size_t i = 0; i < count; i++) {
        bool covers = bans[i].family == family && bans[i].until > now;

        for (unsigned bit = 0; covers && bit < bans[i].length; bit++)
            covers = !((bans[i].bytes[bit / 8] ^ address[bit / 8]) & 0x80 >> bit % 8);
        if (covers)
            return true;
    }
    return false;
}

/* Few distinct bytes, so that prefixes nest, touch and repeat. */
static void random_address(uint8_t *bytes, unsigned size)
{
    static const uint8_t values[] = {0, 1, 0x7f, 0x80, 0xff};

    for (unsigned i = 0; i < size; i++)
        bytes[i] = values[rand() % 5];
}

static struct ban random_ban(void)
{
    struct ban ban = {.family = rand() % 2 ? 4 : 6, .until = (uint64_t)(NOW - 2 + rand() % 5)};
    unsigned bits = ban.family == 4 ? 32 : 128;

    ban.length = (uint8_t)((unsigned)rand() % (bits + 1));
    if (rand() % 2 && ban.length > 12)
        ban.length %= 13;
    random_address(ban.bytes, bits / 8);
    for (unsigned bit = ban.length; bit < 128; bit++)
        ban.bytes[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
    return ban;
}

static void random_sets_hold_what_their_prefixes_cover(void **state)
{
    srand(1);
    for (unsigned round = 0; round < 400; round++) {
        struct ban bans[48];
        size_t count = (size_t)rand() % 49;
        struct ban_set *set;

        for (size_t i = 0; i < count; i++)
            bans[i] = random_ban();
        set = ban_set_create(bans, count);
        for (unsigned i = 0; i < 400; i++) {
            uint8_t address[16] = {0};

            random_address(address, 16);
            assert_int_equal(ban_set_holds_ipv6(set, address, NOW),
                             holds_naively(bans, count, 6, address, NOW));
            assert_int_equal(ban_set_holds_ipv4(set, address, NOW),
                             holds_naively(bans, count, 4, address, NOW));
        }
        ban_set_free(set);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_is_banned_by_no_set_and_by_an_empty_one),
        cmocka_unit_test(a_prefix_holds_from_its_first_address_to_its_last),
        cmocka_unit_test(a_ban_ends_at_its_time),
        cmocka_unit_test(an_expired_prefix_inside_a_lasting_one_is_still_banned),
        cmocka_unit_test(families_are_apart),
        cmocka_unit_test(random_sets_hold_what_their_prefixes_cover),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

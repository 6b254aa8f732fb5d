/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/access_set.h"

enum { MANY = 200000 };

typedef uint8_t info_hash[20];

static info_hash *hashes;

static int random_hashes(void **state)
{
    srandom(7);
    hashes = malloc(sizeof(info_hash) * MANY);
    for (size_t i = 0; i < sizeof(info_hash) * MANY; i++)
        ((uint8_t *)hashes)[i] = (uint8_t)(random() >> 5);
    return 0;
}

static int free_hashes(void **state)
{
    free(hashes);
    return 0;
}

static bool contains(const struct access_set *set, const uint8_t *hash)
{
    return access_set_contains(set, &hash, 1);
}

static void every_hash_is_found_and_no_other(void **state)
{
    struct access_set *set = access_set_build((const info_hash *)hashes, MANY / 2);

    assert_int_equal(access_set_count(set), MANY / 2);
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(contains(set, hashes[i]), i < MANY / 2);
    access_set_free(set);
}

static void bursts_answer_bit_by_bit(void **state)
{
    struct access_set *set = access_set_build((const info_hash *)hashes, 1000);
    const uint8_t *burst[ACCESS_SET_BURST];

    for (unsigned i = 0; i < ACCESS_SET_BURST; i++)
        burst[i] = hashes[i % 3 ? i : 1000 + i];
    assert_true(access_set_contains(set, burst, 64) == UINT64_C(0x6db6db6db6db6db6));
    assert_int_equal(access_set_contains(set, burst, 4), 6);
    assert_int_equal(access_set_contains(set, burst, 0), 0);
    access_set_free(set);
}

static void hashes_come_out_sorted_without_repetitions(void **state)
{
    info_hash *twice = malloc(sizeof(info_hash) * 3000);
    struct access_set *set;
    const info_hash *sorted;

    for (unsigned i = 0; i < 3000; i++)
        memcpy(twice[i], hashes[i % 1000], 20);
    set = access_set_build((const info_hash *)twice, 3000);
    assert_int_equal(access_set_count(set), 1000);
    sorted = access_set_hashes(set);
    for (unsigned i = 1; i < 1000; i++)
        assert_true(memcmp(sorted[i - 1], sorted[i], 20) < 0);
    for (unsigned i = 0; i < 2000; i++)
        assert_int_equal(contains(set, hashes[i]), i < 1000);
    access_set_free(set);
    free(twice);
}

static void hashes_that_share_their_first_bits_are_told_apart(void **state)
{
    struct access_set *set;

    for (unsigned i = 0; i < 5000; i++)
        memset(hashes[i], 0xff, 16);
    set = access_set_build((const info_hash *)hashes, 2500);
    for (unsigned i = 0; i < 5000; i++)
        assert_int_equal(contains(set, hashes[i]), i < 2500);
    access_set_free(set);
}

static void an_empty_set_contains_nothing(void **state)
{
    struct access_set *set = access_set_build(NULL, 0);

    assert_non_null(set);
    assert_int_equal(access_set_count(set), 0);
    assert_false(contains(set, hashes[0]));
    assert_false(contains(set, (const uint8_t *)"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
                                                "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"));
    access_set_free(set);
    access_set_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_hash_is_found_and_no_other),
        cmocka_unit_test(bursts_answer_bit_by_bit),
        cmocka_unit_test(hashes_come_out_sorted_without_repetitions),
        cmocka_unit_test(hashes_that_share_their_first_bits_are_told_apart),
        cmocka_unit_test(an_empty_set_contains_nothing),
    };

    return cmocka_run_group_tests(tests, random_hashes, free_hashes);
}

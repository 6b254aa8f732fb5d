/* SPDX-License-Identifier: BSD-3-Clause */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/deltas.h"

enum { SLOTS = 64 };

static struct deltas *make(void)
{
    struct deltas *deltas = aligned_alloc(64, (deltas_size(SLOTS) + 63) & ~(size_t)63);

    deltas_init(deltas, SLOTS);
    return deltas;
}

/* Announces `count` peers, numbered from `first` on, in one burst. */
static void put_of(struct deltas *deltas, enum swarms_family family, unsigned first, unsigned count,
                   enum swarms_event event)
{
    struct swarms_announce announces[SWARMS_BURST_MAX], *pointers[SWARMS_BURST_MAX];
    uint8_t info_hash[20];

    for (unsigned i = 0; i < sizeof(info_hash); i++)
        info_hash[i] = (uint8_t)(i + 1);
    for (unsigned i = 0; i < count; i++) {
        announces[i] = (struct swarms_announce){
            .info_hash = info_hash, .event = event, .seeder = i % 2, .family = family};
        memset(announces[i].peer, 0xaa, SWARMS_PEER_MAX);
        memcpy(announces[i].peer, &(unsigned){first + i}, sizeof(unsigned));
        announces[i].peer[swarms_peer_size(family) - 1] = (uint8_t)(first + i);
        pointers[i] = &announces[i];
    }
    deltas_put(deltas, pointers, count, 1000 + first);
}

static void put(struct deltas *deltas, unsigned first, unsigned count, enum swarms_event event)
{
    put_of(deltas, SWARMS_IPV4, first, count, event);
}

static unsigned number_of(const struct delta *delta)
{
    unsigned number;

    memcpy(&number, delta->peer, sizeof(number));
    return number;
}

/* All that put_of() wrote, and of IPv4 nothing behind it. */
static void check(const struct delta *delta, enum swarms_family family, unsigned number)
{
    unsigned size = swarms_peer_size(family);

    assert_int_equal(delta->family, family);
    assert_int_equal(number_of(delta), number);
    for (unsigned i = sizeof(number); i < size - 1; i++)
        assert_int_equal(delta->peer[i], 0xaa);
    assert_int_equal(delta->peer[size - 1], (uint8_t)number);
    for (unsigned i = size; i < SWARMS_PEER_MAX; i++)
        assert_int_equal(delta->peer[i], 0);
    for (unsigned i = 0; i < sizeof(delta->info_hash); i++)
        assert_int_equal(delta->info_hash[i], i + 1);
}

static void test_who_only_asks_is_not_told_on(void **state)
{
    struct deltas *deltas = make();
    struct delta taken[SLOTS];
    uint64_t lost;

    put(deltas, 1, 2, SWARMS_STARTED);
    put(deltas, 3, 5, SWARMS_ASK);
    put(deltas, 8, 1, SWARMS_PAUSED);
    assert_int_equal(deltas_take(deltas, taken, SLOTS, &lost), 3);
    assert_int_equal(number_of(&taken[2]), 8);
    free(deltas);
}

/* Twelve slots a round, from every even one of the ring on. */
static void test_announces_come_out_in_order(void **state)
{
    struct deltas *deltas = make();
    struct delta taken[SLOTS];
    uint64_t lost;

    assert_int_equal(deltas_take(deltas, taken, SLOTS, &lost), 0);
    for (unsigned round = 0; round < 100; round++) {
        put_of(deltas, SWARMS_IPV4, round * 10, 4, SWARMS_STARTED);
        put_of(deltas, SWARMS_IPV6, round * 10 + 4, 4, SWARMS_STARTED);
        assert_int_equal(deltas_take(deltas, taken, 5, &lost), 5);
        assert_int_equal(deltas_take(deltas, taken + 5, SLOTS, &lost), 3);
        for (unsigned i = 0; i < 8; i++) {
            check(&taken[i], i < 4 ? SWARMS_IPV4 : SWARMS_IPV6, round * 10 + i);
            assert_int_equal(taken[i].seen, 1000 + round * 10 + (i < 4 ? 0 : 4));
            assert_int_equal(taken[i].flags, i % 2 ? TRANSFER_SEEDER : 0);
        }
    }
    assert_int_equal(lost, 0);
    free(deltas);
}

/* Its second slot is the ring's first. */
static void test_an_ipv6_peer_across_the_end(void **state)
{
    struct deltas *deltas = make();
    struct delta taken[SLOTS];
    uint64_t lost;

    put(deltas, 0, SLOTS - 1, SWARMS_STARTED);
    assert_int_equal(deltas_take(deltas, taken, SLOTS, &lost), SLOTS - 1);
    put_of(deltas, SWARMS_IPV6, 500, 2, SWARMS_STARTED);
    assert_int_equal(deltas_take(deltas, taken, SLOTS, &lost), 2);
    check(&taken[0], SWARMS_IPV6, 500);
    check(&taken[1], SWARMS_IPV6, 501);
    assert_int_equal(lost, 0);
    free(deltas);
}

static void test_events_become_flags(void **state)
{
    struct deltas *deltas = make();
    struct delta taken[2];
    uint64_t lost;

    put(deltas, 0, 2, SWARMS_COMPLETED);
    deltas_take(deltas, taken, 2, &lost);
    assert_int_equal(taken[1].flags, TRANSFER_SEEDER | TRANSFER_COMPLETED);
    put(deltas, 0, 2, SWARMS_STOPPED);
    deltas_take(deltas, taken, 2, &lost);
    assert_int_equal(taken[0].flags, TRANSFER_STOPPED);
    assert_int_equal(taken[1].flags, TRANSFER_STOPPED);
    free(deltas);
}

static void test_what_does_not_fit_is_counted(void **state)
{
    struct deltas *deltas = make();
    struct delta taken[SLOTS];
    uint64_t lost;

    put(deltas, 0, 40, SWARMS_STARTED);
    put(deltas, 40, 40, SWARMS_STARTED);
    put(deltas, 80, 10, SWARMS_STARTED);
    assert_int_equal(deltas_take(deltas, taken, SLOTS, &lost), SLOTS);
    assert_int_equal(lost, 26);
    assert_int_equal(number_of(&taken[SLOTS - 1]), SLOTS - 1);
    put(deltas, 500, 5, SWARMS_STARTED);
    assert_int_equal(deltas_take(deltas, taken, SLOTS, &lost), 5);
    assert_int_equal(number_of(&taken[0]), 500);
    assert_int_equal(lost, 26);
    free(deltas);
}

/* In a slot it has 16 bits; of an announce that is told late it lies before that of the others. */
static void test_when_it_was_seen(void **state)
{
    static const uint32_t seconds[] = {70000, 131071, 131072, 130000, 131072 + 65535};
    enum { COUNT = sizeof(seconds) / sizeof(seconds[0]) };
    struct deltas *deltas = make();
    struct delta taken[COUNT];
    uint64_t lost;

    for (unsigned i = 0; i + 1 < COUNT; i++)
        put(deltas, seconds[i] - 1000, 1, SWARMS_STARTED);
    assert_int_equal(deltas_take(deltas, taken, COUNT, &lost), COUNT - 1);
    for (unsigned i = 0; i + 1 < COUNT; i++)
        assert_int_equal(taken[i].seen, seconds[i]);
    put(deltas, seconds[2] - 1000, 1, SWARMS_STARTED);
    put(deltas, seconds[COUNT - 1] - 1000, 1, SWARMS_STARTED);
    assert_int_equal(deltas_take(deltas, taken, COUNT, &lost), 2);
    assert_int_equal(taken[0].seen, seconds[2]);
    assert_int_equal(taken[1].seen, seconds[COUNT - 1]);
    free(deltas);
}

static void test_half_a_peer_is_never_put(void **state)
{
    struct deltas *deltas = make();
    struct delta taken[SLOTS];
    uint64_t lost;

    put(deltas, 0, SLOTS - 1, SWARMS_STARTED);
    put_of(deltas, SWARMS_IPV6, 100, 2, SWARMS_STARTED);
    put(deltas, 200, 1, SWARMS_STARTED);
    assert_int_equal(deltas_take(deltas, taken, SLOTS, &lost), SLOTS);
    check(&taken[SLOTS - 1], SWARMS_IPV4, 200);
    assert_int_equal(lost, 2);
    free(deltas);
}

static void test_who_only_asks_is_not_lost_either(void **state)
{
    struct deltas *deltas = make();
    struct delta taken[SLOTS];
    uint64_t lost;

    put(deltas, 0, SLOTS, SWARMS_STARTED);
    put(deltas, 100, 10, SWARMS_ASK);
    deltas_take(deltas, taken, SLOTS, &lost);
    assert_int_equal(lost, 0);
    free(deltas);
}

static void test_only_stops_when_no_more_is_wanted(void **state)
{
    struct deltas *deltas = make();
    struct delta taken[SLOTS];
    uint64_t lost;

    deltas_want_only_stops(deltas, true);
    put(deltas, 0, 10, SWARMS_STARTED);
    put(deltas, 10, 5, SWARMS_STOPPED);
    put(deltas, 20, 3, SWARMS_ASK);
    assert_int_equal(deltas_take(deltas, taken, SLOTS, &lost), 5);
    assert_int_equal(number_of(&taken[0]), 10);
    assert_int_equal(taken[0].flags, TRANSFER_STOPPED);
    assert_int_equal(lost, 10);
    deltas_want_only_stops(deltas, false);
    put(deltas, 30, 10, SWARMS_STARTED);
    assert_int_equal(deltas_take(deltas, taken, SLOTS, &lost), 10);
    assert_int_equal(lost, 10);
    free(deltas);
}

enum { STREAM = 200000 };

static void *produce(void *user)
{
    for (unsigned i = 0; i < STREAM; i += 20)
        put_of(user, i % 3 ? SWARMS_IPV4 : SWARMS_IPV6, i, 20, SWARMS_STARTED);
    return NULL;
}

static void test_two_threads(void **state)
{
    struct deltas *deltas = make();
    struct delta taken[SLOTS];
    uint64_t lost = 0, got = 0;
    unsigned next = 0;
    pthread_t producer;

    pthread_create(&producer, NULL, produce, deltas);
    while (got + lost < STREAM) {
        unsigned count = deltas_take(deltas, taken, SLOTS, &lost);

        for (unsigned i = 0; i < count; i++) {
            assert_true(number_of(&taken[i]) >= next);
            check(&taken[i], taken[i].family, number_of(&taken[i]));
            next = number_of(&taken[i]) + 1;
        }
        got += count;
    }
    pthread_join(producer, NULL);
    assert_int_equal(got + lost, STREAM);
    free(deltas);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_announces_come_out_in_order),
        cmocka_unit_test(test_an_ipv6_peer_across_the_end),
        cmocka_unit_test(test_half_a_peer_is_never_put),
        cmocka_unit_test(test_when_it_was_seen),
        cmocka_unit_test(test_only_stops_when_no_more_is_wanted),
        cmocka_unit_test(test_who_only_asks_is_not_lost_either),
        cmocka_unit_test(test_who_only_asks_is_not_told_on),
        cmocka_unit_test(test_events_become_flags),
        cmocka_unit_test(test_what_does_not_fit_is_counted),
        cmocka_unit_test(test_two_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

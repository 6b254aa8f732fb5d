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
static void put(struct deltas *deltas, unsigned first, unsigned count, enum swarms_event event)
{
    struct swarms_announce announces[SWARMS_BURST_MAX], *pointers[SWARMS_BURST_MAX];
    uint8_t info_hash[20];

    memset(info_hash, 7, sizeof(info_hash));
    for (unsigned i = 0; i < count; i++) {
        announces[i] = (struct swarms_announce){
            .info_hash = info_hash, .event = event, .seeder = i % 2, .family = SWARMS_IPV6};
        memcpy(announces[i].peer, &(unsigned){first + i}, sizeof(unsigned));
        pointers[i] = &announces[i];
    }
    deltas_put(deltas, pointers, count, 1000 + first);
}

static unsigned number_of(const struct delta *delta)
{
    unsigned number;

    memcpy(&number, delta->peer, sizeof(number));
    return number;
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

static void test_announces_come_out_in_order(void **state)
{
    struct deltas *deltas = make();
    struct delta taken[SLOTS];
    uint64_t lost;

    assert_int_equal(deltas_take(deltas, taken, SLOTS, &lost), 0);
    for (unsigned round = 0; round < 100; round++) {
        put(deltas, round * 10, 10, SWARMS_STARTED);
        assert_int_equal(deltas_take(deltas, taken, 4, &lost), 4);
        assert_int_equal(deltas_take(deltas, taken + 4, SLOTS, &lost), 6);
        for (unsigned i = 0; i < 10; i++) {
            assert_int_equal(number_of(&taken[i]), round * 10 + i);
            assert_int_equal(taken[i].seen, 1000 + round * 10);
            assert_int_equal(taken[i].family, SWARMS_IPV6);
            assert_int_equal(taken[i].flags, i % 2 ? TRANSFER_SEEDER : 0);
            assert_int_equal(taken[i].info_hash[19], 7);
        }
    }
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

enum { STREAM = 200000 };

static void *produce(void *user)
{
    for (unsigned i = 0; i < STREAM; i += 20)
        put(user, i, 20, SWARMS_STARTED);
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
        cmocka_unit_test(test_who_only_asks_is_not_told_on),
        cmocka_unit_test(test_events_become_flags),
        cmocka_unit_test(test_what_does_not_fit_is_counted),
        cmocka_unit_test(test_two_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

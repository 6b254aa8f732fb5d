/* SPDX-License-Identifier: BSD-3-Clause */
/* Two threads on either end of a ring; to be run with ThreadSanitizer, too. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dataplane/handoff.h"
#include "dataplane/swarms/transfer.h"

enum { SLOTS = 64, ITEMS = 1000000 };

static struct handoff_ring *ring;
static uint64_t *values; /* written by the producer, read by the consumer, not atomic */

static int make_ring(void **state)
{
    ring = aligned_alloc(64, (handoff_ring_size(SLOTS) + 63) & ~(size_t)63);
    handoff_ring_init(ring, SLOTS);
    values = calloc(ITEMS, sizeof(*values));
    return 0;
}

static int free_ring(void **state)
{
    free(ring);
    free(values);
    return 0;
}

static void order_is_kept_and_the_rest_refused(void **state)
{
    void *in[SLOTS + 8], *out[SLOTS + 10];

    for (unsigned i = 0; i < SLOTS + 8; i++)
        in[i] = &values[i];
    assert_int_equal(handoff_take(ring, out, 8), 0);
    assert_int_equal(handoff_put(ring, in, SLOTS + 8), SLOTS);
    assert_int_equal(handoff_put(ring, in, 1), 0);
    assert_int_equal(handoff_take(ring, out, 10), 10);
    assert_int_equal(handoff_put(ring, in, 20), 10);
    assert_int_equal(handoff_take(ring, out + 10, SLOTS), SLOTS);
    for (unsigned i = 0; i < SLOTS; i++)
        assert_ptr_equal(out[i], in[i]);
    for (unsigned i = 0; i < 10; i++)
        assert_ptr_equal(out[SLOTS + i], in[i]);
    assert_int_equal(handoff_take(ring, out, 1), 0);
}

static void room_is_what_is_left(void **state)
{
    void *items[SLOTS] = {0};

    assert_int_equal(handoff_room(ring, 10), 10);
    assert_int_equal(handoff_put(ring, items, SLOTS - 4), SLOTS - 4);
    assert_int_equal(handoff_room(ring, 10), 4);
    assert_int_equal(handoff_take(ring, items, 3), 3);
    assert_int_equal(handoff_room(ring, 10), 7);
    assert_int_equal(handoff_room(ring, SLOTS), 7);
}

static void positions_may_wrap(void **state)
{
    void *item = values, *out;

    atomic_store(&ring->put, UINT32_MAX - 2);
    atomic_store(&ring->taken, UINT32_MAX - 2);
    ring->put_seen = ring->taken_seen = UINT32_MAX - 2;
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(handoff_put(ring, &item, 1), 1);
        assert_int_equal(handoff_take(ring, &out, 4), 1);
    }
    for (unsigned i = 0; i < SLOTS; i++)
        assert_int_equal(handoff_put(ring, &item, 1), 1);
    assert_int_equal(handoff_put(ring, &item, 1), 0);
}

static void *produce(void *unused)
{
    for (unsigned next = 0; next < ITEMS;) {
        void *burst[32];
        unsigned count = ITEMS - next < 32 ? ITEMS - next : 1 + next % 32;

        for (unsigned i = 0; i < count; i++) {
            values[next + i] = next + i;
            burst[i] = &values[next + i];
        }
        count = handoff_put(ring, burst, count);
        next += count;
        if (count == 0)
            sched_yield();
    }
    return NULL;
}

static void what_was_written_is_seen_by_the_other_thread(void **state)
{
    pthread_t producer;
    unsigned next = 0;

    assert_int_equal(pthread_create(&producer, NULL, produce, NULL), 0);
    while (next < ITEMS) {
        void *burst[24];
        unsigned count = handoff_take(ring, burst, 1 + next % 24);

        for (unsigned i = 0; i < count; i++, next++)
            if (*(uint64_t *)burst[i] != next)
                fail();
        if (count == 0)
            sched_yield();
    }
    pthread_join(producer, NULL);
    assert_int_equal(next, ITEMS);
}

static void each_chunk_has_one_owner(void **state)
{
    for (unsigned workers = 1; workers <= 64; workers++) {
        unsigned last = 0;

        for (unsigned chunk = 0; chunk < TRANSFER_CHUNKS; chunk++) {
            uint64_t first = (uint64_t)chunk << (64 - TRANSFER_CHUNK_BITS);
            unsigned owner = handoff_owner(first, workers);

            assert_int_equal(owner,
                             handoff_owner(first + (UINT64_MAX >> TRANSFER_CHUNK_BITS), workers));
            assert_in_range(owner, last, last + 1);
            last = owner;
        }
        assert_int_equal(last, workers - 1);
    }
}

static void shares_meet_and_cover_everything(void **state)
{
    for (unsigned workers = 1; workers <= 64; workers++) {
        uint64_t next = 0;

        for (unsigned worker = 0; worker < workers; worker++) {
            struct swarms_limits limits;

            handoff_share(worker, workers, &limits);
            assert_true(limits.hash_first == next);
            assert_int_equal(handoff_owner(limits.hash_first, workers), worker);
            assert_int_equal(handoff_owner(limits.hash_last, workers), worker);
            next = limits.hash_last + 1;
        }
        assert_true(next == 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_ring, free_ring)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(order_is_kept_and_the_rest_refused),
        TEST(room_is_what_is_left),
        TEST(positions_may_wrap),
        TEST(what_was_written_is_seen_by_the_other_thread),
        TEST(each_chunk_has_one_owner),
        TEST(shares_meet_and_cover_everything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Settings between two threads; to be run with ThreadSanitizer, too. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dataplane/settings.h"

enum { ROUNDS = 20000 };

static struct settings settings;
static _Atomic uint64_t used; /* generation that the worker uses */
static _Atomic bool stop;

/* Of a set, all values are alike: so a mixture would be seen. */
static struct dataplane_settings values(uint32_t seed)
{
    return (struct dataplane_settings){
        .interval = seed + 2,
        .interval_jitter = seed + 1,
        .burst = 32,
        .timeouts = {.peer = 60, .torrent = seed},
        .cookies = {.epoch = seed, .current = {.k0 = seed, .k1 = seed}},
    };
}

static bool consistent(const struct dataplane_settings *set)
{
    uint32_t seed = set->timeouts.torrent;

    return set->interval == seed + 2 && set->interval_jitter == seed + 1 &&
           set->cookies.epoch == seed && set->cookies.current.k0 == seed &&
           set->cookies.current.k1 == seed;
}

static void *work(void *unused)
{
    const struct settings_version *current = settings_latest(&settings);

    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        if (!consistent(&current->settings))
            return (void *)1;
        current = settings_latest(&settings);
        atomic_store_explicit(&used, current->generation, memory_order_release);
    }
    return NULL;
}

static void a_worker_never_sees_half_of_a_change_nor_freed_memory(void **state)
{
    struct dataplane_settings set = values(0);
    pthread_t worker;
    void *failed;

    assert_int_equal(settings_publish(&settings, &set), 0);
    assert_int_equal(pthread_create(&worker, NULL, work, NULL), 0);
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        set = values(round);
        assert_int_equal(settings_publish(&settings, &set), 0);
        if (atomic_load_explicit(&used, memory_order_acquire) ==
            settings_latest(&settings)->generation)
            settings_free_older(&settings);
    }
    while (atomic_load_explicit(&used, memory_order_acquire) != ROUNDS + 1)
        sched_yield();
    settings_free_older(&settings);
    atomic_store(&stop, true);
    pthread_join(worker, &failed);
    assert_null(failed);
    assert_null(settings_latest(&settings)->older);
    settings_free(&settings);
}

static void values_out_of_range_are_refused(void **state)
{
    struct dataplane_settings good = values(5), bad = good;

    bad.burst = 0;
    assert_int_equal(settings_publish(&settings, &bad), -EINVAL);
    bad.burst = SWARMS_BURST_MAX + 1;
    assert_int_equal(settings_publish(&settings, &bad), -EINVAL);
    bad = good;
    bad.interval_jitter = bad.interval;
    assert_int_equal(settings_publish(&settings, &bad), -EINVAL);
    bad = good;
    bad.timeouts.peer = SWARMS_TIMEOUT_MAX + 1;
    assert_int_equal(settings_publish(&settings, &bad), -EINVAL);
    assert_null(settings_latest(&settings));
    assert_int_equal(settings_publish(&settings, &good), 0);
    assert_int_equal(settings_latest(&settings)->generation, 1);
    settings_free(&settings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_out_of_range_are_refused),
        cmocka_unit_test(a_worker_never_sees_half_of_a_change_nor_freed_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Who may ask: bans, connection IDs and their keys, rate limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "requests.h"

static const struct frame_shape families[] = {{.ipv6 = false}, {.ipv6 = true}};

#define for_each_family(shape)                                                                     \
    for (const struct frame_shape *shape = families; shape < families + 2; shape++)

static uint64_t monotonic(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static uint64_t id_of(const struct steering_rig *rig, const struct frame_shape *shape,
                      uint64_t epoch)
{
    return request_connection_id(rig, shape->ipv6, epoch);
}

/* Connection IDs ------------------------------------------------------------------------------- */

static void ids_are_honoured_for_two_epochs_and_one_ahead(void **state)
{
    struct steering_rig *rig = *state;
    uint64_t now = rig->config.cookies.epoch;
    struct frame frame;

    for_each_family(shape)
    {
        for (int age = -130; age <= 130; age++) {
            request_announce(&frame, shape, id_of(rig, shape, now - (uint64_t)(int64_t)age));
            if (age >= -1 && age <= 2)
                expect(rig, &frame, request_steered);
            else
                expect(rig, &frame, connection_id);
        }
    }
}

static void any_changed_bit_makes_an_id_forged(void **state)
{
    struct steering_rig *rig = *state;
    struct frame frame;

    for_each_family(shape)
    {
        uint64_t id = id_of(rig, shape, rig->config.cookies.epoch);

        for (unsigned bit = 0; bit < 64; bit++) {
            request_announce(&frame, shape, id ^ UINT64_C(1) << bit);
            expect(rig, &frame, connection_id);
            request_scrape(&frame, shape, id ^ UINT64_C(1) << bit, 2);
            expect(rig, &frame, connection_id);
        }
    }
}

static void an_id_is_of_no_use_to_another_source_but_to_another_port(void **state)
{
    struct steering_rig *rig = *state;
    struct frame frame;

    for_each_family(shape)
    {
        request_announce(&frame, shape, id_of(rig, shape, rig->config.cookies.epoch));
        frame.bytes[frame.transport] ^= 0xff;
        expect(rig, &frame, request_steered);
        frame.bytes[frame.network + (shape->ipv6 ? 23 : 15)] ^= 1;
        expect(rig, &frame, connection_id);
    }
}

static void after_a_rotation_the_previous_key_is_honoured_for_its_epochs(void **state)
{
    struct steering_rig *rig = *state;
    struct cookie_state *cookies = &rig->config.cookies;
    uint64_t now = cookies->epoch, ids[2];
    struct frame frame;

    for_each_family(shape)
    {
        fixture_defaults(rig);
        ids[0] = id_of(rig, shape, now); /* of the old key */
        cookies->previous = cookies->current;
        cookies->current = (struct cookie_key){77, 88, now + 1};
        ids[1] = id_of(rig, shape, now + 1); /* of the new key */
        assert_int_not_equal(ids[0], ids[1]);
        for (unsigned epoch = 0; epoch < 5; epoch++) {
            cookies->epoch = now + epoch;
            steering_rig_publish(rig);
            request_announce(&frame, shape, ids[0]);
            if (epoch <= 2)
                expect(rig, &frame, request_steered);
            else
                expect(rig, &frame, connection_id);
            request_announce(&frame, shape, ids[1]);
            if (epoch <= 3)
                expect(rig, &frame, request_steered);
            else
                expect(rig, &frame, connection_id);
        }
    }
}

static void the_id_of_an_answered_connect_is_valid(void **state)
{
    struct steering_rig *rig = *state;
    static struct steered steered;
    struct frame frame;
    uint64_t id;

    for_each_family(shape)
    {
        request_connect(&frame, shape);
        fixture_run(rig, frame.bytes, frame.request.length, &steered);
        memcpy(&id, steered.bytes + frame.payload + 8, sizeof(id));
        request_announce(&frame, shape, __builtin_bswap64(id));
        expect(rig, &frame, request_steered);
    }
}

/* Bans ----------------------------------------------------------------------------------------- */

/* The program's clock goes in ticks of the kernel, of 10 ms at most: it is that much behind. */
#define COARSE_CLOCK_LAG UINT64_C(10000000) /* nanoseconds */

static void ban(struct steering_rig *rig, bool ipv6, unsigned length, uint64_t until)
{
    steering_rig_ban(rig, ipv6 ? 6 : 4, ipv6 ? FRAME_CLIENT_IPV6 : FRAME_CLIENT_IPV4, length,
                     until);
    rig->config.bans_ipv4 = rig->config.bans_ipv6 = 1;
    steering_rig_publish(rig);
}

static void a_ban_holds_for_its_prefix_until_it_ends(void **state)
{
    struct steering_rig *rig = *state;
    struct frame frame;

    for_each_family(shape)
    {
        unsigned bits = shape->ipv6 ? 128 : 32;
        unsigned last = shape->ipv6 ? 23 : 15;

        for (unsigned length = 0; length <= bits; length++) {
            request_connect(&frame, shape);
            expect(rig, &frame, connect_answered);
            ban(rig, shape->ipv6, length, UINT64_MAX);
            expect(rig, &frame, banned);
            frame.bytes[frame.network + last] ^= 1; /* the last bit of the source */
            if (length < bits)
                expect(rig, &frame, banned);
            else
                expect(rig, &frame, connect_answered);
            request_announce(&frame, shape, 1);
            expect(rig, &frame, banned);
            ban(rig, shape->ipv6, length, monotonic() - COARSE_CLOCK_LAG);
            request_connect(&frame, shape);
            expect(rig, &frame, connect_answered);
            ban(rig, shape->ipv6, length, 0);
        }
    }
}

/* Limits --------------------------------------------------------------------------------------- */

static void limit(struct steering_rig *rig, enum limiter_class kind, enum limiter_prefix prefix,
                  uint32_t rate, uint32_t burst)
{
    steering_rig_clear_limiter(rig);
    rig->config.limiter.limits[kind][prefix] = limiter_limit(rate, burst);
    steering_rig_publish(rig);
}

static void connects_over_the_limit_are_dropped_and_established_clients_are_not(void **state)
{
    struct steering_rig *rig = *state;
    struct frame frame;

    for_each_family(shape)
    {
        limit(rig, LIMITER_CONNECT, shape->ipv6 ? LIMITER_IPV6_64 : LIMITER_IPV4_32, 1, 5);
        request_connect(&frame, shape);
        for (unsigned i = 0; i < 5; i++)
            expect(rig, &frame, connect_answered);
        expect(rig, &frame, limited_connect);
        request_announce(&frame, shape, id_of(rig, shape, rig->config.cookies.epoch));
        expect(rig, &frame, request_steered);
    }
}

static void established_clients_have_a_limit_that_forgeries_do_not_use_up(void **state)
{
    struct steering_rig *rig = *state;
    struct frame frame;

    for_each_family(shape)
    {
        uint64_t id = id_of(rig, shape, rig->config.cookies.epoch);

        limit(rig, LIMITER_ESTABLISHED, shape->ipv6 ? LIMITER_IPV6_64 : LIMITER_IPV4_32, 1, 5);
        request_announce(&frame, shape, id ^ 1);
        for (unsigned i = 0; i < 100; i++)
            expect(rig, &frame, connection_id);
        request_announce(&frame, shape, id);
        for (unsigned i = 0; i < 5; i++)
            expect(rig, &frame, request_steered);
        expect(rig, &frame, limited_established);
    }
}

static void sources_of_one_wide_prefix_are_limited_together(void **state)
{
    struct steering_rig *rig = *state;
    struct frame frame;

    for_each_family(shape)
    {
        unsigned host = shape->ipv6 ? 8 + 6 : 12 + 3; /* the byte right behind the /48 or /24 */

        limit(rig, LIMITER_CONNECT, shape->ipv6 ? LIMITER_IPV6_48 : LIMITER_IPV4_24, 1, 5);
        for (unsigned i = 0; i < 5; i++) {
            request_connect(&frame, shape);
            frame.bytes[frame.network + host] = (uint8_t)i;
            expect(rig, &frame, connect_answered);
        }
        request_connect(&frame, shape);
        expect(rig, &frame, limited_connect);
        frame.bytes[frame.network + host - 1] ^= 1;
        expect(rig, &frame, connect_answered);
    }
}

static void dry_run_counts_and_lets_through(void **state)
{
    struct steering_rig *rig = *state;
    static struct steered steered;
    struct frame frame;

    rig->config.limiter.dry_run = 1;
    for_each_family(shape)
    {
        limit(rig, LIMITER_CONNECT, shape->ipv6 ? LIMITER_IPV6_64 : LIMITER_IPV4_32, 1, 5);
        request_connect(&frame, shape);
        for (unsigned i = 0; i < 10; i++) {
            fixture_run(rig, frame.bytes, frame.request.length, &steered);
            assert_int_equal(steered.verdict, STEERING_connect_answered);
            assert_int_equal(steered.would_limit, i >= 5);
        }
    }
}

#define admit_test(name) cmocka_unit_test_setup(name, request_setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        admit_test(ids_are_honoured_for_two_epochs_and_one_ahead),
        admit_test(any_changed_bit_makes_an_id_forged),
        admit_test(an_id_is_of_no_use_to_another_source_but_to_another_port),
        admit_test(after_a_rotation_the_previous_key_is_honoured_for_its_epochs),
        admit_test(the_id_of_an_answered_connect_is_valid),
        admit_test(a_ban_holds_for_its_prefix_until_it_ends),
        admit_test(connects_over_the_limit_are_dropped_and_established_clients_are_not),
        admit_test(established_clients_have_a_limit_that_forgeries_do_not_use_up),
        admit_test(sources_of_one_wide_prefix_are_limited_together),
        admit_test(dry_run_counts_and_lets_through),
    };

    return cmocka_run_group_tests(tests, request_group_setup, request_group_teardown);
}

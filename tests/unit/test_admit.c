/* SPDX-License-Identifier: BSD-3-Clause */
/* Connection IDs as the workers give them out and check them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/admit.h"
#include "dataplane/packet.h"
#include "frame.h"

static struct listen_table listen;
static struct frame frame;
static uint8_t payload[256];
static struct cookie_state cookies;

static const struct frame_shape shapes[] = {{.tags = 0}, {.options = 8, .tags = 2}, {.ipv6 = true}};

#define FOR_EACH_SHAPE(shape)                                                                      \
    for (const struct frame_shape *shape = shapes; shape < shapes + 3; shape++)

static void receive(const struct frame_shape *shape, uint64_t connection_id)
{
    frame_build(&frame, shape, payload, frame_announce(payload, connection_id, 7, 1, 6881));
    packet_parse(&listen, &frame.request);
    assert_int_equal(frame.request.verdict, REQUEST_ANNOUNCE);
}

static uint64_t issue(const struct frame_shape *shape)
{
    receive(shape, 0);
    return admit_issue(&cookies, &frame.request);
}

static bool verify(const struct frame_shape *shape, uint64_t connection_id)
{
    struct request *burst[] = {&frame.request};
    uint64_t ids[SWARMS_BURST_MAX];
    bool verified;

    receive(shape, connection_id);
    verified = admit_verify(&cookies, &frame.request);
    assert_int_equal(admit_burst(&cookies, burst, 1, ids), verified);
    return verified;
}

static void what_was_issued_is_honoured(void **state)
{
    FOR_EACH_SHAPE(shape)
    {
        assert_true(verify(shape, issue(shape)));
    }
}

static void every_bit_counts(void **state)
{
    FOR_EACH_SHAPE(shape)
    {
        uint64_t id = issue(shape);

        for (unsigned bit = 0; bit < 64; bit++)
            assert_false(verify(shape, id ^ UINT64_C(1) << bit));
        assert_false(verify(shape, 0x41727101980));
    }
}

static void another_source_is_not_honoured_another_port_is(void **state)
{
    FOR_EACH_SHAPE(shape)
    {
        uint64_t id = issue(shape);

        receive(shape, id);
        frame.bytes[frame.transport + 1] ^= 1;
        assert_true(admit_verify(&cookies, &frame.request));
        frame.bytes[frame.network + (shape->ipv6 ? 8 + 15 : 12 + 3)] ^= 1;
        assert_false(admit_verify(&cookies, &frame.request));
    }
}

/* BEP 15: an ID serves for two minutes. */
static void two_minutes_and_no_more_than_three(void **state)
{
    FOR_EACH_SHAPE(shape)
    {
        uint64_t id = issue(shape), issued = cookies.epoch;

        for (unsigned minutes = 0; minutes < 300; minutes++) {
            cookies.epoch = issued + minutes; /* after 256 the tag repeats: the hash still tells */
            assert_int_equal(verify(shape, id), minutes <= 2);
        }
        cookies.epoch = issued - 1; /* issued by an appliance whose clock is ahead */
        assert_true(verify(shape, id));
        cookies.epoch = issued - 2;
        assert_false(verify(shape, id));
        cookies.epoch = issued;
    }
}

static void a_rotated_key_is_honoured_for_its_epochs(void **state)
{
    FOR_EACH_SHAPE(shape)
    {
        struct cookie_state before = cookies;
        uint64_t id = issue(shape);

        cookies.epoch++;
        cookies.previous = cookies.current;
        cookies.current = (struct cookie_key){.k0 = 99, .k1 = 98, .since = cookies.epoch};
        assert_true(verify(shape, id));
        assert_true(verify(shape, issue(shape)));
        cookies.previous.k0 ^= 1;
        assert_false(verify(shape, id));
        cookies = before;
    }
}

/* Bursts of all lengths: valid and forged IDs, both families, connects in between. */
static void a_burst_is_verified_like_each_of_it(void **state)
{
    static struct frame frames[SWARMS_BURST_MAX];
    struct request *burst[SWARMS_BURST_MAX];
    uint64_t expected = 0, connects = 0, ids[SWARMS_BURST_MAX];

    for (unsigned i = 0; i < SWARMS_BURST_MAX; i++) {
        const struct frame_shape *shape = &shapes[i * 7 % 3];
        bool valid = i * 5 % 3 != 0;

        verify(shape, issue(shape) ^ (uint64_t)!valid);
        frames[i] = frame;
        burst[i] = &frames[i].request;
        burst[i]->frame = frames[i].bytes + (frame.request.frame - frame.bytes);
        if (i % 11 == 10) {
            burst[i]->verdict = REQUEST_CONNECT;
            connects |= UINT64_C(1) << i;
        } else {
            expected |= (uint64_t)valid << i;
        }
    }
    for (unsigned count = 0; count <= SWARMS_BURST_MAX; count++) {
        uint64_t mask = count == 64 ? UINT64_MAX : (UINT64_C(1) << count) - 1;

        assert_int_equal(admit_burst(&cookies, burst, count, ids) & ~connects, expected & mask);
        for (unsigned i = 10; i < count; i += 11)
            assert_int_equal(ids[i], admit_issue(&cookies, burst[i]));
    }
}

static int prepare(void **state)
{
    frame_listen(&listen);
    cookies.epoch = 29000000;
    cookies.current = (struct cookie_key){.k0 = 0x0123456789abcdef, .k1 = 42, .since = 1};
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_issued_is_honoured),
        cmocka_unit_test(every_bit_counts),
        cmocka_unit_test(another_source_is_not_honoured_another_port_is),
        cmocka_unit_test(two_minutes_and_no_more_than_three),
        cmocka_unit_test(a_burst_is_verified_like_each_of_it),
        cmocka_unit_test(a_rotated_key_is_honoured_for_its_epochs),
    };

    return cmocka_run_group_tests(tests, prepare, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Announces from packet to packet: what is asked of the tables, and what the client is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/announce.h"
#include "rig.h"

static struct rig rig;
static struct frame frame;
static const struct frame_shape ipv4, ipv6 = {.ipv6 = true};

/* What an announce asks; the client's address is its last byte. */
struct question {
    const struct frame_shape *shape;
    uint8_t client;
    uint16_t port;
    uint32_t event;
    uint64_t left;
    int32_t num_want;
    uint16_t mtu;
};

static void put_be(uint8_t *at, uint64_t value, unsigned size)
{
    while (size-- > 0) {
        at[size] = (uint8_t)value;
        value >>= 8;
    }
}

/* Serves it and returns how many peers came back. */
static unsigned ask(const struct question *question)
{
    const struct cookie_state *cookies = &rig.settings.cookies;
    uint8_t payload[98], source[16];
    uint64_t halves[2], id;
    uint32_t address;
    bool is_ipv6 = question->shape->ipv6;

    memcpy(source, is_ipv6 ? FRAME_CLIENT_IPV6 : FRAME_CLIENT_IPV4 "............", 16);
    source[is_ipv6 ? 15 : 3] = question->client;
    memcpy(&address, source, 4);
    memcpy(halves, source, 16);
    id = is_ipv6 ? cookie_ipv6(cookies, cookies->epoch, halves[0], halves[1])
                 : cookie_ipv4(cookies, cookies->epoch, address);
    frame_announce(payload, id, 9, 0x55, question->port);
    put_be(payload + 64, question->left, 8);
    put_be(payload + 80, question->event, 4);
    put_be(payload + 84, 0x01020304, 4); /* the address it claims is of no matter */
    put_be(payload + 92, (uint32_t)question->num_want, 4);
    frame_build(&frame, question->shape, payload, sizeof(payload));
    memcpy(frame.bytes + frame.network + (is_ipv6 ? 8 : 12), source, is_ipv6 ? 16 : 4);
    if (question->mtu)
        frame.request.mtu = question->mtu;
    rig_serve(&rig, &frame);
    assert_int_equal(frame.request.verdict, REQUEST_REPLY_ANNOUNCE);
    return (frame.request.payload_length - 20u) / (is_ipv6 ? 18 : 6);
}

static uint32_t leechers(void)
{
    return rig_load32(rig_payload(&frame) + 12);
}

static uint32_t seeders(void)
{
    return rig_load32(rig_payload(&frame) + 16);
}

static uint32_t interval(void)
{
    return rig_load32(rig_payload(&frame) + 8);
}

/* 250 leechers of each family. */
static void crowd(void)
{
    for (unsigned i = 1; i <= 250; i++) {
        ask(&(struct question){.shape = &ipv4, .client = (uint8_t)i, .port = 1, .left = 1});
        ask(&(struct question){.shape = &ipv6, .client = (uint8_t)i, .port = 1, .left = 1});
    }
}

static void the_peer_is_the_source_and_the_announced_port(void **state)
{
    ask(&(struct question){&ipv4, .client = 1, .port = 0x1234, .left = 1});
    assert_int_equal(ask(&(struct question){&ipv4, 2, 7, .left = 1, .num_want = -1}), 1);
    assert_memory_equal(rig_payload(&frame) + 20, "\xc6\x33\x64\x01\x12\x34", 6);
    ask(&(struct question){&ipv6, .client = 1, .port = 0x1234, .left = 1});
    assert_int_equal(ask(&(struct question){&ipv6, 2, 7, .left = 1, .num_want = -1}), 1);
    assert_memory_equal(rig_payload(&frame) + 20,
                        "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x12\x34", 18);
}

static void families_have_swarms_of_their_own(void **state)
{
    ask(&(struct question){&ipv4, .client = 1, .port = 1, .left = 1});
    assert_int_equal(ask(&(struct question){&ipv6, .client = 1, .port = 1, .left = 1}), 0);
    assert_int_equal(leechers(), 1);
}

static void num_want_is_honoured_and_capped(void **state)
{
    struct question question = {&ipv4, .client = 251, .port = 1, .left = 1};

    crowd();
    question.num_want = 10;
    assert_int_equal(ask(&question), 10);
    question.num_want = 0;
    assert_int_equal(ask(&question), 0);
    question.num_want = -1;
    assert_int_equal(ask(&question), rig.settings.numwant_default);
    question.num_want = INT32_MIN;
    assert_int_equal(ask(&question), rig.settings.numwant_default);
    question.num_want = 100000;
    assert_int_equal(ask(&question), rig.settings.numwant_max);
    question.num_want = INT32_MAX;
    assert_int_equal(ask(&question), rig.settings.numwant_max);
}

static void no_reply_exceeds_the_mtu(void **state)
{
    crowd();
    rig.settings.numwant_max = 1000;
    for (unsigned family = 0; family < 2; family++) {
        for (uint16_t mtu = 576; mtu <= 1500; mtu = (uint16_t)(mtu + 11)) {
            const struct frame_shape *shape = family ? &ipv6 : &ipv4;
            unsigned header = (family ? 40 : 20) + 8 + 20, size = family ? 18 : 6;
            struct question question = {shape, 251, 1, .left = 1, .num_want = 999, .mtu = mtu};

            unsigned peers = ask(&question);

            assert_true(frame.request.length - 14u <= mtu);
            assert_true(peers >= 250 || header + (peers + 1) * size > mtu);
        }
    }
}

static void no_reply_exceeds_the_frame(void **state)
{
    struct question question = {&ipv6, 251, 1, .left = 1, .num_want = 999, .mtu = 9000};

    crowd();
    rig.settings.numwant_max = 1000;
    assert_int_equal(ask(&question), (FRAME_ROOM - SWARMS_REPLY_SLACK - (14 + 40 + 8 + 20)) / 18);
}

static void who_stops_gets_no_peers(void **state)
{
    struct question question = {&ipv4, 251, 1, .left = 1, .num_want = 50};

    crowd();
    assert_int_equal(ask(&question), 50);
    question.event = 3;
    assert_int_equal(ask(&question), 0);
    assert_int_equal(leechers(), 250);
}

static void events_change_the_counts(void **state)
{
    struct question question = {&ipv4, 1, 1, .event = 2, .left = 1};

    ask(&question);
    assert_int_equal(leechers(), 1);
    question.left = 0;
    question.event = 1;
    ask(&question);
    assert_int_equal(leechers(), 0);
    assert_int_equal(seeders(), 1);
    ask(&question); /* a download counts once */
    assert_int_equal(swarms_counters(rig.pipelines[0].swarms)->completed, 1);
    question.event = 0x0103; /* unknown: none */
    ask(&question);
    assert_int_equal(seeders(), 1);
    question.event = 3;
    ask(&question);
    assert_int_equal(seeders(), 0);
}

static void who_has_no_port_is_told_of_peers_and_not_kept(void **state)
{
    for (unsigned family = 0; family < 2; family++) {
        struct question question = {family ? &ipv6 : &ipv4, 251, 0, .left = 1, .num_want = 50};
        struct question peer = {question.shape, 1, 7, .left = 1, .num_want = 50};

        assert_int_equal(ask(&question), 0);
        assert_int_equal(leechers(), 0);
        assert_int_equal(swarms_counters(rig.pipelines[0].swarms)->torrents[family], 0);
        ask(&peer);
        assert_int_equal(ask(&question), 1);
        assert_int_equal(leechers(), 1);
        question.event = 3;
        assert_int_equal(ask(&question), 0);
        assert_int_equal(ask(&peer), 0);
        assert_int_equal(leechers(), 1);
        peer.left = 0;
        ask(&peer);
        question.event = 4; /* a partial seed has no use for a seeder */
        assert_int_equal(ask(&question), 0);
        question.event = 0;
        assert_int_equal(ask(&question), 1);
    }
}

static void a_partial_seed_is_a_leecher_that_is_told_of_leechers(void **state)
{
    struct question question = {&ipv4, 251, 1, .event = 4, .left = 1, .num_want = 200};

    crowd();
    for (unsigned i = 1; i <= 100; i++) /* seeders, of 250 */
        ask(&(struct question){.shape = &ipv4, .client = (uint8_t)i, .port = 1});
    assert_int_equal(ask(&question), 150);
    assert_int_equal(leechers(), 151);
    assert_int_equal(seeders(), 100);
    assert_int_equal(ask(&question), 150);
    question.num_want = 149; /* a window, from which he has to be left out */
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(ask(&question), 149);
        for (unsigned peer = 0; peer < 149; peer++) {
            uint8_t client = rig_payload(&frame)[20 + peer * 6 + 3];

            assert_in_range(client, 101, 250);
        }
    }
    question.event = 0;
    question.num_want = 200;
    assert_int_equal(ask(&question), 200);
}

static void left_of_whoever_does_not_know_it_is_a_leechers(void **state)
{
    ask(&(struct question){&ipv4, 1, 1, .left = UINT64_MAX});
    ask(&(struct question){&ipv4, 2, 1, .left = UINT64_C(1) << 32});
    assert_int_equal(leechers(), 2);
}

static void the_interval_is_spread_over_the_jitter(void **state)
{
    uint32_t least = UINT32_MAX, most = 0;

    for (unsigned i = 0; i < 5000; i++) {
        ask(&(struct question){&ipv4, 1, 1, .left = 1});
        least = interval() < least ? interval() : least;
        most = interval() > most ? interval() : most;
    }
    assert_int_equal(least, 1740);
    assert_int_equal(most, 1860);
    rig.settings.interval_jitter = 0;
    ask(&(struct question){&ipv4, 1, 1, .left = 1});
    assert_int_equal(interval(), 1800);
}

static void the_interval_is_uniform_and_longest_while_draining(void **state)
{
    struct dataplane_settings settings = {.interval = 100, .interval_jitter = 1};

    assert_int_equal(announce_interval(&settings, 0), 99);
    assert_int_equal(announce_interval(&settings, UINT32_MAX / 2), 100);
    assert_int_equal(announce_interval(&settings, UINT32_MAX), 101);
    settings.draining = true;
    assert_int_equal(announce_interval(&settings, 0), 101);
}

static int start(void **state)
{
    rig_start(&rig, 1);
    return 0;
}

static int stop(void **state)
{
    rig_stop(&rig);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_peer_is_the_source_and_the_announced_port),
        TEST(families_have_swarms_of_their_own),
        TEST(num_want_is_honoured_and_capped),
        TEST(no_reply_exceeds_the_mtu),
        TEST(no_reply_exceeds_the_frame),
        TEST(who_stops_gets_no_peers),
        TEST(events_change_the_counts),
        TEST(who_has_no_port_is_told_of_peers_and_not_kept),
        TEST(a_partial_seed_is_a_leecher_that_is_told_of_leechers),
        TEST(left_of_whoever_does_not_know_it_is_a_leechers),
        TEST(the_interval_is_spread_over_the_jitter),
        TEST(the_interval_is_uniform_and_longest_while_draining),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The bytes of replies: headers turned round, lengths, checksums. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/packet.h"
#include "dataplane/reply.h"
#include "frame.h"

static struct listen_table listen;
static struct frame frame;
static uint8_t payload[2048];

static const struct frame_shape shapes[] = {
    {.tags = 0},
    {.tags = 1},
    {.tags = 2},
    {.options = 4},
    {.options = 40, .tags = 2},
    {.ipv6 = true},
    {.ipv6 = true, .tags = 2},
};
enum { SHAPES = sizeof(shapes) / sizeof(shapes[0]) };

static void receive(const struct frame_shape *shape, unsigned length)
{
    frame_build(&frame, shape, payload, length);
    packet_parse(&listen, &frame.request);
    assert_in_range(frame.request.verdict, REQUEST_CONNECT, REQUEST_SCRAPE);
}

static void finish(struct request *request)
{
    reply_finish(&request, 1);
}

static const uint8_t *reply_at(unsigned offset)
{
    return frame.request.frame + offset;
}

static void connect_reply(void **state)
{
    for (unsigned i = 0; i < SHAPES; i++) {
        unsigned l2 = 14 + 4 * shapes[i].tags, l3 = shapes[i].ipv6 ? 40 : 20;

        receive(&shapes[i], frame_connect(payload, 0x01020304) + i);
        reply_connect(&frame.request, 0x1122334455667788);
        finish(&frame.request);
        assert_int_equal(frame.request.verdict, REQUEST_REPLY_CONNECT);
        assert_int_equal(frame.request.length, l2 + l3 + 8 + 16);
        assert_memory_equal(reply_at(l2 + l3 + 8),
                            "\0\0\0\0\x01\x02\x03\x04\x11\x22\x33\x44\x55\x66\x77\x88", 16);
        assert_true(frame_checksums_right(frame.request.frame, l2, l2 + l3));
    }
}

static void headers_are_turned_round(void **state)
{
    for (unsigned i = 0; i < SHAPES; i++) {
        unsigned l2 = 14 + 4 * shapes[i].tags;
        uint8_t tags[10];

        receive(&shapes[i], frame_connect(payload, 1));
        memcpy(tags, frame.bytes + 12, l2 - 12);
        reply_connect(&frame.request, 1);
        finish(&frame.request);
        assert_memory_equal(reply_at(0), "\x02\0\0\0\0\x07\x02\0\0\0\0\x09", 12);
        assert_memory_equal(reply_at(12), tags, l2 - 12);
        if (shapes[i].ipv6) {
            assert_memory_equal(reply_at(l2), "\x60\0\0\0\x00\x18\x11\x40" FRAME_SERVER_IPV6, 24);
            assert_memory_equal(reply_at(l2 + 24), FRAME_CLIENT_IPV6, 16);
            assert_memory_equal(reply_at(l2 + 40), "\x1b\x39\xc8\xd5\x00\x18", 6);
        } else {
            assert_memory_equal(reply_at(l2), "\x45\0\x00\x2c\0\0\x40\0\x40\x11", 10);
            assert_memory_equal(reply_at(l2 + 12), FRAME_SERVER_IPV4 FRAME_CLIENT_IPV4, 8);
            assert_memory_equal(reply_at(l2 + 20), "\x1b\x39\xc8\xd5\x00\x18", 6);
        }
    }
}

static void connect_reply_is_never_longer_than_its_request(void **state)
{
    for (unsigned i = 0; i < SHAPES; i++) {
        unsigned before;

        receive(&shapes[i], frame_connect(payload, 1));
        before = frame.request.length;
        reply_connect(&frame.request, UINT64_MAX);
        finish(&frame.request);
        assert_true(frame.request.length <= before);
    }
}

static void announce_reply(void **state)
{
    for (unsigned i = 0; i < SHAPES; i++) {
        unsigned l4 = 14 + 4 * shapes[i].tags + (shapes[i].ipv6 ? 40 : 20);
        unsigned size = shapes[i].ipv6 ? 18 : 6;

        receive(&shapes[i], frame_announce(payload, 42, 0x0a0b0c0d, 1, 2));
        frame.request.announce.peers_count = 3;
        frame.request.announce.leechers = 0x100;
        frame.request.announce.seeders = 7;
        for (unsigned b = 0; b < 3 * size; b++)
            request_payload(&frame.request)[20 + b] = (uint8_t)b;
        reply_announce(&frame.request, 1800);
        finish(&frame.request);
        assert_int_equal(frame.request.verdict, REQUEST_REPLY_ANNOUNCE);
        assert_int_equal(frame.request.length, l4 + 8 + 20 + 3 * size);
        assert_memory_equal(
            reply_at(l4 + 8),
            "\0\0\0\x01\x0a\x0b\x0c\x0d\0\0\x07\x08\0\0\x01\0\0\0\0\x07\0\x01\x02\x03", 24);
        assert_int_equal(*reply_at(l4 + 28 + 3 * size - 1), 3 * size - 1);
        assert_true(
            frame_checksums_right(frame.request.frame, l4 - (shapes[i].ipv6 ? 40 : 20), l4));
    }
}

static void scrape_rows_are_packed(void **state)
{
    for (unsigned rows = 1; rows <= 74; rows++) {
        uint8_t *hashes;

        receive(&shapes[0], frame_scrape(payload, 42, 0x0a0b0c0d, rows));
        hashes = request_payload(&frame.request) + 16;
        for (unsigned i = 0; i < rows; i++)
            memset(hashes + 20 * i, (int)(100 + i), 12);
        reply_scrape(&frame.request, rows);
        finish(&frame.request);
        assert_int_equal(frame.request.length, 14 + 28 + 8 + 12 * rows);
        assert_memory_equal(reply_at(14 + 28), "\0\0\0\x02\x0a\x0b\x0c\x0d", 8);
        for (unsigned i = 0; i < 12 * rows; i++)
            assert_int_equal(*reply_at(14 + 28 + 8 + i), 100 + i / 12);
        assert_true(frame_checksums_right(frame.request.frame, 14, 34));
    }
}

static void error_reply(void **state)
{
    receive(&shapes[0], frame_announce(payload, 42, 0x0a0b0c0d, 1, 2));
    reply_error(&frame.request, "no such luck");
    finish(&frame.request);
    assert_int_equal(frame.request.verdict, REQUEST_REPLY_ERROR);
    assert_int_equal(frame.request.length, 14 + 28 + 8 + 12);
    assert_memory_equal(reply_at(14 + 28), "\0\0\0\x03\x0a\x0b\x0c\x0dno such luck", 20);
    assert_true(frame_checksums_right(frame.request.frame, 14, 34));
}

static void checksums_are_right_for_random_payloads(void **state)
{
    srandom(1);
    for (unsigned round = 0; round < 20000; round++) {
        const struct frame_shape *shape = &shapes[round % SHAPES];
        unsigned l2 = 14 + 4 * shape->tags;

        receive(shape, frame_announce(payload, 42, (uint32_t)random(), 1, 2));
        frame.request.announce.peers_count = (uint16_t)((unsigned)random() % 74);
        frame.request.announce.seeders = (uint32_t)random();
        for (unsigned b = 0; b < 74 * 18; b++)
            request_payload(&frame.request)[20 + b] = (uint8_t)random();
        if (round % 3 == 0) /* no room to read beyond the end */
            frame.request.room =
                (uint16_t)(frame.payload + 20 +
                           frame.request.announce.peers_count * (shape->ipv6 ? 18u : 6u));
        if (round % 5 == 0) /* much carrying */
            memset(request_payload(&frame.request) + 20, 0xff, 74 * 18);
        reply_announce(&frame.request, (uint32_t)random());
        finish(&frame.request);
        assert_true(frame_checksums_right(frame.request.frame, l2, l2 + (shape->ipv6 ? 40 : 20)));
    }
}

/* Where the sum comes out as 0 (which would say "no checksum"), 0xffff is written. */
static void a_zero_checksum_becomes_ones(void **state)
{
    for (unsigned family = 0; family < 2; family++) {
        const struct frame_shape *shape = &shapes[family ? 5 : 0];
        unsigned udp = 14 + (shape->ipv6 ? 40 : 20), seen = 0;

        for (uint32_t transaction = 0; transaction <= 0xffff; transaction++) {
            receive(shape, frame_connect(payload, transaction));
            reply_connect(&frame.request, 5);
            finish(&frame.request);
            seen += *reply_at(udp + 6) == 0xff && *reply_at(udp + 7) == 0xff;
            assert_false(*reply_at(udp + 6) == 0 && *reply_at(udp + 7) == 0);
        }
        assert_in_range(seen, 1, 2); /* no other sum ends as 0xffff */
    }
}

static void offload_leaves_the_sums_to_the_port(void **state)
{
    for (unsigned i = 0; i < SHAPES; i++) {
        unsigned l2 = 14 + 4 * shapes[i].tags, l3 = shapes[i].ipv6 ? 40 : 20;
        uint8_t *ip, *udp;
        uint16_t sum;

        receive(&shapes[i], frame_connect(payload, 1));
        frame.request.offload = 1;
        reply_connect(&frame.request, 77);
        finish(&frame.request);
        ip = frame.request.frame + l2;
        udp = ip + l3;
        if (!shapes[i].ipv6) {
            assert_memory_equal(ip + 10, "\0\0", 2);
            sum = frame_checksum(ip, 20, 0);
            ip[10] = (uint8_t)(sum >> 8);
            ip[11] = (uint8_t)sum;
        }
        sum = frame_checksum(udp, 24, 0); /* what the NIC does: it adds the pseudo-header's sum */
        udp[6] = (uint8_t)(sum >> 8);
        udp[7] = (uint8_t)sum;
        assert_true(frame_checksums_right(frame.request.frame, l2, l2 + l3));
    }
}

static int listen_again(void **state)
{
    frame_listen(&listen);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connect_reply),
        cmocka_unit_test(headers_are_turned_round),
        cmocka_unit_test(connect_reply_is_never_longer_than_its_request),
        cmocka_unit_test(announce_reply),
        cmocka_unit_test(scrape_rows_are_packed),
        cmocka_unit_test(error_reply),
        cmocka_unit_test(checksums_are_right_for_random_payloads),
        cmocka_unit_test(a_zero_checksum_becomes_ones),
        cmocka_unit_test(offload_leaves_the_sums_to_the_port),
    };

    return cmocka_run_group_tests(tests, listen_again, NULL);
}

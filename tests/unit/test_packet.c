/* SPDX-License-Identifier: BSD-3-Clause */
/* What packet_parse() says of good, broken and foreign frames; one test a rule of bpf/rules.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/packet.h"
#include "frame.h"

static struct listen_table listen;
static struct frame frame;
static uint8_t payload[2048];
static const struct frame_shape ipv4, ipv6 = {.ipv6 = true};

static unsigned parse(void)
{
    packet_parse(&listen, &frame.request);
    return frame.request.verdict;
}

static void build_announce(const struct frame_shape *shape)
{
    frame_build(&frame, shape, payload, frame_announce(payload, 42, 7, 0xaa, 6881));
}

/* Sets bytes of a fresh announce and parses it. */
static unsigned parse_with(const struct frame_shape *shape, unsigned offset, const void *bytes,
                           unsigned count)
{
    build_announce(shape);
    memcpy(frame.bytes + offset, bytes, count);
    return parse();
}

#define PARSE_WITH(shape, offset, bytes) parse_with(shape, offset, bytes, sizeof(bytes) - 1)

static void requests_are_recognised(void **state)
{
    const struct frame_shape shapes[] = {
        {.tags = 0},
        {.tags = 1},
        {.tags = 2},
        {.options = 4},
        {.options = 40, .tags = 2},
        {.ipv6 = true},
        {.ipv6 = true, .tags = 1},
        {.ipv6 = true, .tags = 2},
    };

    for (unsigned i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        frame_build(&frame, &shapes[i], payload, frame_connect(payload, 1));
        assert_int_equal(parse(), REQUEST_CONNECT);
        frame_build(&frame, &shapes[i], payload, frame_scrape(payload, 42, 1, 3));
        assert_int_equal(parse(), REQUEST_SCRAPE);
        assert_int_equal(frame.request.payload_length, 16 + 3 * 20);
        build_announce(&shapes[i]);
        assert_int_equal(parse(), REQUEST_ANNOUNCE);
        assert_int_equal(frame.request.family, shapes[i].ipv6 ? SWARMS_IPV6 : SWARMS_IPV4);
        assert_int_equal(frame.request.network, frame.network);
        assert_int_equal(frame.request.transport, frame.transport);
        assert_int_equal(frame.request.payload_length, 98);
        assert_ptr_equal(request_payload(&frame.request), frame.bytes + frame.payload);
    }
}

static void parsing_leaves_the_frame_alone(void **state)
{
    uint8_t before[FRAME_ROOM];

    build_announce(&ipv4);
    memcpy(before, frame.bytes, sizeof(before));
    parse();
    assert_memory_equal(before, frame.bytes, sizeof(before));
}

static void padding_and_longer_requests_are_fine(void **state)
{
    unsigned length = frame_connect(payload, 1);

    frame_build(&frame, &ipv4, payload, length);
    frame.request.length = 60; /* Ethernet's padding */
    assert_int_equal(parse(), REQUEST_CONNECT);
    assert_int_equal(frame.request.payload_length, 16);
    frame_build(&frame, &ipv4, payload, length + 84);
    assert_int_equal(parse(), REQUEST_CONNECT);

    /* UDP may be shorter than the IP packet says. */
    frame_build(&frame, &ipv6, payload, length + 20);
    frame.bytes[frame.transport + 5] = 8 + 16;
    assert_int_equal(parse(), REQUEST_CONNECT);
    assert_int_equal(frame.request.payload_length, 16);
}

/*
 * Plain announces over IPv4 take a short way through the parser, those with a VLAN tag don't: every
 * single bit of the headers must mean the same to both.
 */
static void the_short_way_follows_the_rules(void **state)
{
    const struct frame_shape tagged = {.tags = 1};
    const unsigned tag_at = 12, tag_size = 4, headers = 14 + 20 + 8 + 16;

    for (unsigned bit = 0; bit < headers * 8; bit++) {
        unsigned at = bit / 8, verdict, payload_length;

        build_announce(&ipv4);
        frame.bytes[at] ^= (uint8_t)(1 << bit % 8);
        verdict = parse();
        payload_length = frame.request.payload_length;
        build_announce(&tagged);
        frame.bytes[at < tag_at ? at : at + tag_size] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(verdict, parse());
        if (verdict == REQUEST_ANNOUNCE)
            assert_int_equal(payload_length, frame.request.payload_length);
    }
}

/* The frame is cut at every byte: no length but the full one makes a request. */
static void truncated_frames_are_dropped(void **state)
{
    const struct frame_shape shapes[] = {
        {.tags = 0}, {.tags = 2}, {.options = 8}, {.ipv6 = true, .tags = 1}, {.ipv6 = true}};

    for (unsigned i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        build_announce(&shapes[i]);
        for (unsigned length = 0, full = frame.request.length; length < full; length++) {
            unsigned verdict;

            /* Nothing beyond the cut may be looked at: the sanitizers see to that. */
            uint8_t *exact = test_malloc(length ? length : 1);

            memcpy(exact, frame.bytes, length);
            frame.request.frame = exact;
            frame.request.length = (uint16_t)length;
            verdict = parse();
            assert_int_equal(verdict, length < frame.payload ? COUNTER_DROP_short_frame
                                                             : COUNTER_DROP_ip_header);
            test_free(exact);
        }
    }
}

static void frames_for_others_are_punted(void **state)
{
    struct frame_shape tags = {.tags = 3};

    assert_int_equal(PARSE_WITH(&ipv4, 0, "\xff\xff\xff\xff\xff\xff"), REQUEST_PUNT);
    assert_int_equal(PARSE_WITH(&ipv4, 0, "\x01"), REQUEST_PUNT);      /* multicast */
    assert_int_equal(PARSE_WITH(&ipv4, 12, "\x08\x06"), REQUEST_PUNT); /* ARP */
    assert_int_equal(PARSE_WITH(&tags, 0, ""), REQUEST_PUNT);
    assert_int_equal(PARSE_WITH(&ipv4, 14 + 9, "\x06"), REQUEST_PUNT);      /* TCP */
    assert_int_equal(PARSE_WITH(&ipv6, 14 + 6, "\x3a"), REQUEST_PUNT);      /* ICMPv6 */
    assert_int_equal(PARSE_WITH(&ipv6, 14 + 6, "\x00"), REQUEST_PUNT);      /* hop-by-hop */
    assert_int_equal(PARSE_WITH(&ipv4, 14 + 19, "\x08"), REQUEST_PUNT);     /* other address */
    assert_int_equal(PARSE_WITH(&ipv6, 14 + 39, "\x08"), REQUEST_PUNT);     /* other address */
    assert_int_equal(PARSE_WITH(&ipv4, 14 + 22, "\x00\x35"), REQUEST_PUNT); /* other port */
    assert_int_equal(PARSE_WITH(&ipv6, 14 + 42, "\x00\x35"), REQUEST_PUNT);
}

static void frames_that_end_early_but_are_not_ip_are_punted(void **state)
{
    build_announce(&ipv4);
    frame.bytes[13] = 6; /* ARP */
    frame.request.length = 14;
    assert_int_equal(parse(), REQUEST_PUNT);
}

static void fragments_of_ours_are_dropped(void **state)
{
    /* More fragments. */
    assert_int_equal(PARSE_WITH(&ipv4, 14 + 6, "\x20\x00"), COUNTER_DROP_fragment);
    /* Don't fragment. */
    assert_int_equal(PARSE_WITH(&ipv4, 14 + 6, "\x40\x00"), REQUEST_ANNOUNCE);
    /* A later one has no ports to tell by: it may be another service's. */
    assert_int_equal(PARSE_WITH(&ipv4, 14 + 6, "\x20\x01"), REQUEST_PUNT);
    assert_int_equal(PARSE_WITH(&ipv4, 14 + 6, "\x00\xff"), REQUEST_PUNT);
}

/* Puts a fragment header behind the IPv6 header. */
static void build_ipv6_fragment(uint8_t next, uint16_t offset)
{
    uint8_t *header;

    build_announce(&ipv6);
    header = frame.bytes + frame.transport;
    memmove(header + 8, header, frame.request.length - frame.transport);
    memset(header, 0, 8);
    header[0] = next;
    header[2] = (uint8_t)(offset >> 8);
    header[3] = (uint8_t)offset;
    frame.bytes[frame.network + 6] = 44;
    frame.request.length += 8;
}

static void ipv6_fragments_of_ours_are_dropped(void **state)
{
    build_ipv6_fragment(17, 1);
    assert_int_equal(parse(), COUNTER_DROP_fragment);
    build_ipv6_fragment(17, 0); /* "atomic", RFC 6946 */
    assert_int_equal(parse(), COUNTER_DROP_fragment);
    build_ipv6_fragment(17, 8);
    assert_int_equal(parse(), REQUEST_PUNT);
    build_ipv6_fragment(58, 1);
    assert_int_equal(parse(), REQUEST_PUNT);
    build_ipv6_fragment(17, 1);
    frame.bytes[frame.transport + 8 + 3] ^= 1; /* another port */
    assert_int_equal(parse(), REQUEST_PUNT);
    build_ipv6_fragment(17, 1);
    frame.request.length = (uint16_t)(frame.transport + 7);
    assert_int_equal(parse(), COUNTER_DROP_short_frame);
    frame.request.length = (uint16_t)(frame.transport + 15);
    assert_int_equal(parse(), COUNTER_DROP_short_frame);
}

static void bad_ip_headers_are_dropped(void **state)
{
    assert_int_equal(PARSE_WITH(&ipv4, 14, "\x55"), COUNTER_DROP_ip_header); /* version */
    assert_int_equal(PARSE_WITH(&ipv4, 14, "\x65"), COUNTER_DROP_ip_header);
    assert_int_equal(PARSE_WITH(&ipv4, 14, "\x44"), COUNTER_DROP_ip_header); /* header length */
    assert_int_equal(PARSE_WITH(&ipv4, 14, "\x40"), COUNTER_DROP_ip_header);
    assert_int_equal(PARSE_WITH(&ipv6, 14, "\x40"), COUNTER_DROP_ip_header);
    assert_int_equal(PARSE_WITH(&ipv4, 14 + 2, "\x00\x1b"), COUNTER_DROP_ip_header); /* total */
    assert_int_equal(PARSE_WITH(&ipv4, 14 + 2, "\x00\x7f"), COUNTER_DROP_ip_header);
    assert_int_equal(PARSE_WITH(&ipv4, 14 + 2, "\xff\xff"), COUNTER_DROP_ip_header);
    assert_int_equal(PARSE_WITH(&ipv6, 14 + 4, "\x00\x00"), COUNTER_DROP_ip_header); /* jumbogram */
    assert_int_equal(PARSE_WITH(&ipv6, 14 + 4, "\x00\x6b"), COUNTER_DROP_ip_header);
}

static void bad_udp_lengths_are_dropped(void **state)
{
    assert_int_equal(PARSE_WITH(&ipv4, 14 + 24, "\x00\x07"), COUNTER_DROP_udp_length);
    assert_int_equal(PARSE_WITH(&ipv4, 14 + 24, "\x00\x00"), COUNTER_DROP_udp_length);
    assert_int_equal(PARSE_WITH(&ipv4, 14 + 24, "\x00\x6b"), COUNTER_DROP_udp_length);
    assert_int_equal(PARSE_WITH(&ipv6, 14 + 44, "\xff\xff"), COUNTER_DROP_udp_length);
    assert_int_equal(PARSE_WITH(&ipv6, 14 + 44, "\x00\x08"), COUNTER_DROP_short_request);
}

static void sources_that_cannot_be_answered_are_dropped(void **state)
{
    assert_int_equal(PARSE_WITH(&ipv4, 14 + 20, "\x00\x00"), COUNTER_DROP_source_port);
    assert_int_equal(PARSE_WITH(&ipv6, 14 + 40, "\x00\x00"), COUNTER_DROP_source_port);
    assert_int_equal(PARSE_WITH(&ipv4, 6, "\x03"), COUNTER_DROP_source_address); /* Ethernet */
    assert_int_equal(PARSE_WITH(&ipv4, 14 + 12, "\x00"), COUNTER_DROP_source_address);
    assert_int_equal(PARSE_WITH(&ipv4, 14 + 12, "\x7f"), COUNTER_DROP_source_address);
    assert_int_equal(PARSE_WITH(&ipv4, 14 + 12, "\xe0"), COUNTER_DROP_source_address);
    assert_int_equal(PARSE_WITH(&ipv4, 14 + 12, "\xff\xff\xff\xff"), COUNTER_DROP_source_address);
    assert_int_equal(PARSE_WITH(&ipv4, 14 + 12, FRAME_SERVER_IPV4), COUNTER_DROP_source_address);
    assert_int_equal(PARSE_WITH(&ipv6, 14 + 8, "\xff\x02"), COUNTER_DROP_source_address);
    assert_int_equal(PARSE_WITH(&ipv6, 14 + 8, "\0\0\0\0\0\0\0\0"), COUNTER_DROP_source_address);
    assert_int_equal(PARSE_WITH(&ipv6, 14 + 8, FRAME_SERVER_IPV6), COUNTER_DROP_source_address);
}

static void bad_requests_are_dropped(void **state)
{
    const unsigned at = 14 + 28;

    assert_int_equal(PARSE_WITH(&ipv4, at + 8, "\0\0\0\x03"), COUNTER_DROP_action);
    assert_int_equal(PARSE_WITH(&ipv4, at + 8, "\xff\xff\xff\xff"), COUNTER_DROP_action);
    assert_int_equal(PARSE_WITH(&ipv4, at + 8, "\x01\0\0\x01"), COUNTER_DROP_action);
    assert_int_equal(PARSE_WITH(&ipv4, at + 8, "\0\0\0\0"), COUNTER_DROP_magic);

    for (unsigned length = 0; length < 98; length++) {
        frame_announce(payload, 42, 7, 0xaa, 6881);
        frame_build(&frame, &ipv4, payload, length);
        assert_int_equal(parse(), COUNTER_DROP_short_request);
    }
    frame_scrape(payload, 42, 7, 1);
    frame_build(&frame, &ipv4, payload, 35);
    assert_int_equal(parse(), COUNTER_DROP_short_request);
}

static struct dataplane_address address4(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port)
{
    return (struct dataplane_address){.family = 4, .bytes = {a, b, c, d}, .port = port};
}

static void wildcards_stand_for_unicast_addresses(void **state)
{
    struct dataplane_address any[] = {address4(0, 0, 0, 0, FRAME_SERVER_PORT),
                                      {.family = 6, .port = FRAME_SERVER_PORT}};

    assert_int_equal(listen_init(&listen, any, 2), 0);
    assert_int_equal(PARSE_WITH(&ipv4, 14 + 16, "\x0a\x01\x02\x03"), REQUEST_ANNOUNCE);
    assert_int_equal(PARSE_WITH(&ipv4, 14 + 16, "\xff\xff\xff\xff"), REQUEST_PUNT);
    assert_int_equal(PARSE_WITH(&ipv4, 14 + 16, "\xef\x01\x02\x03"), REQUEST_PUNT);
    assert_int_equal(PARSE_WITH(&ipv4, 14 + 16, "\x7f\x00\x00\x01"), REQUEST_PUNT);
    assert_int_equal(PARSE_WITH(&ipv6, 14 + 24, "\xfe\x80"), REQUEST_ANNOUNCE);
    assert_int_equal(PARSE_WITH(&ipv6, 14 + 24, "\xff\x02"), REQUEST_PUNT);
    assert_int_equal(PARSE_WITH(&ipv4, 14 + 22, "\x00\x35"), REQUEST_PUNT);
}

static void each_listen_address_has_its_own_port(void **state)
{
    struct dataplane_address addresses[] = {address4(10, 0, 0, 1, 80), address4(10, 0, 0, 2, 443),
                                            address4(10, 0, 0, 1, 1337)};
    uint32_t one, two;

    memcpy(&one, "\x0a\0\0\x01", 4);
    memcpy(&two, "\x0a\0\0\x02", 4);
    assert_int_equal(listen_init(&listen, addresses, 3), 0);
    assert_true(listen_match_ipv4(&listen, one, __builtin_bswap16(80)));
    assert_true(listen_match_ipv4(&listen, one, __builtin_bswap16(1337)));
    assert_false(listen_match_ipv4(&listen, one, __builtin_bswap16(443)));
    assert_true(listen_match_ipv4(&listen, two, __builtin_bswap16(443)));
    assert_false(listen_match_ipv4(&listen, two, __builtin_bswap16(80)));
}

static void addresses_that_cannot_listen_are_refused(void **state)
{
    struct dataplane_address bad[] = {address4(10, 0, 0, 1, 0),
                                      address4(224, 0, 0, 1, 80),
                                      {.family = 5, .port = 80},
                                      {.family = 6, .bytes = {0xff, 2}, .port = 80}};
    struct dataplane_address many[DATAPLANE_LISTEN_MAX + 1];

    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_not_equal(listen_init(&listen, &bad[i], 1), 0);
    for (unsigned i = 0; i <= DATAPLANE_LISTEN_MAX; i++)
        many[i] = address4(10, 0, 0, 1, (uint16_t)(i + 1));
    assert_int_equal(listen_init(&listen, many, DATAPLANE_LISTEN_MAX), 0);
    assert_int_not_equal(listen_init(&listen, many, DATAPLANE_LISTEN_MAX + 1), 0);
}

static bool options(const void *bytes, unsigned length)
{
    unsigned announce = frame_announce(payload, 42, 7, 0xaa, 6881);

    memcpy(payload + announce, bytes, length);
    frame_build(&frame, &ipv4, payload, announce + length);
    assert_int_equal(parse(), REQUEST_ANNOUNCE);
    return packet_options(&frame.request);
}

#define OPTIONS(bytes) options(bytes, sizeof(bytes) - 1)

static void options_are_walked(void **state)
{
    assert_true(OPTIONS("\x01\x01\x02\x05/a?b=\x00"));
    assert_true(OPTIONS("\x02\x02hi\x02\x03two"));
    assert_true(OPTIONS("\x02\x00"));
    assert_true(OPTIONS("\x02\x00\x01"));
    assert_true(OPTIONS(""));
}

static void unknown_options_are_skipped_by_their_length(void **state)
{
    assert_true(OPTIONS("\x09\x02\x02\xff\x02\x02hi"));
    assert_false(OPTIONS("\x09\x02zz\x02\x03hi"));
    assert_true(OPTIONS("\xff\x00"));
}

static void nothing_counts_behind_the_end_of_options(void **state)
{
    assert_true(OPTIONS("\x00\x02\xff"));
    assert_true(OPTIONS("\x01\x00\x02"));
}

static void options_past_the_end_are_noticed(void **state)
{
    assert_false(OPTIONS("\x02"));
    assert_false(OPTIONS("\x02\x01"));
    assert_false(OPTIONS("\x02\x06/a?b="));
    assert_false(OPTIONS("\x01\x01\x09\xff"));
}

static int listen_again(void **state)
{
    frame_listen(&listen);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup(name, listen_again)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(requests_are_recognised),
        TEST(parsing_leaves_the_frame_alone),
        TEST(padding_and_longer_requests_are_fine),
        TEST(the_short_way_follows_the_rules),
        TEST(truncated_frames_are_dropped),
        TEST(frames_for_others_are_punted),
        TEST(frames_that_end_early_but_are_not_ip_are_punted),
        TEST(fragments_of_ours_are_dropped),
        TEST(ipv6_fragments_of_ours_are_dropped),
        TEST(bad_ip_headers_are_dropped),
        TEST(bad_udp_lengths_are_dropped),
        TEST(sources_that_cannot_be_answered_are_dropped),
        TEST(bad_requests_are_dropped),
        TEST(wildcards_stand_for_unicast_addresses),
        TEST(each_listen_address_has_its_own_port),
        TEST(addresses_that_cannot_listen_are_refused),
        TEST(options_are_walked),
        TEST(unknown_options_are_skipped_by_their_length),
        TEST(nothing_counts_behind_the_end_of_options),
        TEST(options_past_the_end_are_noticed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

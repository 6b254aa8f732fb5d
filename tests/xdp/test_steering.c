/* SPDX-License-Identifier: BSD-3-Clause */
/* What is a request and what isn't: each rule of bpf/rules.h, in every shape of frame. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "requests.h"

static const struct frame_shape plain_ipv4 = {.ipv6 = false}, plain_ipv6 = {.ipv6 = true};

/* A valid announce of each shape, with the name `frame`; then the statements that follow. */
#define for_each_shape(shape)                                                                      \
    for (const struct frame_shape *shape = request_shapes;                                         \
         shape < request_shapes + request_shapes_count; shape++)

static void announce(struct steering_rig *rig, struct frame *frame, const struct frame_shape *shape)
{
    request_announce(frame, shape,
                     request_connection_id(rig, shape->ipv6, rig->config.cookies.epoch));
}

static void valid_requests_go_to_the_socket_and_connects_are_answered(void **state)
{
    struct steering_rig *rig = *state;
    struct frame frame;

    for_each_shape(shape)
    {
        uint64_t id = request_connection_id(rig, shape->ipv6, rig->config.cookies.epoch);

        request_announce(&frame, shape, id);
        expect(rig, &frame, request_steered);
        request_scrape(&frame, shape, id, 1);
        expect(rig, &frame, request_steered);
        request_scrape(&frame, shape, id, 74);
        expect(rig, &frame, request_steered);
        request_connect(&frame, shape);
        expect(rig, &frame, connect_answered);
    }
}

static void connects_go_to_the_socket_when_answering_is_off(void **state)
{
    struct steering_rig *rig = *state;
    struct frame frame;

    rig->config.answer_connect = 0;
    steering_rig_publish(rig);
    for_each_shape(shape)
    {
        request_connect(&frame, shape);
        expect(rig, &frame, connect_steered);
    }
}

static void without_a_socket_all_that_is_ours_goes_to_the_kernel(void **state)
{
    struct steering_rig *rig = *state;
    struct frame frame;

    steering_rig_connect(rig, false);
    for_each_shape(shape)
    {
        request_connect(&frame, shape);
        expect(rig, &frame, no_socket);
        request_announce(&frame, shape, 1);
        expect(rig, &frame, no_socket);
        request_put16(&frame, frame.transport, 0);
        expect(rig, &frame, no_socket);
    }
}

static void without_a_configuration_all_goes_to_the_kernel(void **state)
{
    struct steering_rig *rig = *state;
    const uint32_t zero = 0;
    struct frame frame;

    bpf_map_delete_elem(rig->slot, &zero);
    for_each_shape(shape)
    {
        request_connect(&frame, shape);
        expect(rig, &frame, not_ours);
    }
}

static void a_frame_that_ends_early_is_dropped_wherever_it_ends(void **state)
{
    struct steering_rig *rig = *state;
    struct frame frame;

    for_each_shape(shape)
    {
        unsigned whole;

        announce(rig, &frame, shape);
        whole = frame.request.length;
        for (unsigned length = STEERED_MIN; length < whole; length++) {
            frame.request.length = (uint16_t)length;
            if (length < frame.payload)
                expect(rig, &frame, short_frame);
            else
                expect(rig, &frame, ip_header);
        }
        frame.request.length = (uint16_t)whole;
        expect(rig, &frame, request_steered);
    }
}

static void a_frame_that_goes_on_behind_the_packet_is_padded(void **state)
{
    struct steering_rig *rig = *state;
    struct frame frame;

    for_each_shape(shape)
    {
        announce(rig, &frame, shape);
        frame.request.length = (uint16_t)(frame.request.length + 46);
        expect(rig, &frame, request_steered);
        request_connect(&frame, shape);
        frame.request.length = (uint16_t)(frame.request.length + 1);
        expect(rig, &frame, connect_answered);
    }
}

static void requests_shorter_than_their_action_needs_are_dropped(void **state)
{
    struct steering_rig *rig = *state;
    struct frame frame;
    uint8_t payload[128];

    for_each_shape(shape)
    {
        uint64_t id = request_connection_id(rig, shape->ipv6, rig->config.cookies.epoch);

        frame_connect(payload, 1);
        for (unsigned length = 0; length < 16; length++) {
            frame_build(&frame, shape, payload, length);
            expect(rig, &frame, short_request);
        }
        frame_announce(payload, id, 1, 7, 6881);
        for (unsigned length = 0; length < 98; length++) {
            frame_build(&frame, shape, payload, length);
            expect(rig, &frame, short_request);
        }
        frame_scrape(payload, id, 1, 1);
        for (unsigned length = 0; length < 36; length++) {
            frame_build(&frame, shape, payload, length);
            expect(rig, &frame, short_request);
        }
    }
}

static void longer_requests_are_accepted(void **state)
{
    struct steering_rig *rig = *state;
    uint8_t payload[1400] = {0};
    struct frame frame;

    for_each_shape(shape)
    {
        uint64_t id = request_connection_id(rig, shape->ipv6, rig->config.cookies.epoch);

        frame_connect(payload, 1);
        frame_build(&frame, shape, payload, sizeof(payload));
        expect(rig, &frame, connect_answered);
        frame_announce(payload, id, 1, 7, 6881);
        frame_build(&frame, shape, payload, sizeof(payload));
        expect(rig, &frame, request_steered);
    }
}

static void wrong_magic_and_unknown_actions_are_dropped(void **state)
{
    struct steering_rig *rig = *state;
    struct frame frame;

    for_each_shape(shape)
    {
        for (unsigned byte = 0; byte < 8; byte++) {
            request_connect(&frame, shape);
            frame.bytes[frame.payload + byte] ^= 0x10;
            expect(rig, &frame, magic);
        }
        for (unsigned byte = 8; byte < 12; byte++) {
            announce(rig, &frame, shape);
            frame.bytes[frame.payload + byte] ^= 0x80;
            expect(rig, &frame, action);
        }
        announce(rig, &frame, shape);
        frame.bytes[frame.payload + 11] = 3;
        expect(rig, &frame, action);
    }
}

static void other_traffic_goes_to_the_kernel(void **state)
{
    static const uint16_t ethertypes[] = {0x0806, 0x88cc, 0x86dd ^ 1, 0, 0xffff, 0x9100};
    struct steering_rig *rig = *state;
    struct frame frame;

    for_each_shape(shape)
    {
        announce(rig, &frame, shape);
        frame.bytes[0] |= 1; /* a group address */
        expect(rig, &frame, not_ours);
        for (unsigned i = 0; i < sizeof(ethertypes) / sizeof(ethertypes[0]); i++) {
            announce(rig, &frame, shape);
            request_put16(&frame, frame.network - 2, ethertypes[i]);
            expect(rig, &frame, not_ours);
        }
        for (unsigned protocol = 0; protocol < 256; protocol++) {
            if (protocol == 17 || protocol == 44)
                continue;
            announce(rig, &frame, shape);
            frame.bytes[frame.network + (shape->ipv6 ? 6 : 9)] = (uint8_t)protocol;
            expect(rig, &frame, not_ours);
        }
        announce(rig, &frame, shape);
        request_put16(&frame, frame.transport + 2, FRAME_SERVER_PORT + 1);
        expect(rig, &frame, not_ours);
        announce(rig, &frame, shape);
        frame.bytes[frame.network + (shape->ipv6 ? 39 : 19)] ^= 1;
        expect(rig, &frame, not_ours);
    }
}

static void a_third_tag_is_the_kernels(void **state)
{
    const struct frame_shape tagged = {.tags = 2};
    struct steering_rig *rig = *state;
    struct frame frame;

    announce(rig, &frame, &tagged);
    request_put16(&frame, frame.network - 2, 0x8100);
    expect(rig, &frame, not_ours);
}

static void what_is_broken_but_not_for_our_port_goes_to_the_kernel(void **state)
{
    struct steering_rig *rig = *state;
    struct frame frame;

    for_each_shape(shape)
    {
        announce(rig, &frame, shape);
        request_put16(&frame, frame.transport + 2, 53);
        request_put16(&frame, frame.transport, 0);
        request_put16(&frame, frame.transport + 4, 7);
        expect(rig, &frame, not_ours);
    }
}

static void wrong_versions_and_header_lengths_are_dropped(void **state)
{
    struct steering_rig *rig = *state;
    struct frame frame;

    for_each_shape(shape)
    {
        for (unsigned version = 0; version < 16; version++) {
            if (version == (shape->ipv6 ? 6 : 4))
                continue;
            announce(rig, &frame, shape);
            frame.bytes[frame.network] = (uint8_t)(version << 4 | 5);
            expect(rig, &frame, ip_header);
        }
    }
    for (unsigned words = 0; words < 5; words++) {
        announce(rig, &frame, &plain_ipv4);
        frame.bytes[frame.network] = (uint8_t)(0x40 | words);
        expect(rig, &frame, ip_header);
    }
}

static void wrong_ip_lengths_are_dropped(void **state)
{
    struct steering_rig *rig = *state;
    struct frame frame;

    for_each_shape(shape)
    {
        unsigned at, right, least;

        announce(rig, &frame, shape);
        at = frame.network + (shape->ipv6 ? 4 : 2);
        right = (unsigned)frame.bytes[at] << 8 | frame.bytes[at + 1];
        least = (shape->ipv6 ? 0 : 20 + shape->options) + 8;
        for (unsigned length = 0; length < least; length++) {
            request_put16(&frame, at, length);
            expect(rig, &frame, ip_header);
        }
        for (unsigned length = least; length < right; length++) {
            request_put16(&frame, at, length);
            expect(rig, &frame, udp_length);
        }
        request_put16(&frame, at, right + 1);
        expect(rig, &frame, ip_header);
        request_put16(&frame, at, 0xffff);
        expect(rig, &frame, ip_header);
    }
}

static void wrong_udp_lengths_are_dropped(void **state)
{
    struct steering_rig *rig = *state;
    struct frame frame;

    for_each_shape(shape)
    {
        announce(rig, &frame, shape);
        for (unsigned length = 0; length < 8; length++) {
            request_put16(&frame, frame.transport + 4, length);
            expect(rig, &frame, udp_length);
        }
        request_put16(&frame, frame.transport + 4, 8 + 99);
        expect(rig, &frame, udp_length);
        request_put16(&frame, frame.transport + 4, 0xffff);
        expect(rig, &frame, udp_length);
    }
}

static void fragments_ipv4(struct steering_rig *rig, const struct frame_shape *shape)
{
    struct frame frame;

    announce(rig, &frame, shape);
    request_put16(&frame, frame.network + 6, 0x4000);
    expect(rig, &frame, request_steered);
    request_put16(&frame, frame.network + 6, 0x2000);
    expect(rig, &frame, fragment);
    request_put16(&frame, frame.network + 6, 0x2001);
    expect(rig, &frame, not_ours);
    request_put16(&frame, frame.network + 6, 0x1fff);
    expect(rig, &frame, not_ours);
    request_put16(&frame, frame.network + 6, 0x2000);
    request_put16(&frame, frame.transport + 2, 53);
    expect(rig, &frame, not_ours);
}

/* Puts a fragment header in front of the UDP header. */
static void insert_fragment_header(struct frame *frame, uint8_t next, unsigned fragment)
{
    uint8_t *at = frame->bytes + frame->transport;

    memmove(at + 8, at, frame->request.length - frame->transport);
    memset(at, 0, 8);
    at[0] = next;
    request_put16(frame, frame->transport + 2, fragment);
    frame->bytes[frame->network + 6] = 44;
    frame->request.length = (uint16_t)(frame->request.length + 8);
    request_put16(frame, frame->network + 4, frame->request.length - frame->network - 40u);
    frame->transport += 8;
    frame->payload += 8;
}

static void fragments_ipv6(struct steering_rig *rig, const struct frame_shape *shape)
{
    struct frame frame;

    announce(rig, &frame, shape);
    insert_fragment_header(&frame, 17, 1);
    expect(rig, &frame, fragment);
    for (unsigned length = frame.network; length < frame.payload; length++) {
        frame.request.length = (uint16_t)length;
        expect(rig, &frame, short_frame);
    }
    announce(rig, &frame, shape);
    insert_fragment_header(&frame, 17, 0);
    expect(rig, &frame, fragment);
    announce(rig, &frame, shape);
    insert_fragment_header(&frame, 17, 8);
    expect(rig, &frame, not_ours);
    announce(rig, &frame, shape);
    insert_fragment_header(&frame, 6, 1);
    expect(rig, &frame, not_ours);
    announce(rig, &frame, shape);
    insert_fragment_header(&frame, 17, 1);
    request_put16(&frame, frame.transport + 2, 53);
    expect(rig, &frame, not_ours);
}

static void first_fragments_to_our_ports_are_dropped_and_others_the_kernels(void **state)
{
    for_each_shape(shape)
    {
        if (shape->ipv6)
            fragments_ipv6(*state, shape);
        else
            fragments_ipv4(*state, shape);
    }
}

static void a_source_port_of_zero_is_dropped(void **state)
{
    struct steering_rig *rig = *state;
    struct frame frame;

    for_each_shape(shape)
    {
        announce(rig, &frame, shape);
        request_put16(&frame, frame.transport, 0);
        expect(rig, &frame, source_port);
    }
}

static void sources_that_cannot_be_answered_are_dropped(void **state)
{
    static const char *const ipv4[] = {"\0\0\0\0",         "\0\1\2\3",         "\x7f\0\0\1",
                                       "\xe0\0\0\1",       "\xef\xff\xff\xff", "\xf0\0\0\1",
                                       "\xff\xff\xff\xff", FRAME_SERVER_IPV4};
    static const char *const ipv6[] = {"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
                                       "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1",
                                       "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\1",
                                       "\xff\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\1", FRAME_SERVER_IPV6};
    struct steering_rig *rig = *state;
    struct frame frame;

    for (unsigned i = 0; i < sizeof(ipv4) / sizeof(ipv4[0]); i++) {
        request_connect(&frame, &plain_ipv4);
        memcpy(frame.bytes + frame.network + 12, ipv4[i], 4);
        expect(rig, &frame, source_address);
    }
    for (unsigned i = 0; i < sizeof(ipv6) / sizeof(ipv6[0]); i++) {
        request_connect(&frame, &plain_ipv6);
        memcpy(frame.bytes + frame.network + 8, ipv6[i], 16);
        expect(rig, &frame, source_address);
    }
    for_each_shape(shape)
    {
        request_connect(&frame, shape);
        frame.bytes[6] |= 1; /* a group as Ethernet source */
        expect(rig, &frame, source_address);
    }
}

static void every_listen_address_and_port_is_ours(void **state)
{
    struct steering_rig *rig = *state;
    struct steering_config *config = &rig->config;
    struct frame frame;

    config->listen_ipv4_count = config->listen_ipv6_count = STEERING_LISTEN_MAX;
    for (unsigned i = 0; i < STEERING_LISTEN_MAX; i++) {
        config->listen_ipv4[i] = config->listen_ipv4[0];
        config->listen_ipv4[i].port = __builtin_bswap16((uint16_t)(1000 + i));
        config->listen_ipv6[i] = config->listen_ipv6[0];
        config->listen_ipv6[i].port = __builtin_bswap16((uint16_t)(2000 + i));
    }
    steering_rig_publish(rig);
    for_each_shape(shape)
    {
        unsigned first = shape->ipv6 ? 2000 : 1000;

        for (unsigned i = 0; i < STEERING_LISTEN_MAX; i++) {
            request_connect(&frame, shape);
            request_put16(&frame, frame.transport + 2, first + i);
            expect(rig, &frame, connect_answered);
        }
        request_connect(&frame, shape);
        request_put16(&frame, frame.transport + 2, first + STEERING_LISTEN_MAX);
        expect(rig, &frame, not_ours);
    }
}

static void a_wildcard_stands_for_unicast_addresses_only(void **state)
{
    struct steering_rig *rig = *state;
    struct frame frame;

    rig->config.listen_ipv4[0].address = 0;
    rig->config.listen_ipv6[0].high = rig->config.listen_ipv6[0].low = 0;
    steering_rig_publish(rig);
    request_connect(&frame, &plain_ipv4);
    memcpy(frame.bytes + frame.network + 16, "\x0a\1\2\3", 4);
    expect(rig, &frame, connect_answered);
    memcpy(frame.bytes + frame.network + 16, "\xff\xff\xff\xff", 4);
    expect(rig, &frame, not_ours);
    memcpy(frame.bytes + frame.network + 16, "\xe0\0\0\1", 4);
    expect(rig, &frame, not_ours);
    request_connect(&frame, &plain_ipv6);
    memcpy(frame.bytes + frame.network + 24, "\xfe\x80", 2);
    expect(rig, &frame, connect_answered);
    frame.bytes[frame.network + 24] = 0xff;
    expect(rig, &frame, not_ours);
}

static void without_listen_addresses_of_a_family_all_of_it_is_the_kernels(void **state)
{
    struct steering_rig *rig = *state;
    struct frame frame;

    rig->config.listen_ipv6_count = 0;
    steering_rig_publish(rig);
    for_each_shape(shape)
    {
        request_connect(&frame, shape);
        if (shape->ipv6)
            expect(rig, &frame, not_ours);
        else
            expect(rig, &frame, connect_answered);
    }
}

#define steering_test(name) cmocka_unit_test_setup(name, request_setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        steering_test(valid_requests_go_to_the_socket_and_connects_are_answered),
        steering_test(connects_go_to_the_socket_when_answering_is_off),
        steering_test(without_a_socket_all_that_is_ours_goes_to_the_kernel),
        steering_test(without_a_configuration_all_goes_to_the_kernel),
        steering_test(a_frame_that_ends_early_is_dropped_wherever_it_ends),
        steering_test(a_frame_that_goes_on_behind_the_packet_is_padded),
        steering_test(requests_shorter_than_their_action_needs_are_dropped),
        steering_test(longer_requests_are_accepted),
        steering_test(wrong_magic_and_unknown_actions_are_dropped),
        steering_test(other_traffic_goes_to_the_kernel),
        steering_test(a_third_tag_is_the_kernels),
        steering_test(what_is_broken_but_not_for_our_port_goes_to_the_kernel),
        steering_test(wrong_versions_and_header_lengths_are_dropped),
        steering_test(wrong_ip_lengths_are_dropped),
        steering_test(wrong_udp_lengths_are_dropped),
        steering_test(first_fragments_to_our_ports_are_dropped_and_others_the_kernels),
        steering_test(a_source_port_of_zero_is_dropped),
        steering_test(sources_that_cannot_be_answered_are_dropped),
        steering_test(every_listen_address_and_port_is_ours),
        steering_test(a_wildcard_stands_for_unicast_addresses_only),
        steering_test(without_listen_addresses_of_a_family_all_of_it_is_the_kernels),
    };

    return cmocka_run_group_tests(tests, request_group_setup, request_group_teardown);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Connects answered by XDP: the very bytes that a worker answers to the same packet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <linux/bpf.h>

#include "dataplane/admit.h"
#include "dataplane/packet.h"
#include "dataplane/reply.h"
#include "requests.h"

#define for_each_shape(shape)                                                                      \
    for (const struct frame_shape *shape = request_shapes;                                         \
         shape < request_shapes + request_shapes_count; shape++)

/* Listening everywhere, as the program is told to. */
static void listen_everywhere(struct steering_rig *rig, struct listen_table *listen)
{
    const struct dataplane_address addresses[] = {{.family = 4, .port = FRAME_SERVER_PORT},
                                                  {.family = 6, .port = FRAME_SERVER_PORT}};

    rig->config.listen_ipv4[0].address = 0;
    rig->config.listen_ipv6[0].high = rig->config.listen_ipv6[0].low = 0;
    steering_rig_publish(rig);
    assert_int_equal(listen_init(listen, addresses, 2), 0);
}

/* Answers in the frame. */
static void answer_in_worker(const struct steering_rig *rig, const struct listen_table *listen,
                             struct frame *frame)
{
    const struct cookie_state *cookies = &rig->config.cookies;

    packet_parse(listen, &frame->request);
    assert_int_equal(frame->request.verdict, REQUEST_CONNECT);
    reply_connect(&frame->request, admit_issue(cookies, &frame->request));
    reply_finish((struct request *[]){&frame->request}, 1);
}

static void expect_same(struct steering_rig *rig, const struct listen_table *listen,
                        struct frame *frame)
{
    static struct steered steered;

    fixture_run(rig, frame->bytes, frame->request.length, &steered);
    assert_int_equal(steered.action, XDP_TX);
    answer_in_worker(rig, listen, frame);
    assert_int_equal(steered.length, frame->request.length);
    assert_memory_equal(steered.bytes, frame->request.frame, steered.length);
}

static void random_bytes(uint8_t *bytes, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        bytes[i] = (uint8_t)rand();
}

/* What an answer depends on: everything in the headers that a valid request may vary. */
static void vary(struct frame *frame, const struct frame_shape *shape)
{
    uint8_t *ip = frame->bytes + frame->network;

    random_bytes(frame->bytes, 12);
    frame->bytes[0] &= 0xfe;
    frame->bytes[6] &= 0xfe;
    if (shape->ipv6) {
        random_bytes(ip + 1, 3);
        random_bytes(ip + 8, 32);
        ip[8] = ip[24] = 0x20;
    } else {
        ip[1] = (uint8_t)rand();
        random_bytes(ip + 4, 2);
        random_bytes(ip + 12, 8);
        ip[12] = (uint8_t)(1 + rand() % 126);
        ip[16] = (uint8_t)(128 + rand() % 96);
    }
    random_bytes(frame->bytes + frame->transport, 2);
    frame->bytes[frame->transport + 1] |= 1;
    random_bytes(frame->bytes + frame->transport + 6, 2);
    random_bytes(frame->bytes + frame->payload + 12, 4);
}

static void answers_are_those_of_a_worker(void **state)
{
    struct steering_rig *rig = *state;
    struct listen_table listen;
    struct frame frame;

    listen_everywhere(rig, &listen);
    srand(1);
    for_each_shape(shape)
    {
        for (unsigned i = 0; i < 3000; i++) {
            request_connect(&frame, shape);
            vary(&frame, shape);
            expect_same(rig, &listen, &frame);
        }
    }
}

static void answers_to_padded_and_longer_requests_are_cut_to_length(void **state)
{
    struct steering_rig *rig = *state;
    struct listen_table listen;
    struct frame frame;
    uint8_t payload[400];

    listen_everywhere(rig, &listen);
    for_each_shape(shape)
    {
        for (unsigned extra = 0; extra < 300; extra++) {
            request_connect(&frame, shape);
            frame.request.length = (uint16_t)(frame.request.length + extra);
            expect_same(rig, &listen, &frame);

            memset(payload, 0xa5, sizeof(payload));
            frame_connect(payload, extra);
            frame_build(&frame, shape, payload, 16 + extra);
            expect_same(rig, &listen, &frame);
        }
    }
}

static void checksums_of_answers_are_right(void **state)
{
    struct steering_rig *rig = *state;
    struct listen_table listen;
    static struct steered steered;
    struct frame frame;

    listen_everywhere(rig, &listen);
    srand(2);
    for_each_shape(shape)
    {
        for (unsigned i = 0; i < 1000; i++) {
            unsigned transport;

            request_connect(&frame, shape);
            vary(&frame, shape);
            transport = frame.network + (shape->ipv6 ? 40 : 20);
            fixture_run(rig, frame.bytes, frame.request.length, &steered);
            assert_int_equal(steered.length, transport + 8 + 16);
            assert_true(frame_checksums_right(steered.bytes, frame.network, transport));
        }
    }
}

static void an_answer_is_never_longer_than_its_request(void **state)
{
    struct steering_rig *rig = *state;
    static struct steered steered;
    struct frame frame;

    for_each_shape(shape)
    {
        request_connect(&frame, shape);
        fixture_run(rig, frame.bytes, frame.request.length, &steered);
        assert_int_equal(steered.action, XDP_TX);
        assert_true(steered.length <= frame.request.length);
    }
}

#define reply_test(name) cmocka_unit_test_setup(name, request_setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        reply_test(answers_are_those_of_a_worker),
        reply_test(answers_to_padded_and_longer_requests_are_cut_to_length),
        reply_test(checksums_of_answers_are_right),
        reply_test(an_answer_is_never_longer_than_its_request),
    };

    return cmocka_run_group_tests(tests, request_group_setup, request_group_teardown);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * XDP and a worker judge the same million packets, valid, mutated and random: they never disagree
 * on what is a valid request, nor on why another isn't, and answer connects with the same bytes.
 *
 * Usage: test_steering_differential [PACKETS [SEED]]
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <linux/bpf.h>

#include "dataplane/admit.h"
#include "dataplane/packet.h"
#include "dataplane/reply.h"
#include "requests.h"

static unsigned packets = 1000000;
static uint64_t seed = 1;

static uint64_t random_next(void)
{
    uint64_t z = seed += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static unsigned random_below(unsigned limit)
{
    return (unsigned)(random_next() % limit);
}

/* Packets -------------------------------------------------------------------------------------- */

static void random_request(const struct steering_rig *rig, struct frame *frame)
{
    const struct frame_shape *shape = &request_shapes[random_below(request_shapes_count)];
    uint64_t epoch = rig->config.cookies.epoch + 1 - random_below(5);
    uint64_t id = request_connection_id(rig, shape->ipv6, epoch) ^ (random_below(4) == 0);

    switch (random_below(3)) {
    case 0:
        request_connect(frame, shape);
        break;
    case 1:
        request_announce(frame, shape, id);
        break;
    default:
        request_scrape(frame, shape, id, random_below(76));
        break;
    }
}

/* Bytes on which a verdict may hang: those of the headers, most often. */
static unsigned random_offset(const struct frame *frame)
{
    unsigned headers = frame->payload + 16;

    return random_below(random_below(8) == 0 ? FRAME_ROOM : headers);
}

/* Values that mean something in some field. */
static uint8_t random_byte(void)
{
    static const uint8_t special[] = {0,    1,    2,    3,    4,    6,    7,    8,    16,
                                      17,   44,   58,   127,  128,  0x20, 0x40, 0x45, 0x46,
                                      0x4f, 0x60, 0x81, 0x88, 0x86, 0xa8, 0xdd, 0xe0, 0xff};

    return random_below(2) ? special[random_below(sizeof(special))] : (uint8_t)random_next();
}

static void mutate(struct frame *frame)
{
    unsigned changes = random_below(4);
    unsigned length = frame->request.length;

    for (unsigned i = 0; i < changes; i++)
        frame->bytes[random_offset(frame)] = random_byte();
    if (random_below(8) == 0)
        frame->bytes[random_offset(frame)] ^= (uint8_t)(1u << random_below(8));
    if (random_below(16) == 0)
        request_put16(frame, frame->transport - 20 + 2 * random_below(14), 0);
    if (random_below(8) == 0)
        length = STEERED_MIN + random_below(length - STEERED_MIN + 1);
    else if (random_below(8) == 0)
        length += random_below(64);
    frame->request.length = (uint16_t)length;
}

static void random_frame(const struct steering_rig *rig, struct frame *frame)
{
    random_request(rig, frame);
    if (random_below(64) != 0) {
        mutate(frame);
        return;
    }
    frame->request.length = (uint16_t)(STEERED_MIN + random_below(200));
    for (unsigned i = random_below(2) ? 12 : 34; i < frame->request.length; i++)
        frame->bytes[i] = random_byte();
}

/* Verdicts ------------------------------------------------------------------------------------- */

/* What a worker would do, in the words of XDP. */
static enum steering_counter judge_in_worker(const struct steering_rig *rig,
                                             const struct listen_table *listen, struct frame *frame)
{
    packet_parse(listen, &frame->request);
    switch (frame->request.verdict) {
#define SAME(name)                                                                                 \
    case COUNTER_DROP_##name:                                                                      \
        return STEERING_##name
        SAME(short_frame);
        SAME(ip_header);
        SAME(fragment);
        SAME(udp_length);
        SAME(source_port);
        SAME(source_address);
        SAME(short_request);
        SAME(action);
        SAME(magic);
#undef SAME
    case REQUEST_PUNT:
        return STEERING_not_ours;
    case REQUEST_CONNECT:
        return STEERING_connect_answered;
    case REQUEST_ANNOUNCE:
    case REQUEST_SCRAPE:
        return admit_verify(&rig->config.cookies, &frame->request) ? STEERING_request_steered
                                                                   : STEERING_connection_id;
    default:
        return STEERING_COUNTERS;
    }
}

static void print_frame(const struct frame *frame, unsigned length)
{
    for (unsigned i = 0; i < length; i++)
        fprintf(stderr, "%02x%s", frame->bytes[i], i % 32 == 31 ? "\n" : " ");
    fprintf(stderr, "\n");
}

static void expect_same_answer(const struct steering_rig *rig, struct frame *frame,
                               const struct steered *steered)
{
    reply_connect(&frame->request, admit_issue(&rig->config.cookies, &frame->request));
    reply_finish((struct request *[]){&frame->request}, 1);
    assert_int_equal(steered->length, frame->request.length);
    assert_memory_equal(steered->bytes, frame->request.frame, steered->length);
}

static void xdp_and_workers_never_disagree(void **state)
{
    struct steering_rig *rig = *state;
    static struct steered steered;
    uint64_t seen[STEERING_COUNTERS] = {0};
    struct listen_table listen;
    struct frame frame;

    frame_listen(&listen);
    for (unsigned i = 0; i < packets; i++) {
        enum steering_counter expected;

        random_frame(rig, &frame);
        fixture_run(rig, frame.bytes, frame.request.length, &steered);
        expected = judge_in_worker(rig, &listen, &frame);
        if (steered.verdict != expected) {
            fprintf(stderr, "packet %u: the worker says %s, XDP says %s\n", i,
                    fixture_verdict_name(expected), fixture_verdict_name(steered.verdict));
            print_frame(&frame, frame.request.length);
            fail();
        }
        if (expected == STEERING_connect_answered)
            expect_same_answer(rig, &frame, &steered);
        seen[expected]++;
    }
    for (unsigned i = 0; i < STEERING_COUNTERS; i++)
        if (seen[i])
            printf("%-20s %llu\n", fixture_verdict_name((enum steering_counter)i),
                   (unsigned long long)seen[i]);
    for (unsigned i = STEERING_short_frame; i <= STEERING_magic; i++)
        assert_true(packets < 100000 || seen[i] > 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(xdp_and_workers_never_disagree, request_setup),
    };

    if (argc > 1)
        packets = (unsigned)strtoul(argv[1], NULL, 10);
    if (argc > 2)
        seed = strtoull(argv[2], NULL, 10);
    return cmocka_run_group_tests(tests, request_group_setup, request_group_teardown);
}

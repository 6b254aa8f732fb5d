/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <linux/bpf.h>

#include "requests.h"

const struct frame_shape request_shapes[] = {
    {.ipv6 = false},
    {.ipv6 = false, .tags = 1},
    {.ipv6 = false, .tags = 2},
    {.ipv6 = false, .options = 4},
    {.ipv6 = false, .options = 40},
    {.ipv6 = false, .options = 40, .tags = 2},
    {.ipv6 = true},
    {.ipv6 = true, .tags = 1},
    {.ipv6 = true, .tags = 2},
};
const unsigned request_shapes_count = sizeof(request_shapes) / sizeof(request_shapes[0]);

uint64_t request_connection_id(const struct steering_rig *rig, bool ipv6, uint64_t epoch)
{
    const struct cookie_state *cookies = &rig->config.cookies;
    uint64_t halves[2];
    uint32_t address;

    if (!ipv6) {
        memcpy(&address, FRAME_CLIENT_IPV4, sizeof(address));
        return cookie_ipv4(cookies, epoch, address);
    }
    memcpy(halves, FRAME_CLIENT_IPV6, sizeof(halves));
    return cookie_ipv6(cookies, epoch, halves[0], halves[1]);
}

void request_connect(struct frame *frame, const struct frame_shape *shape)
{
    uint8_t payload[32];

    frame_build(frame, shape, payload, frame_connect(payload, REQUEST_TRANSACTION));
}

void request_announce(struct frame *frame, const struct frame_shape *shape, uint64_t connection_id)
{
    uint8_t payload[128];

    frame_build(frame, shape, payload,
                frame_announce(payload, connection_id, REQUEST_TRANSACTION, 7, 51413));
}

void request_scrape(struct frame *frame, const struct frame_shape *shape, uint64_t connection_id,
                    unsigned hashes)
{
    uint8_t payload[16 + 20 * 75];

    frame_build(frame, shape, payload,
                frame_scrape(payload, connection_id, REQUEST_TRANSACTION, hashes));
}

void request_put16(struct frame *frame, unsigned offset, unsigned value)
{
    frame->bytes[offset] = (uint8_t)(value >> 8);
    frame->bytes[offset + 1] = (uint8_t)value;
}

static uint32_t action_of(enum steering_counter verdict)
{
    switch (verdict) {
    case STEERING_not_ours:
    case STEERING_no_socket:
        return XDP_PASS;
    case STEERING_connect_answered:
        return XDP_TX;
    case STEERING_connect_steered:
    case STEERING_request_steered:
        return XDP_REDIRECT;
    default:
        return XDP_DROP;
    }
}

void request_expect(struct steering_rig *rig, const struct frame *frame,
                    enum steering_counter verdict, const char *file, int line)
{
    static struct steered steered;

    fixture_run(rig, frame->bytes, frame->request.length, &steered);
    if (steered.verdict != verdict)
        print_error("expected %s, got %s\n", fixture_verdict_name(verdict),
                    fixture_verdict_name(steered.verdict));
    _assert_int_equal(steered.verdict, verdict, file, line);
    _assert_int_equal(steered.action, action_of(verdict), file, line);
    if (steered.action == XDP_TX)
        return;
    _assert_int_equal(steered.length, frame->request.length, file, line);
    _assert_memory_equal(steered.bytes, frame->bytes, steered.length, file, line);
}

int request_group_setup(void **state)
{
    static struct steering_rig rig;

    steering_rig_open(&rig, STEERING_OBJECT);
    *state = &rig;
    return 0;
}

int request_group_teardown(void **state)
{
    steering_rig_close(*state);
    return 0;
}

int request_setup(void **state)
{
    fixture_defaults(*state);
    steering_rig_connect(*state, true);
    return 0;
}

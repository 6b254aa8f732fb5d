/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests for the XDP program's tests: frames of every shape, with connection IDs that hold. */
#pragma once

#include "steering_fixture.h"
#include "tests/unit/frame.h"

enum { REQUEST_TRANSACTION = 0x01020304 };

/* Every shape of frame that can carry a request. */
extern const struct frame_shape request_shapes[];
extern const unsigned request_shapes_count;

/* The ID that FRAME_CLIENT_* gets in `epoch`. */
uint64_t request_connection_id(const struct steering_rig *rig, bool ipv6, uint64_t epoch);

void request_connect(struct frame *frame, const struct frame_shape *shape);
void request_announce(struct frame *frame, const struct frame_shape *shape, uint64_t connection_id);
void request_scrape(struct frame *frame, const struct frame_shape *shape, uint64_t connection_id,
                    unsigned hashes);

/* 16 bits in network byte order, `offset` bytes from the frame's start. */
void request_put16(struct frame *frame, unsigned offset, unsigned value);

/* Runs the frame; fails the test unless it gets that verdict and the action that goes with it. */
#define expect(rig, frame, verdict)                                                                \
    request_expect(rig, frame, STEERING_##verdict, __FILE__, __LINE__)
void request_expect(struct steering_rig *rig, const struct frame *frame,
                    enum steering_counter verdict, const char *file, int line);

/* cmocka's group set-up and tear-down: *state is the struct steering_rig. And each test's. */
int request_group_setup(void **state);
int request_group_teardown(void **state);
int request_setup(void **state);

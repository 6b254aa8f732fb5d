/* SPDX-License-Identifier: BSD-3-Clause */
/* One frame through the XDP program, and what became of it. */
#pragma once

#include "tools/steering_rig/steering_rig.h"

enum {
    STEERED_ROOM = 4096,
    STEERED_MIN = 14, /* bytes; the kernel takes no shorter frame, neither here nor from a driver */
};

struct steered {
    uint32_t action; /* enum xdp_action */
    enum steering_counter
        verdict; /* the one that was counted, STEERING_COUNTERS if none or several */
    bool would_limit;
    uint32_t length;
    uint8_t bytes[STEERED_ROOM];
};

/* Keys always the same, FRAME_SERVER_* as listen addresses, connects answered, no limits. */
void fixture_defaults(struct steering_rig *rig);

void fixture_run(struct steering_rig *rig, const void *frame, uint32_t length,
                 struct steered *steered);

const char *fixture_verdict_name(enum steering_counter verdict);

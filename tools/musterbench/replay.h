/* SPDX-License-Identifier: BSD-3-Clause */
/* What replay.bpf.c and xdp.c share. */
#pragma once

#include <stdint.h>

enum {
    REPLAY_PACKETS =
        8192,          /* 1 MiB: they stay in cache, as packets do that a NIC has just written */
    REPLAY_SIZE = 120, /* bytes of a packet, a multiple of 8; longer ones stay as they are beyond */
};

struct replay_packet {
    uint32_t length;
    uint32_t reserved;
    uint8_t bytes[REPLAY_SIZE];
};

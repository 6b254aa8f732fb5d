/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The XDP program under test: loaded with maps of its own, nothing pinned or attached, run over
 * single frames by the kernel (BPF_PROG_TEST_RUN). Needs root; a test skips without.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bpf/steering_maps.h"

enum {
    STEERED_ROOM = 4096,
    STEERED_MIN = 14, /* bytes; the kernel takes no shorter frame, neither here nor from a driver */
    FIXTURE_SKIP = 77,
};

struct fixture {
    struct bpf_object *object;
    int program, slot, config_map, counters, bans_ipv4, bans_ipv6, limiter, sockets;
    struct xsk_umem *umem;
    struct xsk_socket *socket;
    void *frames;

    struct steering_config config; /* as published last */
};

/* What became of a frame. */
struct steered {
    uint32_t action; /* enum xdp_action */
    enum steering_counter
        verdict; /* the one that was counted, STEERING_COUNTERS if none or several */
    bool would_limit;
    uint32_t length;
    uint8_t bytes[STEERED_ROOM];
};

/* Exits with FIXTURE_SKIP when not root, fails the test program when anything else is wrong. */
void fixture_open(struct fixture *fixture);
void fixture_close(struct fixture *fixture);

/* Keys that are always the same, FRAME_SERVER_* as listen addresses, connects answered, no limits.
 */
void fixture_defaults(struct fixture *fixture);

/* Publishes fixture->config; the kernel's side only: no copy in a second map. */
void fixture_publish(struct fixture *fixture);

/* With a socket on queue 0, as while musterd runs; or without. */
void fixture_connect_socket(struct fixture *fixture, bool connected);

/* Forgets what the limiter knows. */
void fixture_clear_limiter(struct fixture *fixture);

void fixture_run(struct fixture *fixture, const void *frame, uint32_t length,
                 struct steered *steered);

/* Nanoseconds a run, of `repeat` runs on the same bytes. */
uint32_t fixture_time(struct fixture *fixture, const void *frame, uint32_t length, uint32_t repeat,
                      uint32_t *action);

const char *fixture_verdict_name(enum steering_counter verdict);

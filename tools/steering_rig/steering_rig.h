/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The XDP program for tests and benches: loaded with maps of its own, nothing pinned or attached,
 * and run over frames by the kernel (BPF_PROG_TEST_RUN). In a network namespace of its own: the
 * calling thread enters it.
 *
 * Needs root. Where anything fails, it says what and ends the process: there is nothing else to
 * test.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../../bpf/steering_maps.h"

enum { STEERING_RIG_SKIP = 77 }; /* exit status for lack of rights, as meson has it */

struct steering_rig {
    struct bpf_object *object;
    int program;
    int slot, inner, counters, limiter, bans_ipv4, bans_ipv6, sockets; /* maps */
    struct xsk_umem *umem;
    struct xsk_socket *socket;
    void *frames;

    struct steering_config config; /* steering_rig_publish() makes it hold */
};

void steering_rig_open(struct steering_rig *rig, const char *object);
void steering_rig_close(struct steering_rig *rig);

void steering_rig_publish(struct steering_rig *rig);

/* With a socket on queue 0, as while musterd runs; or without. */
void steering_rig_connect(struct steering_rig *rig, bool connected);

/* Prefix `length` of an address; until 0 lifts the ban. The counts in `config` are the caller's. */
void steering_rig_ban(struct steering_rig *rig, unsigned family, const void *address,
                      unsigned length, uint64_t until);

/* Forgets what the limiter knows. */
void steering_rig_clear_limiter(struct steering_rig *rig);

void steering_rig_counters(const struct steering_rig *rig, uint64_t counts[STEERING_COUNTERS]);

/* Ends the process unless `well`; adds what errno says. */
void steering_rig_need(bool well, const char *what);

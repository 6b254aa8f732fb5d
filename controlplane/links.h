/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What becomes of the ports while it runs: links that go down and come back, devices that are taken
 * away, queues that receive nothing any more. Says so in the log, once each; metrics and health
 * tell the same for as long as it lasts.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../dataplane/dataplane.h"

struct observation;

struct links {
    struct link_state {
        bool down, gone, stalled;
        unsigned silent; /* seconds in a row without a packet, though some were lost */
        uint64_t since;  /* monotonic, seconds: when the link went down */
        uint64_t received, lost;
    } ports[DATAPLANE_PORTS_MAX];
    uint64_t no_socket; /* packets that XDP found no worker for */
    bool begun;
};

/* Once a second, after the observation's tick. False when there is no port left to serve. */
bool links_watch(struct links *links, const struct observation *observation);

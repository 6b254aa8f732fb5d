/* SPDX-License-Identifier: BSD-3-Clause */
#include "links.h"

#include <time.h>

#include "log.h"
#include "observation.h"

enum {
    /* Seconds without a packet, while the port loses some: a full ring empties within far less. */
    SILENT_SECONDS = 3,
};

static uint64_t now_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec;
}

/* The kernel may make a device of the same name again: it is another one. */
static void watch_device(struct link_state *state, const struct dataplane_port_info *info)
{
    if (info->gone && !state->gone)
        log_error("port", "its device is gone: port=%s; only a restart takes another of that name",
                  info->name);
    state->gone |= info->gone;
}

static void watch_link(struct link_state *state, const struct dataplane_port_info *info)
{
    if (!info->link_up && !state->down) {
        state->since = now_seconds();
        log_warning("port", "its link is down: port=%s", info->name);
    } else if (info->link_up && state->down) {
        log_info("port", "its link is up again: port=%s down=%llus", info->name,
                 (unsigned long long)(now_seconds() - state->since));
    }
    state->down = !info->link_up;
}

/* A queue that stopped, or a worker that left it: packets come, and all are lost. */
static void watch_queues(struct link_state *state, const struct dataplane_port_info *info)
{
    uint64_t lost = info->rx_missed + info->rx_no_mbuf;
    bool received = info->rx_packets != state->received;

    state->silent = received ? 0 : state->silent + (lost > state->lost);
    if (state->silent >= SILENT_SECONDS && !state->stalled) {
        state->stalled = true;
        log_error("port", "receives nothing any more, and loses what comes: port=%s", info->name);
    } else if (received && state->stalled) {
        state->stalled = false;
        log_info("port", "receives again: port=%s", info->name);
    }
    state->received = info->rx_packets;
    state->lost = lost;
}

/* XDP passes such packets to the kernel, which knows nothing of them. */
static void watch_steering(struct links *links, const struct observation *observation)
{
    uint64_t count = observation_totals(observation)->xdp[STEERING_no_socket];

    if (links->begun && count > links->no_socket)
        log_error("port",
                  "packets arrive at a queue without a worker: packets=%llu; the interface should "
                  "have as many queues as its port (ethtool -l)",
                  (unsigned long long)(count - links->no_socket));
    links->no_socket = count;
    links->begun = true;
}

bool links_watch(struct links *links, const struct observation *observation)
{
    unsigned ports = observation_ports(observation), left = 0;

    for (unsigned port = 0; port < ports; port++) {
        const struct dataplane_port_info *info = observation_port(observation, port);
        struct link_state *state = &links->ports[port];

        watch_device(state, info);
        if (state->gone)
            continue;
        left++;
        watch_link(state, info);
        watch_queues(state, info);
    }
    watch_steering(links, observation);
    return left > 0;
}

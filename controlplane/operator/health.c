/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include "console_state.h"
#include "health.h"

/* The first port whose link is down, or NULL. */
static const struct dataplane_port_info *port_down(const struct observation *observation)
{
    for (unsigned port = 0; port < observation_ports(observation); port++) {
        const struct dataplane_port_info *info = observation_port(observation, port);

        if (!info->link_up)
            return info;
    }
    return NULL;
}

enum health health_of(const struct console *console, char *reason, size_t size)
{
    const struct observation *observation = console->observation;
    int stuck = observation_stuck_worker(observation);
    const struct dataplane_port_info *down = port_down(observation);

    reason[0] = '\0';
    if (console->controlplane->failing)
        snprintf(reason, size, "%s", console->controlplane->failing);
    else if (stuck >= 0)
        snprintf(reason, size, "worker %d on core %u has stopped: see the log, then restart", stuck,
                 observation_worker(observation, (unsigned)stuck)->core);
    else if (down)
        snprintf(reason, size,
                 down->gone ? "the device of port %s is gone: restart when it is back"
                            : "the link of port %s is down",
                 down->name);
    else
        return console->controlplane->draining ? HEALTH_DRAINING : HEALTH_OK;
    return HEALTH_FAILING;
}

const char *health_name(enum health health)
{
    static const char *const names[HEALTHS] = {"ok", "draining", "failing"};

    return names[health];
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The operator's side of musterd over a data plane that only pretends: many workers, waves of
 * traffic, drops. For looking at the page and at musterctl without the hardware. Usage:
 * fake_appliance FOLDER; prints the port of HTTP.
 */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controlplane/operator/console_state.h"
#include "controlplane/operator/http.h"
#include "tests/unit/fake_controlplane.h"
#include "tests/unit/fake_dataplane.h"

enum { WORKERS = 8, TICK_MS = 100, TICKS_A_SECOND = 1000 / TICK_MS };

static void add_workers(void)
{
    fake_dataplane.workers = WORKERS;
    for (unsigned worker = 2; worker < WORKERS; worker++) {
        fake_dataplane.worker[worker] = fake_dataplane.worker[worker % 2];
        fake_dataplane.worker[worker].core = worker + 2;
        fake_dataplane.worker[worker].numa_node = worker / 4;
    }
}

/* The largest ones, each a bit smaller than the one before. */
static void add_swarms(void)
{
    for (unsigned i = 0; i < 8; i++) {
        struct inspect_swarm *swarm = &fake_dataplane.swarms[i];

        *swarm = (struct inspect_swarm){
            .family = i % 4 == 3,
            .seeders = 48211 / (i + 1),
            .leechers = 21907 / (i + 2),
            .announces_per_min = 5200 / (i + 1),
        };
        for (unsigned byte = 0; byte < sizeof(swarm->info_hash); byte++)
            swarm->info_hash[byte] = (uint8_t)rand();
    }
    fake_dataplane.swarms_count = 8;
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    static unsigned ticks;
    double time = ticks++ / (double)TICKS_A_SECOND;
    double wave =
        1 + 0.25 * sin(time / 9) + 0.08 * sin(time * 1.7) + 0.05 * (rand() / (double)RAND_MAX);

    fake_dataplane_advance(1.0 / TICKS_A_SECOND, 4e6 * wave);
    if (ticks % TICKS_A_SECOND == 0)
        observation_tick(fake_controlplane.observation);
}

int main(int argc, char *argv[])
{
    const struct timeval interval = {.tv_usec = TICK_MS * 1000};
    struct event *tick;

    if (argc != 2)
        return 2;
    signal(SIGPIPE, SIG_IGN);
    fake_dataplane_fill();
    add_workers();
    add_swarms();
    fake_controlplane.steering = (struct steering *)&fake_dataplane; /* never looked into */
    if (fake_controlplane_start(argv[1]) != 0)
        return 1;
    printf("%u\n", http_port(fake_console->http));
    fflush(stdout);
    tick = event_new(fake_controlplane.events, -1, EV_PERSIST, on_tick, NULL);
    event_add(tick, &interval);
    event_base_dispatch(fake_controlplane.events);
    event_free(tick);
    fake_controlplane_stop();
    return 0;
}

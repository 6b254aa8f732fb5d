/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A data plane that only tells: what dataplane.h shows of workers and ports, set by the test. For
 * what stands on the control side of dataplane.h.
 */
#pragma once

#include "bpf/steering_verdicts.h"
#include "dataplane/dataplane.h"

enum { FAKE_CYCLES_PER_SECOND = 1000000000 };

struct fake_dataplane {
    unsigned workers, ports;
    struct dataplane_worker_info worker[DATAPLANE_WORKERS_MAX];
    struct dataplane_port_info port[DATAPLANE_PORTS_MAX];
    uint64_t xdp[STEERING_COUNTERS]; /* told when there is a `steering` at all */
    struct inspect_swarm swarms[8];  /* of each worker, what swarms top and show find */
    unsigned swarms_count;
    bool busy; /* no worker takes jobs */
};

/* What all functions of dataplane.h look at, whichever data plane they are given. */
extern struct fake_dataplane fake_dataplane;

/* Two workers and two ports with traffic behind them. */
void fake_dataplane_fill(void);

/* `seconds` of traffic at about `rate` requests a second. */
void fake_dataplane_advance(double seconds, double rate);

/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line of musterload. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../../dataplane/dataplane.h"
#include "../workload/frame.h"

enum { OPTIONS_STEPS_MAX = 32 };

/* One step of the load: how fast requests are sent. */
struct options_step {
    enum { STEP_MAX, STEP_PERCENT, STEP_RATE } kind;
    double value;    /* percent of the best replies/s of the steps before; or requests/s */
    unsigned window; /* of STEP_MAX, instead of the option's; 0: that */
};

struct options {
    bool bounce; /* send every frame back, instead of making load */
    bool echoed; /* the other side bounces frames: no replies to check */
    bool populate;
    bool json, lenient, check_all;
    const char *samples; /* a file for what happened every few seconds; NULL: none */
    struct workload workload;
    struct frame_tracker tracker;
    unsigned invalid_percent; /* of the announces: with a connection ID that nobody issued */
    struct options_step steps[OPTIONS_STEPS_MAX];
    unsigned steps_count;
    double seconds, warmup; /* of each step */
    unsigned window;        /* requests that may be unanswered, in closed loop */
    unsigned populate_window;
    int server_pid;          /* whose processor time is told; 0: nobody's */
    const char *hashes_file; /* where to write the torrents' info-hashes, instead of making load */

    /* The port; from the data plane's own configuration. */
    struct dataplane_config dataplane;
};

/* 0, 1 when help was asked for and given, or -1 when something is wrong and was said. */
int options_parse(int argc, char **argv, struct options *options);

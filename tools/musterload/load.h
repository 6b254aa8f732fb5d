/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The loop that sends requests and takes replies, over one queue of a port. In closed loop a
 * request goes out when fewer than `window` are unanswered; in open loop when it is due, whatever
 * became of those before, and its latency counts from when it was due.
 */
#pragma once

#include <signal.h>

#include "../../dataplane/port.h"
#include "check.h"
#include "options.h"
#include "sample.h"

enum {
    LOAD_BURST = 64,
    LOAD_READER = 0, /* memif's, of the only thread */
};

/* What was sent since load_clear(). */
struct load_sent {
    uint64_t requests[KIND_COUNT];
    uint64_t refused; /* that the port didn't take: its queue was full */
    uint64_t late;    /* open loop: left out, for this program couldn't keep up */
};

struct load_choice {
    uint32_t client;
    uint64_t bits; /* random */
};

struct load {
    const struct options *options;
    struct port *port;
    struct frame_templates templates;
    struct client *clients;
    struct unanswered *unanswered;
    struct check check;
    struct load_sent sent;
    struct sample sample;
    uint64_t busy; /* ticks of the rounds that had something to do */
    double ticks_per_second;
    uint64_t next_second; /* ticks, of check.seconds */
    uint64_t random;
    bool unlinked; /* the other side is gone */

    /* Who asks next: chosen ahead, so that their cache lines are there in time. */
    enum { CHOOSE_RANDOM, CHOOSE_UNCONNECTED, CHOOSE_ALL } choose;
    uint32_t cursor;
    struct load_choice ahead[LOAD_BURST];
    unsigned ahead_count;

    /* The pace. */
    double interval; /* ticks between requests in open loop; 0: closed loop */
    double next_due; /* ticks */
    unsigned window;
};

/* What a step of the load came to. */
struct load_result {
    double seconds;
    double
        busy; /* share of the time that this program had something to do: 1, and it is the limit */
    struct load_sent sent;
    double server_seconds; /* processor time of options->server_pid, or 0 */
    uint64_t replies, lost;
    bool interrupted;
};

/* Set by the signal handlers: everything ends. */
extern volatile sig_atomic_t load_stop;

/* 0 or a negative errno. */
int load_init(struct load *load, const struct options *options, struct port *port);
void load_free(struct load *load);

/* Gets everybody a connection ID and announces everybody. False when the tracker doesn't answer. */
bool load_populate(struct load *load);

/* Runs for some seconds: `rate` requests/s in open loop, or 0 for closed loop with so many
 * unanswered. Counts begin anew after the warm-up. */
void load_run(struct load *load, double rate, unsigned window, struct load_result *result);

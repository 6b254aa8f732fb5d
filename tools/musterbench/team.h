/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Several workers, each on a core of its own, that serve requests from their own memory and hand
 * off what another owns, as dataplane/worker.c does.
 *
 * They go round by round: all fill their rings; then, timed, all serve until the last request of
 * everyone is answered. A round's time thus includes the wait for the slowest.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "../../dataplane/handoff.h"
#include "rig.h"

enum { TEAM_WORKERS_MAX = 16 };

struct team;

struct team_worker {
    struct team *team;
    struct rig rig;
    unsigned number, core;
    pthread_t thread;
    struct handoff_ring *in[TEAM_WORKERS_MAX]; /* from that worker; NULL from itself */
    unsigned filled, fed;                      /* frames of this round; served so far */
    unsigned turn;
    struct lane arriving; /* taken from the rings, to join in the next turn */
    uint64_t handoff_full;
    uint64_t begin, end; /* ticks of this round */
    int error;

    _Alignas(64) _Atomic uint64_t answered; /* of this round, whoever's they were */
};

struct team {
    unsigned workers;
    struct team_worker *members[TEAM_WORKERS_MAX];
    const struct workload *workload;
    struct swarms_limits limits; /* of one worker */
    unsigned frames;
    enum machine_pages pages;

    pthread_barrier_t ready;   /* the members and whoever runs the rounds */
    _Atomic unsigned at_start; /* members that spin until all have filled their rings */
    bool populate, stop;       /* what the next round is for; set between rounds */
    uint32_t populated;        /* peers of each share that are announced already */
};

struct team_config {
    unsigned workers;
    const unsigned *cores;
    const struct workload *workload;
    const struct workload_census *census;
    unsigned frames, headroom;
    enum machine_pages pages;
};

/* Starts the threads. 0 or a negative errno. */
int team_start(struct team *team, const struct team_config *config);
void team_stop(struct team *team);

void team_populate(struct team *team);

/* A round of random requests. Returns its ticks, and adds the announces in it. */
uint64_t team_round(struct team *team, uint64_t *announces);

/* Of all workers together. */
uint64_t team_counter(const struct team *team, enum counter counter);
uint64_t team_handoff_full(const struct team *team);

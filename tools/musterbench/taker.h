/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A thread on another core that takes what a worker tells of its announces (deltas.h), all of it
 * every 10 ms, as the control thread of a fleet's member does; and forgets it.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "../../dataplane/deltas.h"
#include "machine.h"

struct taker {
    struct deltas *deltas; /* for the worker to put into */
    uint64_t taken, lost;  /* so far; read them when it has stopped */

    size_t size;
    enum machine_pages pages;
    atomic_bool stop;
    pthread_t thread;
};

/* 0 or a negative errno. */
int taker_start(struct taker *taker, unsigned core);

void taker_stop(struct taker *taker);

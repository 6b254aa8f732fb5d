/* SPDX-License-Identifier: BSD-3-Clause */
/* A worker's traffic: from ports and rings into the lanes of its pipeline, and out again. */
#pragma once

#include "worker.h"

/* Takes up to `most` packets from a queue, and parses them. Returns how many there were. */
unsigned worker_receive(struct worker *worker, struct worker_queue *queue, unsigned most);

/*
 * Takes requests and replies from the rings, and asks for their memory: they join in the next turn,
 * when it has arrived. Returns how many there are.
 */
unsigned worker_take(struct worker *worker);

/* Adds what worker_take() took the last time. Returns how many, at most WORKER_TAKE_MAX. */
unsigned worker_join(struct worker *worker);

/* Empties the lanes: sends replies, hands over, punts, frees. */
void worker_dispatch(struct worker *worker);

/* Sends what the kernel wants sent over the queue's exception port. Returns how many there were. */
unsigned worker_forward(struct worker *worker, struct worker_queue *queue);

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The cluster client and two servers that do as they are told: one serves slots 0-8191, the other
 * the rest. Key "a" is in slot 15495 (high), "b" in 3300 (low).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "controlplane/store/redis_cluster.h"
#include "redis_fake.h"

enum { PATIENCE_MS = 5000 };

extern struct event_base *base;
extern struct redis_fake low, high;
extern char slots[512]; /* what both answer to CLUSTER SLOTS */
extern struct redis_cluster *cluster;
extern struct redis_address seeds[2];
extern unsigned doubts, doubt_first, doubt_last; /* calls of on_doubt, and its last arguments */
extern char last_note[512];

struct answer {
    unsigned calls;
    enum redis_outcome outcome;
    enum redis_error error;
    char text[64];
};

/* For cmocka: before and after each test. */
int redis_rig_set_up(void **state);
int redis_rig_tear_down(void **state);

/* Makes the client; of the configuration, seeds and calls are the rig's. */
void connect_with(struct redis_cluster_config config);

/* Has CLUSTER SLOTS say that these ports serve the two halves. */
void describe(uint16_t low_port, uint16_t high_port);

/* Submits NAME KEY [VALUE]; returns what redis_cluster_submit() does. */
int submit(struct answer *answer, bool wait, uint32_t timeout_ms, const char *name, const char *key,
           const char *value);

uint64_t now_ms(void);
void run_for(uint64_t ms);

/* Until there is an answer; fails if there is none in time. */
void wait_for(const struct answer *answer);

/* GET, and what is to become of it. */
void get(const char *key, enum redis_outcome outcome);

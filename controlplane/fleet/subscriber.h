/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Learns what clients announced to the other members: reads their streams from Redis and merges
 * them into the tables. A gap in a stream's sequence is reported: what was missed has to be read
 * from snapshots.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../store/importer.h"
#include "../store/redis_cluster.h"
#include "members.h"
#include "tombstones.h"

struct subscriber_config {
    struct event_base *base;
    struct redis_cluster *redis;
    struct jobs *jobs;
    struct dataplane *dataplane;
    struct seen_clock *clock; /* the appliance's */
    struct tombstones *tombstones;
    const struct swarms_timeouts *timeouts; /* as they are in force; may change */
    uint32_t poll_ms;                       /* between two looks at a stream that had nothing new */

    void *user;
    /* Something of the member's was missed. */
    void (*on_gap)(void *user, unsigned member);
};

/* Of one member's streams. */
struct subscriber_info {
    unsigned streams;
    uint64_t batches, records, bytes;
    uint64_t stopped;       /* records that said that a peer stopped */
    uint64_t dead, expired; /* records that were left out: the peer has stopped since; too old */
    uint64_t gaps, duplicates;
    uint64_t unreadable;  /* batches that were damaged, foreign, or of a newer version */
    uint64_t errors;      /* reads that failed */
    uint64_t lag_records; /* that it has told of and we haven't read */
    uint32_t lag_ms;      /* since it told of the first of these; 0: none */
    bool caught_up;       /* has been at the end of every stream once */
};

struct subscriber;

/* NULL when out of memory. */
struct subscriber *subscriber_new(const struct subscriber_config *config);

/* After the Redis client was closed, and the data plane stopped. */
void subscriber_free(struct subscriber *subscriber);

/*
 * Reads the member's streams from their beginnings on, or goes on where it was. To be called
 * whenever its record changes.
 */
void subscriber_follow(struct subscriber *subscriber, unsigned number, const struct member *member);

/* Reads no more of the member's streams. */
void subscriber_drop(struct subscriber *subscriber, unsigned number);

/*
 * Snapshots are read from now on: of members that are followed later, none is; so what their
 * streams no longer hold is a gap.
 */
void subscriber_expect_all(struct subscriber *subscriber);

/* True when all that was read so far is in the tables. */
bool subscriber_idle(const struct subscriber *subscriber);

void subscriber_info(const struct subscriber *subscriber, unsigned member,
                     struct subscriber_info *info);

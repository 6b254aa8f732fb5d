/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tells the fleet what clients announced here: takes deltas from the workers' rings, and appends
 * them in batches to streams of Redis, one for each worker.
 *
 * A stream's batches go out one at a time, in order, each under an ID of our own (wall-clock
 * milliseconds and sequence number): to send one twice is harmless. While the stream's node is away
 * batches wait. When they are nearly PUBLISHER_WAITING_MAX bytes, workers are asked for those who
 * stop alone; when they are as many, the oldest are forgotten. Either way a gap in the sequence
 * tells the readers that they have missed something.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../../dataplane/dataplane.h"
#include "../store/redis_cluster.h"
#include "member_record.h"
#include "tombstones.h"

enum {
    PUBLISHER_WAITING_MAX = 32 << 20, /* bytes, of all streams together */
};

struct publisher_config {
    struct event_base *base;
    struct redis_cluster *redis;
    struct dataplane *dataplane;
    struct seen_clock *clock;      /* the appliance's */
    struct tombstones *tombstones; /* learns who stopped here */
    unsigned self;
    uint32_t batch_ms;  /* a delta waits no longer than this for others */
    uint32_t retention; /* seconds that a stream holds deltas, for readers that fall behind */
};

struct publisher_info {
    uint64_t records, batches, bytes; /* that Redis has */
    uint64_t lost_in_ring; /* records: the ring was full, or too much was waiting already */
    uint64_t lost_waiting; /* records: they waited for too long */
    uint64_t errors;
    uint64_t retries;
    uint64_t clock_bumps; /* the stream's end was in our future */
    unsigned waiting;     /* records, now */
    size_t waiting_bytes;
    uint32_t oldest_ms; /* that the oldest of them has waited */
    char last_error[128];
};

struct publisher;

/* NULL when out of memory. Begins at publisher_start(). */
struct publisher *publisher_new(const struct publisher_config *config);

/* After the Redis client was closed. */
void publisher_free(struct publisher *publisher);

/* `former`: our record of an earlier run, or NULL. */
void publisher_start(struct publisher *publisher, uint64_t epoch,
                     const struct member_record *former);

/* No more: another has our number. */
void publisher_stop(struct publisher *publisher);

/* Where the streams end, for our record. */
void publisher_describe(const struct publisher *publisher, struct member_record *record);

void publisher_info(const struct publisher *publisher, struct publisher_info *info);

/* The key of a stream. Returns its length. */
enum { PUBLISHER_KEY_SIZE = 48 };
size_t publisher_stream_key(char key[PUBLISHER_KEY_SIZE], unsigned appliance, unsigned stream);

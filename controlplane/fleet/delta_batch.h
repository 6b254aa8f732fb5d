/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Deltas on their way through a stream of Redis: a batch of announces of one worker of one
 * appliance, as the value of one stream entry. The bytes are specified in docs/snapshot-format.md.
 *
 * 29 bytes an announce (IPv4) or 41 (IPv6). The reader trusts no byte.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../dataplane/deltas.h"
#include "../store/seen.h"

enum {
    DELTA_BATCH_VERSION = 1,
    DELTA_BATCH_HEADER_SIZE = 64,
    DELTA_BATCH_RECORD_MAX = 41,
    DELTA_BATCH_RECORDS_MAX = 1000,
    DELTA_BATCH_SIZE_MAX =
        DELTA_BATCH_HEADER_SIZE + DELTA_BATCH_RECORDS_MAX * DELTA_BATCH_RECORD_MAX,
};

struct delta_batch_header {
    uint16_t appliance, stream; /* whose, and of which worker */
    uint32_t records;
    uint64_t epoch;    /* of the appliance's run */
    uint64_t sequence; /* of the batch in its stream and epoch, from 1 on; a number that is missing
                          was lost */
    uint64_t before;   /* records of the stream and epoch before this batch, those that were lost
                          included */
    uint64_t time_ms;  /* wall clock, when it was sent */
    int64_t steps_ms;  /* by which that was set ahead since the run began; negative: back */
};

/* Empties the batch. `bytes` has DELTA_BATCH_SIZE_MAX. Returns its size so far. */
size_t delta_batch_begin(uint8_t *bytes);

/* Appends an announce; returns the size with it. `now`: to be the same as the header's time. */
size_t delta_batch_add(uint8_t *bytes, size_t size, const struct delta *delta,
                       struct seen_clock now);

/* Completes it; of `header` all is used. */
void delta_batch_finish(uint8_t *bytes, size_t size, const struct delta_batch_header *header);

struct delta_batch_reader {
    struct delta_batch_header header;
    const uint8_t *at, *end;
    uint32_t left;
};

struct delta_record {
    const uint8_t *info_hash, *peer;
    uint8_t family; /* enum swarms_family */
    uint8_t flags;  /* enum transfer_flags */
    uint16_t state; /* for seen_age() */
};

/* 0, -EBADMSG (not a batch, or damaged), or -ENOTSUP (intact, but of a newer version). */
int delta_batch_open(struct delta_batch_reader *reader, const void *bytes, size_t size);

/* The next record: 1, 0 at the end, or -EBADMSG. */
int delta_batch_next(struct delta_batch_reader *reader, struct delta_record *record);

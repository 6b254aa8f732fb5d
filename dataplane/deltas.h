/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What clients announced to a worker, on its way to the rest of the fleet: a ring of fixed size,
 * filled by the worker and emptied by the control thread, without locks. When it is full, what
 * comes is counted as lost and forgotten: the worker never waits, and who missed it finds it in a
 * snapshot.
 *
 * A record is 44 bytes, written in order, so that eleven of them take eight lines of cache which
 * the CPU prefetches by itself: some 10 ns an announce, and nothing where there is no fleet.
 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "swarms/transfer.h"

/* One announce. */
struct delta {
    uint8_t info_hash[20];
    uint8_t peer[SWARMS_PEER_MAX]; /* as on the wire; of IPv4 the first six bytes */
    uint8_t family;                /* enum swarms_family */
    uint8_t flags;                 /* enum transfer_flags */
    uint32_t seen;                 /* seconds on the clock of the tables */
};

_Static_assert(sizeof(struct delta) == 44, "a record");

struct deltas {
    /* First line: the worker's. */
    _Alignas(64) _Atomic uint64_t put; /* records put so far */
    uint64_t taken_seen;
    _Atomic uint64_t lost; /* records so far */

    /* Second line: the control thread's. */
    _Alignas(64) _Atomic uint64_t taken; /* records taken so far */

    /* From the third line on: what never changes, and the records. */
    _Alignas(64) uint32_t mask;
    struct delta records[];
};

_Static_assert(offsetof(struct deltas, taken) == 64, "the consumer's own line");
_Static_assert(offsetof(struct deltas, mask) == 128, "what both read");

/* `slots` is a power of two. The memory is zeroed, 64-byte aligned. */
size_t deltas_size(unsigned slots);
void deltas_init(struct deltas *deltas, unsigned slots);

/* For the worker, before swarms_announce(), which may overwrite the info-hashes. Who only asks is
 * left out. */
void deltas_put(struct deltas *deltas, struct swarms_announce *const announces[], unsigned count,
                uint32_t now);

/* For the control thread: takes up to `most`; *lost is how many were lost so far, before the last
 * of them. */
unsigned deltas_take(struct deltas *deltas, struct delta *into, unsigned most, uint64_t *lost);

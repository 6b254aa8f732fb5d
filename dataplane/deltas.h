/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What clients announced to a worker, on its way to the rest of the fleet: a ring of fixed size,
 * filled by the worker and emptied by the control thread, without locks. When it is full, what
 * comes is counted as lost and forgotten: the worker never waits, and who missed it finds it in a
 * snapshot.
 *
 * In the ring an IPv4 peer takes a slot of 32 bytes, an IPv6 peer two of them. Each line of it was
 * last read by another core and has to be fetched from there before it can be written: so a record
 * is short, and the next burst's lines are asked for one burst ahead. And an announce is 1400
 * instructions in all: so the worker copies what it has, in some twenty, and whoever takes it out
 * works out what it means.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "swarms/transfer.h"

/* One announce, as it is taken out. */
struct delta {
    uint8_t info_hash[20];
    uint8_t peer[SWARMS_PEER_MAX]; /* as on the wire; of IPv4 the first six bytes */
    uint8_t family;                /* enum swarms_family */
    uint8_t flags;                 /* enum transfer_flags */
    uint32_t seen;                 /* seconds on the clock of the tables */
};

/* One announce in the ring; the next slot has the rest of an IPv6 peer. */
struct delta_slot {
    uint8_t info_hash[20];
    uint8_t peer[6];
    uint8_t family, event, seeder, unused; /* as in struct swarms_announce */
    uint16_t seen;                         /* the low bits */
};

_Static_assert(sizeof(struct delta_slot) == 32, "two slots are a cache line");

struct deltas {
    /* First line: the worker's. */
    _Alignas(64) _Atomic uint64_t put; /* slots put so far */
    uint64_t taken_seen;
    _Atomic uint64_t lost;   /* records so far */
    _Atomic uint32_t latest; /* `seen`: no record's is later */

    /* Second line: the control thread's. */
    _Alignas(64) _Atomic uint64_t taken; /* slots taken so far */

    /* Third line: what seldom changes, for both to read. */
    _Alignas(64) uint32_t mask;
    _Atomic bool only_stops;

    _Alignas(64) struct delta_slot slots[];
};

_Static_assert(offsetof(struct deltas, taken) == 64, "the consumer's own line");
_Static_assert(offsetof(struct deltas, mask) == 128, "what both read");
_Static_assert(offsetof(struct deltas, slots) == 192, "two slots share a line, never three");

/* `slots` is a power of two. The memory is zeroed, 64-byte aligned. */
size_t deltas_size(unsigned slots);
void deltas_init(struct deltas *deltas, unsigned slots);

/*
 * For the worker, before swarms_announce(), which may overwrite the info-hashes. Who only asks is
 * left out. What is `now` for one burst is not 2^16 seconds before what it was for another.
 */
void deltas_put(struct deltas *deltas, struct swarms_announce *const announces[], unsigned count,
                uint32_t now);

/* For the control thread: takes up to `most`; *lost is how many were lost so far, before the last
 * of them. */
unsigned deltas_take(struct deltas *deltas, struct delta *into, unsigned most, uint64_t *lost);

/*
 * For the control thread, when it can't pass on what comes: from now on only those who stop are put
 * into the ring, since no snapshot would tell of them, and all others are lost at once. The worker
 * then has next to nothing to do here.
 */
void deltas_want_only_stops(struct deltas *deltas, bool only_stops);

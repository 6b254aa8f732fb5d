/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pointers on their way from one thread to another: a ring with one producer and one consumer,
 * without locks. Between each two workers there is one in either direction, for requests on their
 * way to the owner of their info-hash and for replies on their way to the worker that has the
 * port's queue; control plane and workers exchange jobs over two more.
 *
 * Whatever was written before handoff_put() is seen after handoff_take(). Each side keeps what it
 * last saw of the other's position, so that the lines of the positions move between cores about
 * once a burst.
 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "swarms/transfer.h"

struct handoff_ring {
    /* First line: the producer's. */
    _Alignas(64) _Atomic uint32_t put; /* items put so far */
    uint32_t taken_seen;

    /* Second line: the consumer's. */
    _Alignas(64) _Atomic uint32_t taken; /* items taken so far */
    uint32_t put_seen;

    /* From the third line on: what never changes, and the items. */
    _Alignas(64) uint32_t mask;
    void *items[];
};

_Static_assert(offsetof(struct handoff_ring, taken) == 64, "the consumer's own line");
_Static_assert(offsetof(struct handoff_ring, mask) == 128, "what both read");

/* `slots` is a power of two. */
size_t handoff_ring_size(unsigned slots);
void handoff_ring_init(struct handoff_ring *ring, unsigned slots);

/* Puts what fits, in order; returns how many that are. For the producer. */
unsigned handoff_put(struct handoff_ring *ring, void *const items[], unsigned count);

/* Of `wanted` items, how many would fit now. For the producer. */
unsigned handoff_room(struct handoff_ring *ring, unsigned wanted);

/* Asks for the other side's line, to have it at hand in a handoff_take() soon. For the consumer. */
static inline void handoff_expect(const struct handoff_ring *ring)
{
    __builtin_prefetch(&ring->put);
}

/* Takes up to `count`. For the consumer. */
unsigned handoff_take(struct handoff_ring *ring, void *items[], unsigned count);

/* True when there is something to take. For the consumer. */
static inline bool handoff_waits(const struct handoff_ring *ring)
{
    return atomic_load_explicit(&ring->put, memory_order_relaxed) !=
           atomic_load_explicit(&ring->taken, memory_order_relaxed);
}

/*
 * The worker, of `workers`, that owns a swarm by its hash: the owner of its chunk (transfer.h), so
 * that each of a snapshot's chunks is one worker's.
 */
static inline unsigned handoff_owner(uint64_t hash, unsigned workers)
{
    return transfer_chunk_owner(transfer_chunk(hash), workers);
}

/* The share of the hashes that a worker owns, as swarms_init() wants it. */
void handoff_share(unsigned worker, unsigned workers, struct swarms_limits *limits);

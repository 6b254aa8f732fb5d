/* SPDX-License-Identifier: BSD-3-Clause */
#include "handoff.h"

#include <string.h>

#include "swarms/transfer.h"

size_t handoff_ring_size(unsigned slots)
{
    return sizeof(struct handoff_ring) + slots * sizeof(void *);
}

void handoff_ring_init(struct handoff_ring *ring, unsigned slots)
{
    memset(ring, 0, sizeof(*ring));
    ring->mask = slots - 1;
}

unsigned handoff_room(struct handoff_ring *ring, unsigned wanted)
{
    uint32_t put = atomic_load_explicit(&ring->put, memory_order_relaxed);
    uint32_t room = ring->mask + 1 - (put - ring->taken_seen);

    if (room < wanted) {
        ring->taken_seen = atomic_load_explicit(&ring->taken, memory_order_acquire);
        room = ring->mask + 1 - (put - ring->taken_seen);
    }
    return room < wanted ? room : wanted;
}

unsigned handoff_put(struct handoff_ring *ring, void *const items[], unsigned count)
{
    uint32_t put = atomic_load_explicit(&ring->put, memory_order_relaxed);

    count = handoff_room(ring, count);
    for (unsigned i = 0; i < count; i++)
        ring->items[(put + i) & ring->mask] = items[i];
    atomic_store_explicit(&ring->put, put + count, memory_order_release);
    return count;
}

unsigned handoff_take(struct handoff_ring *ring, void *items[], unsigned count)
{
    uint32_t taken = atomic_load_explicit(&ring->taken, memory_order_relaxed);
    uint32_t ready = ring->put_seen - taken;

    if (ready < count) {
        ring->put_seen = atomic_load_explicit(&ring->put, memory_order_acquire);
        ready = ring->put_seen - taken;
        if (ready == 0)
            return 0;
        if (ready < count)
            count = ready;
    }
    for (unsigned i = 0; i < count; i++)
        items[i] = ring->items[(taken + i) & ring->mask];
    atomic_store_explicit(&ring->taken, taken + count, memory_order_release);
    return count;
}

/* The first hash that `worker` owns; of the one after the last worker, 0 again. */
static uint64_t first_hash(unsigned worker, unsigned workers)
{
    uint64_t first_chunk = ((uint64_t)worker * TRANSFER_CHUNKS + workers - 1) / workers;

    return first_chunk << (64 - TRANSFER_CHUNK_BITS);
}

void handoff_share(unsigned worker, unsigned workers, struct swarms_limits *limits)
{
    limits->hash_first = first_hash(worker, workers);
    limits->hash_last = first_hash(worker + 1, workers) - 1;
}

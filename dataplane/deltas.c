/* SPDX-License-Identifier: BSD-3-Clause */
#include "deltas.h"

#include <string.h>

size_t deltas_size(unsigned slots)
{
    return sizeof(struct deltas) + slots * sizeof(struct delta);
}

void deltas_init(struct deltas *deltas, unsigned slots)
{
    memset(deltas, 0, sizeof(*deltas));
    deltas->mask = slots - 1;
}

static uint8_t flags_of(const struct swarms_announce *announce)
{
    if (announce->event == SWARMS_STOPPED)
        return TRANSFER_STOPPED;
    return (uint8_t)((announce->seeder ? TRANSFER_SEEDER : 0) |
                     (announce->event == SWARMS_COMPLETED ? TRANSFER_COMPLETED : 0));
}

void deltas_put(struct deltas *deltas, struct swarms_announce *const announces[], unsigned count,
                uint32_t now)
{
    uint64_t put = atomic_load_explicit(&deltas->put, memory_order_relaxed);
    uint64_t room = deltas->mask + UINT64_C(1) - (put - deltas->taken_seen);

    if (room < count) {
        deltas->taken_seen = atomic_load_explicit(&deltas->taken, memory_order_acquire);
        room = deltas->mask + UINT64_C(1) - (put - deltas->taken_seen);
        if (room < count) {
            uint64_t lost = atomic_load_explicit(&deltas->lost, memory_order_relaxed);

            atomic_store_explicit(&deltas->lost, lost + count - room, memory_order_relaxed);
            count = (unsigned)room;
        }
    }
    for (unsigned i = 0; i < count; i++) {
        const struct swarms_announce *announce = announces[i];
        struct delta *record = &deltas->records[put & deltas->mask];

        if (announce->event == SWARMS_ASK)
            continue;
        memcpy(record->info_hash, announce->info_hash, sizeof(record->info_hash));
        memcpy(record->peer, announce->peer, sizeof(record->peer));
        record->family = announce->family;
        record->flags = flags_of(announce);
        record->seen = now;
        put++;
    }
    atomic_store_explicit(&deltas->put, put, memory_order_release);
}

unsigned deltas_take(struct deltas *deltas, struct delta *into, unsigned most, uint64_t *lost)
{
    uint64_t taken = atomic_load_explicit(&deltas->taken, memory_order_relaxed);
    uint64_t ready = atomic_load_explicit(&deltas->put, memory_order_acquire) - taken;

    *lost = atomic_load_explicit(&deltas->lost, memory_order_relaxed);
    if (most > ready)
        most = (unsigned)ready;
    for (unsigned i = 0; i < most; i++)
        into[i] = deltas->records[(taken + i) & deltas->mask];
    atomic_store_explicit(&deltas->taken, taken + most, memory_order_release);
    return most;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "deltas.h"

#include <string.h>

enum {
    SLOTS_PER_LINE = 64 / sizeof(struct delta_slot),
    SLOTS_MAX = 2, /* of a record */
    HEAD_PEER = sizeof(((struct delta_slot *)0)->peer),
};

size_t deltas_size(unsigned slots)
{
    return sizeof(struct deltas) + slots * sizeof(struct delta_slot);
}

void deltas_init(struct deltas *deltas, unsigned slots)
{
    memset(deltas, 0, sizeof(*deltas));
    deltas->mask = slots - 1;
}

static inline struct delta_slot *slot_at(struct deltas *deltas, uint64_t number)
{
    return &deltas->slots[number & deltas->mask];
}

static inline unsigned slots_of(unsigned family)
{
    return family == SWARMS_IPV4 ? 1 : SLOTS_MAX;
}

/* Putting -------------------------------------------------------------------------------------- */

/* enum transfer_flags by event, and by `seeder`: a branch on either is one that nobody can foresee.
 */
static const uint8_t flags_of[SWARMS_ASK][2] = {
    [SWARMS_UPDATE] = {0, TRANSFER_SEEDER},
    [SWARMS_COMPLETED] = {TRANSFER_COMPLETED, TRANSFER_COMPLETED | TRANSFER_SEEDER},
    [SWARMS_STARTED] = {0, TRANSFER_SEEDER},
    [SWARMS_STOPPED] = {TRANSFER_STOPPED, TRANSFER_STOPPED},
    [SWARMS_PAUSED] = {0, TRANSFER_SEEDER},
};

/* The same as member by member, in three stores; little-endian, as transfer.h. */
static inline void put_slot(struct delta_slot *slot, const struct swarms_announce *announce,
                            uint32_t now)
{
    uint8_t *to = (uint8_t *)slot;
    uint32_t hash_end, peer_begin;
    uint16_t peer_end;
    uint64_t word;

    memcpy(to, announce->info_hash, 16);
    memcpy(&hash_end, announce->info_hash + 16, sizeof(hash_end));
    memcpy(&peer_begin, announce->peer, sizeof(peer_begin));
    memcpy(&peer_end, announce->peer + sizeof(peer_begin), sizeof(peer_end));
    word = hash_end | (uint64_t)peer_begin << 32;
    memcpy(to + 16, &word, sizeof(word));
    word = peer_end | (uint64_t)flags_of[announce->event][announce->seeder] << 16 |
           (uint64_t)announce->family << 24 | (uint64_t)now << 32;
    memcpy(to + 24, &word, sizeof(word));
}

/*
 * Makes the next lines this core's own: a store could not wait for them elsewhere than in the store
 * buffer. A no-op for processors that don't know it.
 */
static inline void expect_slots(struct deltas *deltas, uint64_t first, unsigned count)
{
    for (unsigned i = 0; i < count + SLOTS_PER_LINE; i += SLOTS_PER_LINE)
        __asm__ volatile("prefetchw %0" : : "m"(*slot_at(deltas, first + i)));
}

/* The first slot that may not be written: `count` records ahead or more, if it can be. */
static inline uint64_t room_until(struct deltas *deltas, uint64_t put, unsigned count)
{
    uint64_t slots = deltas->mask + UINT64_C(1);

    if (deltas->taken_seen + slots - put < SLOTS_MAX * (uint64_t)count)
        deltas->taken_seen = atomic_load_explicit(&deltas->taken, memory_order_acquire);
    return deltas->taken_seen + slots;
}

static void note_lost(struct deltas *deltas, uint64_t count)
{
    uint64_t lost = atomic_load_explicit(&deltas->lost, memory_order_relaxed);

    atomic_store_explicit(&deltas->lost, lost + count, memory_order_relaxed);
}

void deltas_put(struct deltas *deltas, struct swarms_announce *const announces[], unsigned count,
                uint32_t now)
{
    bool only_stops = atomic_load_explicit(&deltas->only_stops, memory_order_relaxed);
    uint64_t put = atomic_load_explicit(&deltas->put, memory_order_relaxed);
    uint64_t end = room_until(deltas, put, count), lost = 0;

    for (unsigned i = 0; i < count; i++) {
        const struct swarms_announce *announce = announces[i];
        unsigned slots = slots_of(announce->family);

        if (announce->event == SWARMS_ASK)
            continue;
        if (put + slots > end || (only_stops && announce->event != SWARMS_STOPPED)) {
            lost++;
            continue;
        }
        put_slot(slot_at(deltas, put), announce, now);
        if (slots > 1)
            memcpy(slot_at(deltas, put + 1), announce->peer + HEAD_PEER,
                   SWARMS_PEER_MAX - HEAD_PEER);
        put += slots;
    }
    atomic_store_explicit(&deltas->put, put, memory_order_release);
    if (lost > 0)
        note_lost(deltas, lost);
    else
        expect_slots(deltas, put, count);
}

/* Taking --------------------------------------------------------------------------------------- */

static inline void take_record(struct deltas *deltas, uint64_t number, struct delta *into)
{
    const struct delta_slot *slot = slot_at(deltas, number);

    memcpy(into->info_hash, slot->info_hash, sizeof(into->info_hash));
    memcpy(into->peer, slot->peer, sizeof(slot->peer));
    into->family = slot->family;
    into->flags = slot->flags;
    into->seen = slot->seen;
    if (slot->family == SWARMS_IPV4)
        memset(into->peer + HEAD_PEER, 0, SWARMS_PEER_MAX - HEAD_PEER);
    else
        memcpy(into->peer + HEAD_PEER, slot_at(deltas, number + 1), SWARMS_PEER_MAX - HEAD_PEER);
}

unsigned deltas_take(struct deltas *deltas, struct delta *into, unsigned most, uint64_t *lost)
{
    uint64_t taken = atomic_load_explicit(&deltas->taken, memory_order_relaxed);
    uint64_t put = atomic_load_explicit(&deltas->put, memory_order_acquire);
    unsigned count;

    *lost = atomic_load_explicit(&deltas->lost, memory_order_relaxed);
    for (count = 0; count < most && taken != put; count++) {
        take_record(deltas, taken, &into[count]);
        taken += slots_of(into[count].family);
    }
    atomic_store_explicit(&deltas->taken, taken, memory_order_release);
    return count;
}

void deltas_want_only_stops(struct deltas *deltas, bool only_stops)
{
    atomic_store_explicit(&deltas->only_stops, only_stops, memory_order_relaxed);
}

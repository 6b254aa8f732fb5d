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

enum {
    AT_PEER = offsetof(struct delta_slot, peer),
    AT_KIND = offsetof(struct delta_slot, family),
    KIND_SIZE = 4,
    FROM_KIND = offsetof(struct swarms_announce, family),
};

_Static_assert(AT_KIND + KIND_SIZE == offsetof(struct delta_slot, seen), "no gap");
_Static_assert(offsetof(struct swarms_announce, event) == FROM_KIND + 1 &&
                   offsetof(struct swarms_announce, seeder) == FROM_KIND + 2,
               "what says the kind lies together, as in a slot");

/* Each copy is as wide as a register; the next one overwrites what is too much of it. */
static inline void put_head(struct delta_slot *slot, const struct swarms_announce *announce,
                            uint32_t now)
{
    uint8_t *to = (uint8_t *)slot;

    memcpy(to, announce->info_hash, 16);
    memcpy(to + 16, announce->info_hash + 16, 4);
    memcpy(to + AT_PEER, announce->peer, 8);
    memcpy(to + AT_KIND, (const uint8_t *)announce + FROM_KIND, KIND_SIZE);
    slot->seen = (uint16_t)now;
}

static inline void put_rest(struct delta_slot *slot, const struct swarms_announce *announce)
{
    memcpy(slot, announce->peer + HEAD_PEER, SWARMS_PEER_MAX - HEAD_PEER);
}

/* Where there is room for all, and in a row. Returns the slots. */
static unsigned put_all(struct delta_slot *first, struct swarms_announce *const announces[],
                        unsigned count, uint32_t now)
{
    struct delta_slot *slot = first;

    for (unsigned i = 0; i < count; i++) {
        const struct swarms_announce *announce = announces[i];

        if (announce->event == SWARMS_ASK)
            continue;
        put_head(slot++, announce, now);
        if (announce->family != SWARMS_IPV4)
            put_rest(slot++, announce);
    }
    return (unsigned)(slot - first);
}

/*
 * Makes the lines that the next burst will write this core's own: they take as long to come as the
 * burst takes. A no-op for processors that don't know it.
 */
static inline void expect_slots(const struct delta_slot *first, unsigned count)
{
    for (unsigned i = 0; i < count; i += SLOTS_PER_LINE)
        __asm__ volatile("prefetchw %0" : : "m"(first[i]));
}

static void note_lost(struct deltas *deltas, unsigned count)
{
    uint64_t lost = atomic_load_explicit(&deltas->lost, memory_order_relaxed);

    atomic_store_explicit(&deltas->lost, lost + count, memory_order_relaxed);
}

/* One by one, around the ring's end, as far as there is room, and only what is wanted. */
static unsigned put_some(struct deltas *deltas, uint64_t put, uint64_t room,
                         struct swarms_announce *const announces[], unsigned count, uint32_t now)
{
    bool only_stops = atomic_load_explicit(&deltas->only_stops, memory_order_relaxed);
    unsigned used = 0, lost = 0;

    for (unsigned i = 0; i < count; i++) {
        const struct swarms_announce *announce = announces[i];
        unsigned slots = slots_of(announce->family);

        if (announce->event == SWARMS_ASK)
            continue;
        if (used + slots > room || (only_stops && announce->event != SWARMS_STOPPED)) {
            lost++;
            continue;
        }
        put_head(slot_at(deltas, put + used), announce, now);
        if (slots > 1)
            put_rest(slot_at(deltas, put + used + 1), announce);
        used += slots;
    }
    if (lost > 0)
        note_lost(deltas, lost);
    return used;
}

/* Slots that may be written: enough for `count` records, if there are. */
static inline uint64_t room_for(struct deltas *deltas, uint64_t put, unsigned count)
{
    uint64_t slots = deltas->mask + UINT64_C(1);

    if (slots - (put - deltas->taken_seen) < SLOTS_MAX * (uint64_t)count)
        deltas->taken_seen = atomic_load_explicit(&deltas->taken, memory_order_acquire);
    return slots - (put - deltas->taken_seen);
}

void deltas_put(struct deltas *deltas, struct swarms_announce *const announces[], unsigned count,
                uint32_t now)
{
    uint64_t put = atomic_load_explicit(&deltas->put, memory_order_relaxed);
    uint64_t room = room_for(deltas, put, count), most = SLOTS_MAX * (uint64_t)count;
    struct delta_slot *first = slot_at(deltas, put);
    unsigned used;

    if (now > atomic_load_explicit(&deltas->latest, memory_order_relaxed))
        atomic_store_explicit(&deltas->latest, now, memory_order_relaxed);
    if (room < most || first + most > slot_at(deltas, deltas->mask) ||
        atomic_load_explicit(&deltas->only_stops, memory_order_relaxed)) {
        used = put_some(deltas, put, room, announces, count, now);
    } else {
        used = put_all(first, announces, count, now);
        expect_slots(first + used, count);
    }
    atomic_store_explicit(&deltas->put, put + used, memory_order_release);
}

/* Taking --------------------------------------------------------------------------------------- */

static uint8_t flags_of(const struct delta_slot *slot)
{
    if (slot->event == SWARMS_STOPPED)
        return TRANSFER_STOPPED;
    return (uint8_t)((slot->seeder ? TRANSFER_SEEDER : 0) |
                     (slot->event == SWARMS_COMPLETED ? TRANSFER_COMPLETED : 0));
}

/* Returns the slots that it took. */
static unsigned take_record(struct deltas *deltas, uint64_t number, uint32_t latest,
                            struct delta *into)
{
    const struct delta_slot *slot = slot_at(deltas, number);

    memcpy(into->info_hash, slot->info_hash, sizeof(into->info_hash));
    memcpy(into->peer, slot->peer, sizeof(slot->peer));
    into->family = slot->family;
    into->flags = flags_of(slot);
    into->seen = latest - (uint16_t)(latest - slot->seen);
    if (slot->family == SWARMS_IPV4)
        memset(into->peer + HEAD_PEER, 0, SWARMS_PEER_MAX - HEAD_PEER);
    else
        memcpy(into->peer + HEAD_PEER, slot_at(deltas, number + 1), SWARMS_PEER_MAX - HEAD_PEER);
    return slots_of(slot->family);
}

unsigned deltas_take(struct deltas *deltas, struct delta *into, unsigned most, uint64_t *lost)
{
    uint64_t taken = atomic_load_explicit(&deltas->taken, memory_order_relaxed);
    uint64_t put = atomic_load_explicit(&deltas->put, memory_order_acquire);
    uint32_t latest = atomic_load_explicit(&deltas->latest, memory_order_relaxed);
    unsigned count = 0;

    *lost = atomic_load_explicit(&deltas->lost, memory_order_relaxed);
    for (; count < most && taken != put; count++)
        taken += take_record(deltas, taken, latest, &into[count]);
    atomic_store_explicit(&deltas->taken, taken, memory_order_release);
    return count;
}

void deltas_want_only_stops(struct deltas *deltas, bool only_stops)
{
    atomic_store_explicit(&deltas->only_stops, only_stops, memory_order_relaxed);
}

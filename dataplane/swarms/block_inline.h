/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What every announce does to a block, to be compiled into its callers: with the family known
 * there, sizes are constants and compares are single instructions.
 *
 * Eight slots or entries are looked at together, without branches that depend on where the peer
 * stands: a mispredicted one costs as much as the rest of the search.
 */
#pragma once

#include <smmintrin.h>
#include <string.h>

#include "block.h"
#include "hash.h"

#define BLOCK_INLINE static inline __attribute__((always_inline))

enum {
    BLOCK_POSITION_BITS = 11,
    BLOCK_POSITION_MASK = (1 << BLOCK_POSITION_BITS) - 1,
    BLOCK_SLOTS_AT_ONCE = 8,
};

/* Entries ------------------------------------------------------------------------------------ */

BLOCK_INLINE uint64_t block_load_ipv4(const uint8_t *peer)
{
    uint32_t address;
    uint16_t port;

    memcpy(&address, peer, 4);
    memcpy(&port, peer + 4, 2);
    return (uint64_t)port << 32 | address;
}

BLOCK_INLINE bool block_same_peer(const uint8_t *a, const uint8_t *b, unsigned family)
{
    if (family == SWARMS_IPV4)
        return block_load_ipv4(a) == block_load_ipv4(b);
    return memcmp(a, b, 18) == 0;
}

/* Which of 8 IPv4 entries are this peer, as a bit mask. */
BLOCK_INLINE unsigned block_match8_ipv4(const uint8_t *entries, uint64_t key)
{
    const __m128i mask = _mm_set1_epi64x(0xffffffffffff);
    const __m128i wanted = _mm_set1_epi64x((long long)key);
    __m128i equal[4];

    for (unsigned i = 0; i < 4; i++) {
        __m128i pair = _mm_loadu_si128((const __m128i *)(entries + i * 16));

        equal[i] = _mm_cmpeq_epi64(_mm_and_si128(pair, mask), wanted);
    }
    /* 64-bit masks to bytes, then to bits. */
    equal[0] = _mm_packs_epi32(equal[0], equal[1]);
    equal[2] = _mm_packs_epi32(equal[2], equal[3]);
    equal[0] = _mm_packs_epi16(_mm_packs_epi32(equal[0], equal[2]), _mm_setzero_si128());
    return (unsigned)_mm_movemask_epi8(equal[0]);
}

BLOCK_INLINE int block_scan_ipv4(const struct block *block, const uint8_t *peer)
{
    uint64_t key = block_load_ipv4(peer);

    for (unsigned i = 0; i < block->peers; i += 8) {
        unsigned match = block_match8_ipv4(block->entries + i * 8, key);
        unsigned left = block->peers - i;

        if (left < 8)
            match &= (1u << left) - 1;
        if (match != 0)
            return (int)(i + (unsigned)__builtin_ctz(match));
    }
    return -1;
}

BLOCK_INLINE int block_scan_ipv6(const struct block *block, const uint8_t *peer)
{
    for (unsigned i = 0; i < block->peers; i++)
        if (memcmp(block->entries + i * 20, peer, 18) == 0)
            return (int)i;
    return -1;
}

/* The entries inside a record: three at most, and no line after them that may be read. */
BLOCK_INLINE int block_find_inline(const struct block *block, const uint8_t *peer, unsigned family)
{
    const uint8_t *entries = block->entries;
    unsigned match;

    if (family == SWARMS_IPV6)
        return block->peers != 0 && block_same_peer(entries, peer, family) ? 0 : -1;
    match = (unsigned)block_same_peer(entries, peer, family) |
            (unsigned)block_same_peer(entries + 8, peer, family) << 1 |
            (unsigned)block_same_peer(entries + 16, peer, family) << 2;
    match &= (1u << block->peers) - 1;
    return match != 0 ? __builtin_ctz(match) : -1;
}

/* Slots -------------------------------------------------------------------------------------- */

BLOCK_INLINE unsigned block_slot_home(const struct block *block, uint64_t hash)
{
    return (unsigned)((uint64_t)(uint32_t)hash * block->slots_count >> 32);
}

BLOCK_INLINE unsigned block_slot_next(const struct block *block, unsigned slot)
{
    return slot + 1 == block->slots_count ? 0 : slot + 1;
}

BLOCK_INLINE uint16_t block_slot_tag(uint64_t hash)
{
    return (uint16_t)((hash >> 32 & 31) << BLOCK_POSITION_BITS);
}

BLOCK_INLINE uint16_t block_slot_value(uint64_t hash, unsigned position)
{
    return block_slot_tag(hash) | (uint16_t)(position + 1);
}

/* Two bits of each of 8 slots from `slot` on: which bear the tag, and which are empty. */
BLOCK_INLINE unsigned block_slots_match(const struct block *block, unsigned slot, uint16_t tag,
                                        unsigned *empty)
{
    __m128i values = _mm_loadu_si128((const __m128i *)(block->slots + slot));
    __m128i tags = _mm_and_si128(values, _mm_set1_epi16((short)~BLOCK_POSITION_MASK));
    __m128i equal = _mm_cmpeq_epi16(tags, _mm_set1_epi16((short)tag));

    *empty = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi16(values, _mm_setzero_si128()));
    return (unsigned)_mm_movemask_epi8(equal) & ~*empty;
}

BLOCK_INLINE bool block_slots_wrap(const struct block *block, unsigned slot)
{
    return slot + BLOCK_SLOTS_AT_ONCE > block->slots_count;
}

/*
 * The same search one slot at a time: around the end, and in clusters of more than 8. Takes what it
 * needs of the block, not its address: so the caller's stays in registers. In memory it would be
 * written in parts and copied as a whole, which takes longer than the search.
 */
int block_find_slowly(uint8_t *entries, uint16_t *slots, uint16_t slots_count, const uint8_t *peer,
                      uint64_t hash, unsigned family);

BLOCK_INLINE int block_find_elsewhere(const struct block *block, const uint8_t *peer, uint64_t hash,
                                      unsigned family)
{
    return block_find_slowly(block->entries, block->slots, block->slots_count, peer, hash, family);
}

BLOCK_INLINE int block_find_in_slots(const struct block *block, const uint8_t *peer, uint64_t hash,
                                     unsigned family)
{
    unsigned home = block_slot_home(block, hash), empty, match;

    if (block_slots_wrap(block, home))
        return block_find_elsewhere(block, peer, hash, family);
    match = block_slots_match(block, home, block_slot_tag(hash), &empty);
    for (; match != 0; match &= match - 1, match &= match - 1) {
        unsigned slot = home + (unsigned)__builtin_ctz(match) / 2;
        unsigned position = (block->slots[slot] & BLOCK_POSITION_MASK) - 1u;
        const uint8_t *entry = block->entries + (size_t)position * block_entry_size(family);

        if (block_same_peer(entry, peer, family))
            return (int)position;
    }
    return empty != 0 ? -1 : block_find_elsewhere(block, peer, hash, family);
}

/* The position that the slots suggest first, or -1; whether it is the peer's isn't looked at. */
BLOCK_INLINE int block_guess(const struct block *block, uint64_t hash)
{
    unsigned home = block_slot_home(block, hash), empty, match;

    if (block_slots_wrap(block, home))
        return -1;
    match = block_slots_match(block, home, block_slot_tag(hash), &empty);
    if (match == 0)
        return -1;
    return (block->slots[home + (unsigned)__builtin_ctz(match) / 2] & BLOCK_POSITION_MASK) - 1;
}

BLOCK_INLINE void block_slot_add(struct block *block, uint64_t hash, unsigned position)
{
    unsigned slot = block_slot_home(block, hash);

    while (block->slots[slot] != 0)
        slot = block_slot_next(block, slot);
    block->slots[slot] = block_slot_value(hash, position);
}

/* The slot of an entry that is there. */
BLOCK_INLINE unsigned block_slot_of(const struct block *block, uint64_t hash, unsigned position)
{
    uint16_t value = block_slot_value(hash, position);
    unsigned slot = block_slot_home(block, hash);

    if (!block_slots_wrap(block, slot)) {
        __m128i values = _mm_loadu_si128((const __m128i *)(block->slots + slot));
        unsigned match =
            (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi16(values, _mm_set1_epi16((short)value)));

        if (match != 0)
            return slot + (unsigned)__builtin_ctz(match) / 2;
    }
    while (block->slots[slot] != value)
        slot = block_slot_next(block, slot);
    return slot;
}

/* Peers -------------------------------------------------------------------------------------- */

BLOCK_INLINE uint64_t block_hash(const struct block *block, unsigned position, unsigned family)
{
    return hash_peer(block->secret, family,
                     block->entries + (size_t)position * block_entry_size(family));
}

/* The position of a peer, or -1. `hash` is hash_peer()'s. */
BLOCK_INLINE int block_find(const struct block *block, const uint8_t *peer, uint64_t hash,
                            unsigned family)
{
    if (block->slots != NULL)
        return block_find_in_slots(block, peer, hash, family);
    if (block->capacity <= 3 && family == SWARMS_IPV4)
        return block_find_inline(block, peer, family);
    return family == SWARMS_IPV4 ? block_scan_ipv4(block, peer) : block_scan_ipv6(block, peer);
}

/* The entry at `from` moves to `to`, a place that is free. */
BLOCK_INLINE void block_move_entry(struct block *block, unsigned from, unsigned to, unsigned family)
{
    unsigned size = block_entry_size(family);

    if (from == to)
        return;
    if (block->slots != NULL) {
        uint64_t hash = block_hash(block, from, family);

        block->slots[block_slot_of(block, hash, from)] = block_slot_value(hash, to);
    }
    memcpy(block->entries + (size_t)to * size, block->entries + (size_t)from * size, size);
}

/* Adds a peer that isn't there to a block that has room. Returns its position. */
BLOCK_INLINE unsigned block_insert(struct block *block, const uint8_t *peer, uint64_t hash,
                                   uint16_t stamp, bool seeder, unsigned family)
{
    unsigned size = block_entry_size(family);
    unsigned position = block->peers;
    uint8_t *entry;

    if (seeder) {
        /* The first leecher makes room at the border. */
        position = block->seeders++;
        block_move_entry(block, position, block->peers, family);
    }
    block->peers++;
    entry = block->entries + (size_t)position * size;
    memcpy(entry, peer, size - 2);
    memcpy(entry + size - 2, &stamp, 2);
    if (block->slots != NULL)
        block_slot_add(block, hash, position);
    return position;
}

/* The entries at `a` and `b` change places; `hash` is that of `a`. */
BLOCK_INLINE void block_swap(struct block *block, unsigned a, uint64_t hash, unsigned b,
                             unsigned family)
{
    unsigned size = block_entry_size(family);
    uint8_t *entry_a = block->entries + (size_t)a * size;
    uint8_t *entry_b = block->entries + (size_t)b * size;
    uint8_t held[SWARMS_PEER_MAX + 2];

    if (block->slots != NULL && a != b) {
        uint64_t hash_b = hash_peer(block->secret, family, entry_b);
        unsigned slot_a = block_slot_of(block, hash, a), slot_b = block_slot_of(block, hash_b, b);

        block->slots[slot_a] = block_slot_value(hash, b);
        block->slots[slot_b] = block_slot_value(hash_b, a);
    }
    memcpy(held, entry_a, size);
    memcpy(entry_a, entry_b, size);
    memcpy(entry_b, held, size);
}

/* The place at the border that a peer takes when it becomes a seeder or stops being one. */
BLOCK_INLINE unsigned block_border(const struct block *block, bool seeder)
{
    return seeder ? block->seeders : block->seeders - 1;
}

/* Makes a peer of the other kind a seeder or a leecher, as said. Returns its new position. */
BLOCK_INLINE unsigned block_set_seeder(struct block *block, unsigned position, uint64_t hash,
                                       bool seeder, unsigned family)
{
    unsigned border = block_border(block, seeder);

    block_swap(block, position, hash, border, family);
    block->seeders += seeder ? 1 : -1u;
    return border;
}

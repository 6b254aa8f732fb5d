/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A block of peers: packed entries, seeders first and leechers after, so that counts are known and
 * a reply is copied from runs of neighbours. An entry is the peer as it stands on the wire and a
 * stamp:
 *
 *   IPv4:  4 address  2 port  2 stamp       8 bytes
 *   IPv6: 16 address  2 port  2 stamp      20 bytes
 *
 * The stamp is the second it was last seen, modulo 2^15, and a bit for "its download was counted".
 *
 * Small blocks are scanned. In larger ones the end holds slots of 2 bytes, open
 * addressing at 75 % or less: a tag of 5 bits, and 1 + the entry's position. Growing by a fifth,
 * that is 10.7 to 13 bytes an IPv4 peer all in, 22.7 to 27 an IPv6 peer.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "slab.h"
#include "swarms.h"

enum {
    BLOCK_CLASS_FIRST = 1,
    BLOCK_CLASS_LAST = 23, /* 256 lines: 1536 IPv4 or 722 IPv6 peers; larger makes longer pauses */
    BLOCK_STAMP_MASK = 0x7fff,
    BLOCK_STAMP_COMPLETED = 0x8000,
};

/* A block, opened: where it lies and what it holds. Counts are written back by who opened it. */
struct block {
    uint8_t *entries;
    uint16_t *slots; /* NULL: scanned */
    uint32_t peers, seeders;
    uint16_t capacity, slots_count;
    uint8_t family, size_class;
    const struct swarms_secret *secret;
};

static inline unsigned block_entry_size(unsigned family)
{
    return swarms_peer_size(family) + 2;
}

/* How a class's bytes are divided. */
struct block_layout {
    uint16_t capacity;    /* entries */
    uint16_t slots_count; /* 0: scanned */
    uint32_t slots_offset;
};

extern const struct block_layout block_layouts[2][SLAB_CLASSES];

/* Peers that a block of `size_class` has room for. */
static inline unsigned block_capacity(unsigned family, unsigned size_class)
{
    return block_layouts[family][size_class].capacity;
}

/* The smallest class with room for `peers`; BLOCK_CLASS_LAST + 1 if there is none. */
unsigned block_class_for(unsigned family, unsigned peers);

/* Opens a block of the slab. */
static inline struct block block_open(void *memory, unsigned family, unsigned size_class,
                                      uint32_t peers, uint32_t seeders,
                                      const struct swarms_secret *secret)
{
    struct block_layout layout = block_layouts[family][size_class];

    return (struct block){
        .entries = memory,
        .slots = layout.slots_count ? (void *)((uint8_t *)memory + layout.slots_offset) : NULL,
        .peers = peers,
        .seeders = seeders,
        .capacity = layout.capacity,
        .slots_count = layout.slots_count,
        .family = (uint8_t)family,
        .size_class = (uint8_t)size_class,
        .secret = secret,
    };
}

/* Opens the entries inside a record. */
static inline struct block block_open_inline(void *memory, unsigned family, uint32_t peers,
                                             uint32_t seeders, const struct swarms_secret *secret)
{
    return (struct block){
        .entries = memory,
        .peers = peers,
        .seeders = seeders,
        .capacity = family == SWARMS_IPV4 ? 3 : 1,
        .family = (uint8_t)family,
        .secret = secret,
    };
}

/* block_inline.h has what every announce does: find, insert, turn seeder. */

/* Makes a fresh block's slots empty. */
void block_clear(struct block *block);

void block_remove(struct block *block, unsigned position);

/* Drops all peers last seen more than `timeout` seconds before `now`. Returns how many. */
unsigned block_expire(struct block *block, uint32_t timeout, uint32_t now);

/* Takes over all entries of `from`, a smaller or larger block with no more peers than fit. */
void block_copy(struct block *to, const struct block *from);

/* Moves the peers whose hash has `bit` set (of bits 40..63) from one block into an empty one. */
void block_split(struct block *from, struct block *to, unsigned bit);

static inline uint8_t *block_entry(const struct block *block, unsigned position)
{
    return block->entries + (size_t)position * block_entry_size(block->family);
}

static inline uint16_t *block_stamp(const struct block *block, unsigned position)
{
    return (uint16_t *)(block_entry(block, position) + swarms_peer_size(block->family));
}

/* Seconds since the peer was seen. */
static inline uint32_t block_age(uint16_t stamp, uint32_t now)
{
    return (now - stamp) & BLOCK_STAMP_MASK;
}

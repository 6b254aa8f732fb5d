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
    uint8_t family, class;
    const struct swarms_secret *secret;
};

static inline unsigned block_peer_size(unsigned family)
{
    return family == SWARMS_IPV4 ? 6 : 18;
}

static inline unsigned block_entry_size(unsigned family)
{
    return block_peer_size(family) + 2;
}

/* Peers that a block of `class` has room for. */
unsigned block_capacity(unsigned family, unsigned class);

/* The smallest class with room for `peers`; BLOCK_CLASS_LAST + 1 if there is none. */
unsigned block_class_for(unsigned family, unsigned peers);

/* Opens a block of the slab. */
struct block block_open(void *memory, unsigned family, unsigned class, uint32_t peers,
                        uint32_t seeders, const struct swarms_secret *secret);

/* Opens the entries inside a record. */
struct block block_open_inline(void *memory, unsigned family, uint32_t peers, uint32_t seeders,
                               const struct swarms_secret *secret);

/* Makes a fresh block's slots empty. */
void block_clear(struct block *block);

/* hash_peer() of an entry. */
uint64_t block_hash(const struct block *block, unsigned position);

/* The position of a peer, or -1. `hash` is hash_peer()'s. */
int block_find(const struct block *block, const uint8_t *peer, uint64_t hash);

/* Adds a peer that isn't there to a block that has room. Returns its position. */
unsigned block_insert(struct block *block, const uint8_t *peer, uint64_t hash, uint16_t stamp,
                      bool seeder);

void block_remove(struct block *block, unsigned position);

/* Makes the peer a seeder or a leecher, as said. Returns its new position. */
unsigned block_set_seeder(struct block *block, unsigned position, bool seeder);

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
    return (uint16_t *)(block_entry(block, position) + block_peer_size(block->family));
}

/* Seconds since the peer was seen. */
static inline uint32_t block_age(uint16_t stamp, uint32_t now)
{
    return (now - stamp) & BLOCK_STAMP_MASK;
}

/* Where the search for a peer will begin, to prefetch it. Only for blocks with slots. */
static inline const uint16_t *block_home(const struct block *block, uint64_t hash)
{
    return &block->slots[(uint64_t)(uint32_t)hash * block->slots_count >> 32];
}

/* The entry that the slots suggest for a peer, to prefetch it; NULL if none. */
const uint8_t *block_guess(const struct block *block, uint64_t hash);

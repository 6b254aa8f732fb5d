/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The blocks of a swarm too large for one: linear hashing on the peer's hash, so that growing
 * splits one block (about 10 us) and shrinking merges two, never more. Blocks hold
 * BLOCK_CLASS_LAST's capacity at most, DIRECTORY_FILL of them on average.
 *
 * A random peer is found by trying blocks at random, with a place below the most that any block
 * has: each peer is hit with the same probability. Where that takes too long (few leechers among
 * many seeders), sums of the counts of every DIRECTORY_GROUP entries find the peer of a random rank
 * instead.
 *
 * A directory of the largest class has 7936 entries: about 5 M IPv4 or 2.3 M IPv6 peers in one
 * swarm of one worker. Beyond, a peer is answered, but stored only where its block has room.
 *
 * Source: Litwin, "Linear hashing: a new tool for file and table addressing" (1980).
 */
#pragma once

#include "block.h"
#include "random.h"
#include "record.h"

enum {
    DIRECTORY_GROUP = 32,
    DIRECTORY_TRIES = 8, /* cheaper than the sums if one in four hits; usually every second does */
    DIRECTORY_HASH_BIT = 40, /* first bit of hash_peer() that chooses the block */
    /* Mean peers of a block, as a share of its capacity: a block not yet split holds twice the mean
     * of those that are, so more than 45 % overflows, less wastes lines of the directory. */
    DIRECTORY_FILL_PERCENT = 42,
    DIRECTORY_SHRINK_PERCENT = 16,
};

struct directory_entry {
    uint32_t block; /* line */
    uint32_t peers : 12, seeders : 12, size_class : 8;
};

struct directory_sum {
    uint32_t peers, seeders;
};

_Static_assert(sizeof(struct directory_entry) == 8, "eight entries a cache line");

/* Entries that a directory of the slab's `size_class` has room for. */
static inline uint32_t directory_capacity(unsigned size_class)
{
    return slab_class_lines[size_class] * (uint32_t)SLAB_LINE /
           (sizeof(struct directory_sum) + DIRECTORY_GROUP * sizeof(struct directory_entry)) *
           DIRECTORY_GROUP;
}

static inline struct directory_entry *directory_entries(const struct slab *slab,
                                                        const struct record *record)
{
    return slab_at(slab, record->directory);
}

static inline struct directory_sum *directory_sums(const struct slab *slab,
                                                   const struct record *record)
{
    return (struct directory_sum *)(directory_entries(slab, record) +
                                    directory_capacity(record->size_class));
}

/* The number of the block in which a peer belongs. */
static inline uint32_t directory_block_of(const struct record *record, uint64_t hash)
{
    unsigned bits = 31 - (unsigned)__builtin_clz(record->blocks);
    uint32_t key = (uint32_t)(hash >> DIRECTORY_HASH_BIT);
    uint32_t number = key & ((2u << bits) - 1);

    /* The block with this number may not be split off yet. No branch: nobody could foresee it. */
    return number - ((uint32_t)(number >= record->blocks) << bits);
}

static inline struct block directory_open_as(const struct slab *slab, const struct record *record,
                                             uint32_t number, const struct swarms_secret *secret,
                                             unsigned family)
{
    struct directory_entry entry = directory_entries(slab, record)[number];

    return block_open(slab_at(slab, entry.block), family, entry.size_class, entry.peers,
                      entry.seeders, secret);
}

static inline struct block directory_open(const struct slab *slab, const struct record *record,
                                          uint32_t number, const struct swarms_secret *secret)
{
    return directory_open_as(slab, record, number, secret, record->family);
}

/*
 * Writes the counts of the `number`-th block, and the sums and totals with them. Plain numbers, so
 * that the caller's struct block stays in registers (see block_find_slowly()).
 */
void directory_close(const struct slab *slab, struct record *record, uint32_t number,
                     uint32_t peers, uint32_t seeders);

/* Makes a directory of the record's one block. False without memory; nothing changed then. */
bool directory_create(struct slab *slab, struct record *record);

/* Splits the next block in turn. False when there is no memory. */
bool directory_split(struct slab *slab, struct record *record, const struct swarms_secret *secret);

/* The same if the mean calls for it. */
bool directory_grow(struct slab *slab, struct record *record, const struct swarms_secret *secret);

/* Merges two blocks if few peers are left, the last one into the record. False if it need not. */
bool directory_shrink(struct slab *slab, struct record *record, const struct swarms_secret *secret);

/* Replaces a block by one of `size_class`, which holds its peers. False when there is no memory. */
bool directory_resize_block(struct slab *slab, struct record *record, uint32_t number,
                            unsigned size_class, const struct swarms_secret *secret);

enum directory_kind { DIRECTORY_SEEDERS, DIRECTORY_LEECHERS };

static inline uint32_t directory_of_kind(uint32_t peers, uint32_t seeders, enum directory_kind kind)
{
    return kind == DIRECTORY_SEEDERS ? seeders : peers - seeders;
}

/* A peer of a kind: the block, and the place among that kind's peers there. */
struct directory_pick {
    uint32_t number, place;
};

/* A random peer of a kind, of which the swarm has some. */
struct directory_pick directory_pick(const struct slab *slab, const struct record *record,
                                     enum directory_kind kind, uint64_t *random);

void directory_free(struct slab *slab, struct record *record);

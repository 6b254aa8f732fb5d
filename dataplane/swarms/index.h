/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finds the record of an info-hash. Buckets of one cache line: 12 tags of one byte, compared at
 * once, and 12 line numbers. A swarm lies in the bucket that its hash says, or, when that is full,
 * in its other bucket; the first one counts those, so that looking up a stranger seldom costs a
 * second line.
 *
 * Buckets are in the order of the hash, in groups of INDEX_GROUP: a swarm's two buckets are in the
 * same group, so a run of hashes (a chunk of the key space) is a run of groups.
 *
 * At the cap 80 % of the slots are taken: a bucket overflows with 18 % probability, and a whole
 * group (768 slots, 614 +- 25 taken) with less than 1 in 10^9.
 */
#pragma once

#include <emmintrin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "record.h"
#include "slab.h"

enum {
    INDEX_SLOTS = 12,
    INDEX_GROUP = 64, /* buckets; fewer fill less evenly, more make export slices coarser */
    INDEX_FILL_PERCENT = 80,
};

struct index_bucket {
    uint8_t tags[INDEX_SLOTS]; /* 0: free */
    uint8_t overflow;          /* swarms of this bucket that lie in their other one */
    uint8_t reserved[3];
    uint32_t records[INDEX_SLOTS]; /* lines in the slab */
};

_Static_assert(sizeof(struct index_bucket) == 64, "a bucket is one cache line");

struct index {
    struct index_bucket *buckets;
    uint32_t buckets_count; /* a multiple of INDEX_GROUP */
    uint64_t hash_first;
    uint64_t scale; /* bucket = (hash - hash_first) * scale / 2^64 */
    const struct slab *slab;
    const struct swarms_secret *secret;
};

uint32_t index_buckets_for(uint32_t torrents);
void index_init(struct index *index, void *buckets, uint32_t buckets_count, uint64_t hash_first,
                uint64_t hash_last);

/* The bucket that a hash says; `hash` within the table's share. */
static inline uint32_t index_bucket_of(const struct index *index, uint64_t hash)
{
    return (uint32_t)((unsigned __int128)(hash - index->hash_first) * index->scale >> 64);
}

static inline uint32_t index_other_bucket(uint32_t bucket, uint64_t hash)
{
    return bucket ^ (1 + (uint32_t)((hash >> 8 & 0xffff) * (INDEX_GROUP - 1) >> 16));
}

/* IPv4 and IPv6 swarms of a torrent share their buckets, not their tags. */
static inline uint8_t index_tag(uint64_t hash, unsigned family)
{
    uint8_t tag = (uint8_t)(hash ^ (0u - family));

    return tag != 0 ? tag : 0x5a;
}

/* Slots of the bucket that bear `tag`, as a bit mask. */
static inline unsigned index_match(const struct index_bucket *bucket, uint8_t tag)
{
    __m128i tags = _mm_load_si128((const __m128i *)bucket);
    __m128i wanted = _mm_set1_epi8((char)tag);

    return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(tags, wanted)) & ((1u << INDEX_SLOTS) - 1);
}

/* Whether a record is this swarm's. One branch for all 20 bytes. */
static inline bool index_is(const struct record *record, unsigned family, const uint8_t *info_hash)
{
    uint64_t a[2], b[2];
    uint32_t a_rest, b_rest;

    memcpy(a, record->info_hash, sizeof(a));
    memcpy(b, info_hash, sizeof(b));
    memcpy(&a_rest, record->info_hash + sizeof(a), sizeof(a_rest));
    memcpy(&b_rest, info_hash + sizeof(b), sizeof(b_rest));
    return ((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a_rest ^ b_rest) | (record->family ^ family)) == 0;
}

/*
 * The first record whose tag fits, as a guess to prefetch; 0 if it surely isn't there. `number` is
 * index_bucket_of()'s.
 */
static inline uint32_t index_guess(const struct index *index, uint32_t number, uint64_t hash,
                                   unsigned family)
{
    const struct index_bucket *bucket = &index->buckets[number];
    uint8_t tag = index_tag(hash, family);
    unsigned match = index_match(bucket, tag);

    if (match == 0 && bucket->overflow != 0) {
        bucket = &index->buckets[index_other_bucket(number, hash)];
        match = index_match(bucket, tag);
    }
    return match != 0 ? bucket->records[__builtin_ctz(match)] : 0;
}

/* The line of the swarm's record, or 0. */
uint32_t index_find(const struct index *index, uint64_t hash, unsigned family,
                    const uint8_t *info_hash);

/* Puts a record in. False when both of its buckets are full and can't be eased. */
bool index_insert(struct index *index, uint64_t hash, unsigned family, uint32_t record);

void index_remove(struct index *index, uint64_t hash, unsigned family, uint32_t record);

/* The swarm in the probe window of `hash` that was touched longest ago; 0 if there is none. */
uint32_t index_stalest(const struct index *index, uint64_t hash);

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Chooses the peers of a reply, and writes them. Seeders and partial seeds are told leechers only,
 * other leechers both kinds in the swarm's own proportion; nobody is told himself. Compiled into
 * its callers, like block_inline.h.
 *
 * Of each kind it takes a window: consecutive peers in the circle of all others of that kind, from
 * a random one on. Every other peer is the first of a window with the same probability, so each is
 * equally likely to be told.
 *
 * The asker, where he stands in a window, is written with the rest, and the window's last peer then
 * over him: windows are copied in at most two runs, without a look at each peer.
 */
#pragma once

#include <tmmintrin.h>

#include "block_inline.h"
#include "directory.h"
#include "random.h"

#define SAMPLE_INLINE static inline __attribute__((always_inline))

enum { SAMPLE_KINDS = 2 }; /* enum directory_kind */

/* Peers of one kind in a block: [first, first + count). */
struct sample_region {
    uint32_t first, count;
};

SAMPLE_INLINE struct sample_region sample_region(const struct block *block,
                                                 enum directory_kind kind)
{
    if (kind == DIRECTORY_SEEDERS)
        return (struct sample_region){0, block->seeders};
    return (struct sample_region){block->seeders, block->peers - block->seeders};
}

/* Whether the asker has no use for seeders. */
SAMPLE_INLINE bool sample_leechers_only(const struct swarms_announce *announce)
{
    return announce->seeder || announce->event == SWARMS_PAUSED;
}

/* How many of `wanted` peers are to be seeders: their share, rounded at random. */
SAMPLE_INLINE uint32_t sample_seeders(uint32_t wanted, uint32_t seeders, uint32_t others,
                                      uint64_t random)
{
    uint64_t share = ((uint64_t)wanted * seeders << 32) / others;

    return (uint32_t)((share + (uint32_t)((random * UINT64_C(0x9e3779b97f4a7c15)) >> 32)) >> 32);
}

/* The random bits that place the window of each kind. */
SAMPLE_INLINE uint32_t sample_random(uint64_t random, enum directory_kind kind)
{
    return (uint32_t)(kind == DIRECTORY_SEEDERS ? random : random >> 32);
}

/* Copying ------------------------------------------------------------------------------------ */

/* Four IPv4 entries without their stamps: 24 bytes, and 4 more that the next ones overwrite. */
SAMPLE_INLINE void sample_pack4(uint8_t *out, const uint8_t *entries)
{
    const __m128i pack = _mm_setr_epi8(0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13, -1, -1, -1, -1);
    __m128i low = _mm_loadu_si128((const __m128i *)entries);
    __m128i high = _mm_loadu_si128((const __m128i *)(entries + 16));

    _mm_storeu_si128((__m128i *)out, _mm_shuffle_epi8(low, pack));
    _mm_storeu_si128((__m128i *)(out + 12), _mm_shuffle_epi8(high, pack));
}

/* Copies `count` peers from `first` on. May read 3 entries, and write 22 bytes, more than asked. */
SAMPLE_INLINE uint8_t *sample_copy(uint8_t *out, const struct block *block, uint32_t first,
                                   uint32_t count, unsigned family)
{
    const uint8_t *entries = block->entries + (size_t)first * block_entry_size(family);

    if (family == SWARMS_IPV4) {
        for (uint32_t i = 0; i < count; i += 4)
            sample_pack4(out + i * 6, entries + i * 8);
    } else {
        for (uint32_t i = 0; i < count; i++)
            memcpy(out + i * 18, entries + i * 20, 18);
    }
    return out + (size_t)count * swarms_peer_size(family);
}

/* The same for the three IPv4 entries inside a record: no line after them that may be read. */
SAMPLE_INLINE uint8_t *sample_copy_inline(uint8_t *out, const struct block *block, uint32_t first,
                                          uint32_t count)
{
    uint64_t entries[3], packed;

    memcpy(entries, block->entries, sizeof(entries));
    for (unsigned i = 0; i < 3; i++) {
        packed = entries[(first + i) % 3];
        memcpy(out + i * 6, &packed, sizeof(packed));
    }
    return out + (size_t)count * 6;
}

/* The asker's place is taken by the last peer. Returns the end of what is left. */
SAMPLE_INLINE uint8_t *sample_fill_hole(uint8_t *out, uint8_t *end, uint32_t hole, unsigned family)
{
    unsigned size = swarms_peer_size(family);

    memmove(out + (size_t)hole * size, end - size, size);
    return end - size;
}

/* One block ---------------------------------------------------------------------------------- */

/*
 * A window of `wanted` peers from `start` on, in the circle of a block's peers of one kind. `self`
 * is the asker's place in the region, UINT32_MAX when he isn't there; if there, start isn't it.
 */
SAMPLE_INLINE uint8_t *sample_window(uint8_t *out, const struct block *block,
                                     struct sample_region region, uint32_t start, uint32_t wanted,
                                     uint32_t self, unsigned family)
{
    uint32_t distance = self >= start ? self - start : self + region.count - start;
    bool meets_self = self != UINT32_MAX && distance <= wanted;
    uint32_t take = wanted + meets_self;
    uint32_t run = take < region.count - start ? take : region.count - start;
    uint8_t *end = sample_copy(out, block, region.first + start, run, family);

    if (take > run)
        end = sample_copy(end, block, region.first, take - run, family);
    return meets_self ? sample_fill_hole(out, end, distance, family) : end;
}

/* Where the window of a kind starts; with the asker known, never at him. */
SAMPLE_INLINE uint32_t sample_start(uint64_t random, enum directory_kind kind, uint32_t count,
                                    uint32_t self)
{
    uint32_t start = random_below(sample_random(random, kind), count);

    while (start == self) {
        random = random_next(&random);
        start = random_below((uint32_t)(random >> 32), count);
    }
    return start;
}

/* Everybody else, of one kind or of both. */
SAMPLE_INLINE uint8_t *sample_all(uint8_t *out, const struct block *block, uint32_t first, int self,
                                  unsigned family)
{
    uint32_t count = block->peers - first;
    uint8_t *end;

    if (family == SWARMS_IPV4 && block->capacity <= 3)
        end = sample_copy_inline(out, block, first, count);
    else
        end = sample_copy(out, block, first, count, family);
    if (self >= (int)first)
        end = sample_fill_hole(out, end, (uint32_t)self - first, family);
    return end;
}

/* The peers of a reply from a swarm in one block. `self`: the asker's position, or -1. */
SAMPLE_INLINE uint8_t *sample_block(uint8_t *out, const struct block *block, int self,
                                    bool leechers_only, unsigned wanted, uint64_t random,
                                    unsigned family)
{
    uint32_t seeders = leechers_only ? 0 : block->seeders;
    bool self_leeches = self >= (int)block->seeders;
    uint32_t leechers = block->peers - block->seeders - self_leeches;
    struct sample_region region;
    uint32_t from_seeders = 0, place;

    if (seeders + leechers <= wanted)
        return sample_all(out, block, leechers_only ? block->seeders : 0, self, family);
    if (seeders != 0) {
        region = sample_region(block, DIRECTORY_SEEDERS);
        from_seeders = sample_seeders(wanted, seeders, seeders + leechers, random);
        place = sample_start(random, DIRECTORY_SEEDERS, seeders, UINT32_MAX);
        out = sample_window(out, block, region, place, from_seeders, UINT32_MAX, family);
    }
    if (from_seeders == wanted)
        return out;
    region = sample_region(block, DIRECTORY_LEECHERS);
    self = self_leeches ? self - (int)region.first : -1;
    place = sample_start(random, DIRECTORY_LEECHERS, region.count, (uint32_t)self);
    return sample_window(out, block, region, place, wanted - from_seeders, (uint32_t)self, family);
}

/*
 * Prefetches a window as sample_block() will read it, as far as it can be told before the asker is
 * found. The number of lines depends on the size of the window alone, not on where it stands in its
 * first line: so the loop's end is foreseen.
 */
SAMPLE_INLINE void sample_prefetch_run(const struct block *block, uint32_t first, uint32_t count,
                                       unsigned family)
{
    unsigned size = block_entry_size(family);
    const uint8_t *from = block->entries + (size_t)first * size;

    for (uint32_t lines = count * size / SLAB_LINE + 2; lines > 0; lines--, from += SLAB_LINE)
        __builtin_prefetch(from);
}

SAMPLE_INLINE void sample_prefetch(const struct block *block, struct sample_region region,
                                   uint32_t start, uint32_t wanted, unsigned family)
{
    sample_prefetch_run(block, region.first + start, wanted, family);
    if (start + wanted >= region.count)
        sample_prefetch_run(block, region.first, start + wanted - region.count, family);
}

SAMPLE_INLINE void sample_prefetch_block(const struct block *block, bool leechers_only,
                                         unsigned wanted, uint64_t random, unsigned family)
{
    uint32_t leechers = block->peers - block->seeders;
    uint32_t seeders = leechers_only ? 0 : block->seeders;
    uint32_t from_seeders = 0;

    if (seeders + leechers <= wanted) {
        sample_prefetch(
            block, (struct sample_region){leechers_only ? block->seeders : 0, leechers + seeders},
            0, leechers + seeders, family);
        return;
    }
    if (seeders != 0) {
        from_seeders = sample_seeders(wanted, seeders, seeders + leechers, random);
        sample_prefetch(block, sample_region(block, DIRECTORY_SEEDERS),
                        random_below(sample_random(random, DIRECTORY_SEEDERS), seeders),
                        from_seeders, family);
    }
    if (leechers != 0)
        sample_prefetch(block, sample_region(block, DIRECTORY_LEECHERS),
                        random_below(sample_random(random, DIRECTORY_LEECHERS), leechers),
                        wanted - from_seeders, family);
}

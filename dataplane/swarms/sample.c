/* SPDX-License-Identifier: BSD-3-Clause */
#include "sample.h"

#include <string.h>
#include <tmmintrin.h>

#include "directory.h"
#include "random.h"

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

struct sample sample_choose(const struct record *record, bool self_stored, bool seeder,
                            unsigned numwant, uint64_t random)
{
    uint32_t leechers = record->peers - record->seeders - (self_stored && !seeder);
    uint32_t seeders = seeder ? 0 : record->seeders;
    uint32_t others = seeders + leechers;
    uint32_t count = smaller(numwant, others);
    uint32_t from_seeders = 0;
    struct sample sample;

    if (seeders != 0) {
        /* Rounded up or down at random, so that on average the share is exact. */
        uint64_t share = (uint64_t)count * seeders;
        uint32_t rest = (uint32_t)(share % others);

        from_seeders = (uint32_t)(share / others);
        from_seeders += random_below((uint32_t)(random * 0x9e3779b1u), others) < rest;
    }
    sample.windows[DIRECTORY_SEEDERS] = (struct sample_window){
        .start = random_below((uint32_t)random, seeders),
        .count = from_seeders,
    };
    sample.windows[DIRECTORY_LEECHERS] = (struct sample_window){
        .start = random_below((uint32_t)(random >> 32), leechers),
        .count = count - from_seeders,
    };
    return sample;
}

/* Copies entries without their stamps: two IPv4 entries of 8 bytes become 12 bytes. */
static uint8_t *copy_ipv4(uint8_t *out, const uint8_t *entries, uint32_t count)
{
    const __m128i pack = _mm_setr_epi8(0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13, -1, -1, -1, -1);

    for (; count >= 2; count -= 2, entries += 16, out += 12) {
        __m128i pair = _mm_loadu_si128((const __m128i *)entries);

        _mm_storeu_si128((__m128i *)out, _mm_shuffle_epi8(pair, pack));
    }
    if (count != 0) {
        memcpy(out, entries, 6);
        out += 6;
    }
    return out;
}

static uint8_t *copy_ipv6(uint8_t *out, const uint8_t *entries, uint32_t count)
{
    for (; count > 0; count--, entries += 20, out += 18)
        memcpy(out, entries, 18);
    return out;
}

static uint8_t *copy(uint8_t *out, const struct block *block, uint32_t position, uint32_t count)
{
    const uint8_t *entries = block_entry(block, position);

    return block->family == SWARMS_IPV4 ? copy_ipv4(out, entries, count)
                                        : copy_ipv6(out, entries, count);
}

/* Where the peers of a kind lie in a block: [first, first + count). */
struct region {
    uint32_t first, count;
};

static struct region region_of(const struct block *block, enum directory_kind kind)
{
    if (kind == DIRECTORY_SEEDERS)
        return (struct region){0, block->seeders};
    return (struct region){block->seeders, block->peers - block->seeders};
}

/* A walk around the circle of all peers of one kind, leaving out the asker. */
struct walk {
    const struct slab *slab;
    struct record *record;
    const struct swarms_secret *secret;
    const struct sample_self *self;
    enum directory_kind kind;
};

/* The asker's place in the region of block `number`; UINT32_MAX if he is elsewhere. */
static uint32_t self_in(const struct walk *walk, uint32_t number, struct region region)
{
    if (walk->self->position < 0 || walk->self->number != number ||
        (uint32_t)walk->self->position - region.first >= region.count)
        return UINT32_MAX;
    return (uint32_t)walk->self->position - region.first;
}

/* Turns a rank among the others into a block and a place in its region. */
static uint32_t find_start(const struct walk *walk, uint32_t *rank)
{
    const struct sample_self *self = walk->self;
    bool directory = walk->record->form == RECORD_DIRECTORY;

    if (self->position >= 0) {
        struct block block =
            peers_open_block(walk->slab, walk->record, self->number, walk->secret).block;
        uint32_t own = self_in(walk, self->number, region_of(&block, walk->kind));

        if (own != UINT32_MAX && directory)
            own += directory_rank(walk->slab, walk->record, self->number, walk->kind);
        *rank += own != UINT32_MAX && *rank >= own;
    }
    return directory ? directory_locate(walk->slab, walk->record, rank, walk->kind) : 0;
}

static uint8_t *write_window(const struct walk *walk, struct sample_window window, uint8_t *out)
{
    uint32_t place = window.start;
    uint32_t number = window.count != 0 ? find_start(walk, &place) : 0;

    while (window.count > 0) {
        struct block block = peers_open_block(walk->slab, walk->record, number, walk->secret).block;
        struct region region = region_of(&block, walk->kind);
        uint32_t self = self_in(walk, number, region);

        while (place < region.count && window.count > 0) {
            uint32_t end = smaller(region.count, place + window.count);

            if (place <= self && self < end)
                end = self;
            out = copy(out, &block, region.first + place, end - place);
            window.count -= end - place;
            place = end + (end == self);
        }
        place = 0;
        number = number + 1 < peers_blocks(walk->record) ? number + 1 : 0;
    }
    return out;
}

unsigned sample_write(const struct slab *slab, struct record *record, const struct sample *sample,
                      const struct sample_self *self, const struct swarms_secret *secret,
                      uint8_t *out)
{
    for (unsigned kind = 0; kind < SAMPLE_KINDS; kind++) {
        struct walk walk = {slab, record, secret, self, kind};

        out = write_window(&walk, sample->windows[kind], out);
    }
    return sample->windows[0].count + sample->windows[1].count;
}

void sample_prefetch(const struct block *block, const struct sample *sample)
{
    unsigned size = block_entry_size(block->family);

    for (unsigned kind = 0; kind < SAMPLE_KINDS; kind++) {
        struct sample_window window = sample->windows[kind];
        struct region region = region_of(block, kind);
        const uint8_t *first, *end;

        if (window.count == 0 || region.count == 0)
            continue;
        first = block_entry(block, region.first + smaller(window.start, region.count - 1));
        end = first + (size_t)smaller(window.count, region.count - window.start) * size;
        for (; first < end + SLAB_LINE; first += SLAB_LINE)
            __builtin_prefetch(first);
    }
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "directory.h"

#include "block_inline.h"

static unsigned class_for_blocks(uint32_t blocks)
{
    unsigned size_class = BLOCK_CLASS_FIRST;

    while (size_class < SLAB_CLASSES && directory_capacity(size_class) < blocks)
        size_class++;
    return size_class;
}

static void raise_bounds(struct record *record, uint32_t peers, uint32_t seeders)
{
    if (seeders > record->bounds[DIRECTORY_SEEDERS])
        record->bounds[DIRECTORY_SEEDERS] = (uint16_t)seeders;
    if (peers - seeders > record->bounds[DIRECTORY_LEECHERS])
        record->bounds[DIRECTORY_LEECHERS] = (uint16_t)(peers - seeders);
}

/* After blocks were split or merged: the bounds would only ever grow. */
static void find_bounds(const struct slab *slab, struct record *record)
{
    const struct directory_entry *entries = directory_entries(slab, record);

    record->bounds[0] = record->bounds[1] = 0;
    for (uint32_t i = 0; i < record->blocks; i++)
        raise_bounds(record, entries[i].peers, entries[i].seeders);
}

void directory_close(const struct slab *slab, struct record *record, uint32_t number,
                     uint32_t peers, uint32_t seeders)
{
    struct directory_entry *entry = &directory_entries(slab, record)[number];
    struct directory_sum *sum = &directory_sums(slab, record)[number / DIRECTORY_GROUP];

    sum->peers += peers - entry->peers;
    sum->seeders += seeders - entry->seeders;
    record->peers += peers - entry->peers;
    record->seeders += seeders - entry->seeders;
    entry->peers = peers & 0xfff;
    entry->seeders = seeders & 0xfff;
    raise_bounds(record, peers, seeders);
}

/* Moves the directory into an object of `size_class`, with room for more or fewer entries. */
static bool move(struct slab *slab, struct record *record, unsigned size_class)
{
    uint32_t line = size_class < SLAB_CLASSES ? slab_alloc(slab, size_class) : 0;
    struct record moved = *record;
    uint32_t groups = (record->blocks + DIRECTORY_GROUP - 1) / DIRECTORY_GROUP;

    if (line == 0)
        return false;
    moved.directory = line;
    moved.size_class = size_class & 0x7f;
    memset(slab_at(slab, line), 0, (size_t)slab_class_lines[size_class] * SLAB_LINE);
    memcpy(directory_sums(slab, &moved), directory_sums(slab, record),
           groups * sizeof(struct directory_sum));
    memcpy(directory_entries(slab, &moved), directory_entries(slab, record),
           record->blocks * sizeof(struct directory_entry));
    slab_free(slab, record->size_class, record->directory);
    *record = moved;
    return true;
}

bool directory_create(struct slab *slab, struct record *record)
{
    unsigned size_class = class_for_blocks(2);
    uint32_t line = slab_alloc(slab, size_class);
    struct directory_entry entry = {
        .block = record->block,
        .peers = record->peers & 0xfff,
        .seeders = record->seeders & 0xfff,
        .size_class = record->size_class,
    };

    if (line == 0)
        return false;
    memset(slab_at(slab, line), 0, (size_t)slab_class_lines[size_class] * SLAB_LINE);
    record->form = RECORD_DIRECTORY;
    record->size_class = size_class & 0x7f;
    record->directory = line;
    record->blocks = 1;
    record->bounds[0] = record->bounds[1] = 0;
    raise_bounds(record, entry.peers, entry.seeders);
    directory_entries(slab, record)[0] = entry;
    directory_sums(slab, record)[0] =
        (struct directory_sum){.peers = entry.peers, .seeders = entry.seeders};
    return true;
}

/* Appends an empty block with room for `peers`. */
static bool append(struct slab *slab, struct record *record, unsigned peers)
{
    unsigned size_class = block_class_for(record->family, peers);
    uint32_t line;

    if (size_class > BLOCK_CLASS_LAST)
        size_class = BLOCK_CLASS_LAST;
    if (record->blocks == directory_capacity(record->size_class) &&
        !move(slab, record, class_for_blocks(record->blocks + record->blocks / 2)))
        return false;
    line = slab_alloc(slab, size_class);
    if (line == 0)
        return false;
    directory_entries(slab, record)[record->blocks++] =
        (struct directory_entry){.block = line, .size_class = size_class & 0xff};
    return true;
}

bool directory_split(struct slab *slab, struct record *record, const struct swarms_secret *secret)
{
    uint32_t number = record->blocks;
    unsigned bits = 31 - (unsigned)__builtin_clz(number);
    uint32_t buddy = number - (1u << bits);
    struct block from, to;

    /* The new block may get all of its buddy's peers, though seldom in practice. */
    if (!append(slab, record, directory_entries(slab, record)[buddy].peers))
        return false;
    from = directory_open(slab, record, buddy, secret);
    to = directory_open(slab, record, number, secret);
    block_clear(&to);
    block_split(&from, &to, DIRECTORY_HASH_BIT + bits);
    directory_close(slab, record, buddy, from.peers, from.seeders);
    directory_close(slab, record, number, to.peers, to.seeders);
    find_bounds(slab, record);
    /* Best effort: without memory they just stay too large. */
    directory_resize_block(slab, record, buddy, block_class_for(record->family, from.peers + 1),
                           secret);
    directory_resize_block(slab, record, number, block_class_for(record->family, to.peers + 1),
                           secret);
    return true;
}

bool directory_grow(struct slab *slab, struct record *record, const struct swarms_secret *secret)
{
    uint64_t mean = block_capacity(record->family, BLOCK_CLASS_LAST) * DIRECTORY_FILL_PERCENT / 100;

    return record->peers < mean * record->blocks || directory_split(slab, record, secret);
}

bool directory_resize_block(struct slab *slab, struct record *record, uint32_t number,
                            unsigned size_class, const struct swarms_secret *secret)
{
    struct directory_entry *entry = &directory_entries(slab, record)[number];
    struct block from = directory_open(slab, record, number, secret), to;
    uint32_t line;

    if (size_class == entry->size_class)
        return true;
    line = size_class <= BLOCK_CLASS_LAST ? slab_alloc(slab, size_class) : 0;
    if (line == 0)
        return false;
    to = block_open(slab_at(slab, line), record->family, size_class, 0, 0, secret);
    block_copy(&to, &from);
    slab_free(slab, entry->size_class, entry->block);
    entry->block = line;
    entry->size_class = size_class & 0xff;
    return true;
}

/* Back to a record with one block. */
static void unwrap(struct slab *slab, struct record *record)
{
    struct directory_entry entry = directory_entries(slab, record)[0];

    slab_free(slab, record->size_class, record->directory);
    record->form = RECORD_BLOCK;
    record->size_class = entry.size_class & 0x7f;
    record->block = entry.block;
}

/* The last block's peers go back to the block they were split from. */
static bool merge_last(struct slab *slab, struct record *record, const struct swarms_secret *secret)
{
    uint32_t last = record->blocks - 1;
    uint32_t buddy = last - (1u << (31 - __builtin_clz(last)));
    struct block from = directory_open(slab, record, last, secret);
    struct block to = directory_open(slab, record, buddy, secret);
    unsigned size_class = block_class_for(record->family, from.peers + to.peers);

    if (size_class > BLOCK_CLASS_LAST ||
        !directory_resize_block(slab, record, buddy, size_class, secret))
        return false;
    to = directory_open(slab, record, buddy, secret);
    for (unsigned i = 0; i < from.peers; i++)
        block_insert(&to, block_entry(&from, i), block_hash(&from, i, from.family),
                     *block_stamp(&from, i), i < from.seeders, from.family);
    directory_close(slab, record, last, 0, 0);
    directory_close(slab, record, buddy, to.peers, to.seeders);
    slab_free(slab, from.size_class, directory_entries(slab, record)[last].block);
    record->blocks--;
    find_bounds(slab, record);
    return true;
}

bool directory_shrink(struct slab *slab, struct record *record, const struct swarms_secret *secret)
{
    uint64_t low =
        block_capacity(record->family, BLOCK_CLASS_LAST) * DIRECTORY_SHRINK_PERCENT / 100;

    if (record->blocks == 1) {
        unwrap(slab, record);
        return false;
    }
    return record->peers < low * record->blocks && merge_last(slab, record, secret);
}

/* The `rank`-th peer of a kind. */
static struct directory_pick locate(const struct slab *slab, const struct record *record,
                                    uint32_t rank, enum directory_kind kind)
{
    const struct directory_sum *sum = directory_sums(slab, record);
    const struct directory_entry *entries = directory_entries(slab, record);
    uint32_t number = 0, here;

    for (; rank >= (here = directory_of_kind(sum->peers, sum->seeders, kind)); sum++) {
        rank -= here;
        number += DIRECTORY_GROUP;
    }
    while (rank >=
           (here = directory_of_kind(entries[number].peers, entries[number].seeders, kind))) {
        rank -= here;
        number++;
    }
    return (struct directory_pick){number, rank};
}

struct directory_pick directory_pick(const struct slab *slab, const struct record *record,
                                     enum directory_kind kind, uint64_t *random)
{
    const struct directory_entry *entries = directory_entries(slab, record);
    uint32_t count = directory_of_kind(record->peers, record->seeders, kind);

    for (unsigned tries = 0; tries < DIRECTORY_TRIES; tries++) {
        uint64_t dice = random_next(random);
        uint32_t number = random_below((uint32_t)dice, record->blocks);
        uint32_t place = random_below((uint32_t)(dice >> 32), record->bounds[kind]);

        if (place < directory_of_kind(entries[number].peers, entries[number].seeders, kind))
            return (struct directory_pick){number, place};
    }
    return locate(slab, record, random_below((uint32_t)random_next(random), count), kind);
}

void directory_free(struct slab *slab, struct record *record)
{
    const struct directory_entry *entries = directory_entries(slab, record);

    for (uint32_t i = 0; i < record->blocks; i++)
        slab_free(slab, entries[i].size_class, entries[i].block);
    slab_free(slab, record->size_class, record->directory);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory before work: what an announce will touch in a block or a directory, asked for a few turns
 * ahead of acting on it, a stage further in each. Nothing is decided here: an announce acts on what
 * it finds then, and one before it may have changed it. A wrong guess costs a miss, no more.
 *
 *                  block                              directory
 *   stage_own      the slots about the asker,         the entry of his block
 *                  or, without slots, all entries
 *   stage_first    his entry, the border's, windows   the slots about him, windows
 *   stage_second   the slots about the border         his entry, the border's
 *
 * Compiled into its callers, for a form and family that are known there.
 */
#pragma once

#include "sample_directory.h"
#include "table.h"

/* The slots that are compared at once: one time in five they lie in two lines. */
SAMPLE_INLINE void prefetch_slots(const struct block *block, uint64_t hash)
{
    const uint16_t *home = &block->slots[block_slot_home(block, hash)];

    __builtin_prefetch(home, 1);
    __builtin_prefetch(home + BLOCK_SLOTS_AT_ONCE - 1, 1);
}

SAMPLE_INLINE void prefetch_own(const struct block *block, uint64_t hash, unsigned family)
{
    const uint8_t *end = block->entries + (size_t)block->peers * block_entry_size(family);

    if (block->slots != NULL)
        prefetch_slots(block, hash);
    else
        for (const uint8_t *line = block->entries; line < end; line += SLAB_LINE)
            __builtin_prefetch(line);
}

SAMPLE_INLINE void stage_own(const struct swarms *swarms, struct swarms_announce *a,
                             enum record_form form, unsigned family)
{
    struct record *record = table_record(swarms, a->line);

    a->peer_hash = hash_peer(&swarms->secret, family, a->peer);
    if (form == RECORD_BLOCK) {
        struct peers own =
            peers_open_as(&swarms->slab, record, a->peer_hash, &swarms->secret, form, family);

        prefetch_own(&own.block, a->peer_hash, family);
    } else {
        uint32_t number = directory_block_of(record, a->peer_hash);

        __builtin_prefetch(&directory_entries(&swarms->slab, record)[number]);
    }
}

/*
 * If the asker turns seeder or leecher, he changes places with the peer at the border. Who doesn't
 * gets his own entry for it: choosing an address costs less than a branch that nobody can foresee.
 */
SAMPLE_INLINE const uint8_t *border_or_own(const struct block *block,
                                           const struct swarms_announce *a, unsigned family)
{
    unsigned position = (unsigned)a->position;
    bool turns = (position < block->seeders) != a->seeder;

    position = turns ? block_border(block, a->seeder) : position;
    return block->entries + (size_t)position * block_entry_size(family);
}

SAMPLE_INLINE void prefetch_entry(const struct block *block, struct swarms_announce *a,
                                  unsigned family)
{
    a->position = (int16_t)block_guess(block, a->peer_hash);
    if (a->position < 0)
        return;
    __builtin_prefetch(block->entries + (size_t)a->position * block_entry_size(family), 1);
    __builtin_prefetch(border_or_own(block, a, family), 1);
}

/* He may have been moved since prefetch_entry(), and the block with him. */
SAMPLE_INLINE void prefetch_border(const struct swarms *swarms, const struct block *block,
                                   const struct swarms_announce *a, unsigned family)
{
    uint64_t hash;

    if (a->position < 0 || (uint32_t)a->position >= block->peers)
        return;
    hash = hash_peer(&swarms->secret, family, border_or_own(block, a, family));
    prefetch_slots(block, hash);
}

SAMPLE_INLINE void prefetch_start(const struct swarms *swarms, struct record *record,
                                  const struct swarms_announce *a, enum directory_kind kind,
                                  unsigned family)
{
    struct block block =
        directory_open_as(&swarms->slab, record, a->starts[kind].number, &swarms->secret, family);
    struct sample_region region = sample_region(&block, kind);

    if (a->starts[kind].place < region.count)
        sample_prefetch(&block, region, a->starts[kind].place,
                        a->numwant < region.count ? a->numwant : region.count, family);
}

SAMPLE_INLINE void prefetch_windows(const struct swarms *swarms, struct record *record,
                                    struct swarms_announce *a, unsigned family)
{
    sample_find_starts(&swarms->slab, record, a);
    if (!sample_leechers_only(a))
        prefetch_start(swarms, record, a, DIRECTORY_SEEDERS, family);
    prefetch_start(swarms, record, a, DIRECTORY_LEECHERS, family);
}

/* Of a form that `record` had when the burst was sorted, and may have no more: here and below. */
SAMPLE_INLINE void stage_first(const struct swarms *swarms, struct swarms_announce *a,
                               enum record_form form, unsigned family)
{
    struct record *record = table_record(swarms, a->line);
    struct block own;

    if (record->form != form)
        return;
    own = peers_open_as(&swarms->slab, record, a->peer_hash, &swarms->secret, form, family).block;
    if (form == RECORD_DIRECTORY) {
        prefetch_own(&own, a->peer_hash, family);
        if (a->numwant != 0)
            prefetch_windows(swarms, record, a, family);
    } else if (own.slots != NULL) {
        prefetch_entry(&own, a, family);
        if (a->numwant != 0)
            sample_prefetch_block(&own, sample_leechers_only(a), a->numwant, a->random, family);
    }
}

SAMPLE_INLINE void stage_second(const struct swarms *swarms, struct swarms_announce *a,
                                enum record_form form, unsigned family)
{
    struct record *record = table_record(swarms, a->line);
    struct block own;

    if (record->form != form)
        return;
    own = peers_open_as(&swarms->slab, record, a->peer_hash, &swarms->secret, form, family).block;
    if (own.slots == NULL)
        return;
    if (form == RECORD_DIRECTORY)
        prefetch_entry(&own, a, family);
    else
        prefetch_border(swarms, &own, a, family);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory before work: each stage touches one more cache line of every announce of the burst, and
 * asks for the next one, so that the misses of a burst overlap. Nothing is decided here: an
 * announce acts on what it finds then, and one before it may have changed it. A wrong guess costs a
 * miss, no more.
 */
#include "sample_directory.h"
#include "table.h"

void swarms_expect(const struct swarms *swarms, uint64_t hash)
{
    uint32_t bucket = index_bucket_of(&swarms->index, hash);

    __builtin_prefetch(&swarms->index.buckets[bucket < swarms->index.buckets_count ? bucket : 0]);
}

static void stage_record(const struct swarms *swarms, struct swarms_announce *a)
{
    a->line = index_guess(&swarms->index, index_bucket_of(&swarms->index, a->hash), a->hash,
                          a->family);
    __builtin_prefetch(slab_at(&swarms->slab, a->line), 1);
}

SAMPLE_INLINE void prefetch_own(const struct block *block, uint64_t hash, unsigned family)
{
    const uint8_t *end = block->entries + (size_t)block->peers * block_entry_size(family);

    if (block->slots != NULL)
        __builtin_prefetch(&block->slots[block_slot_home(block, hash)]);
    else
        for (const uint8_t *line = block->entries; line < end; line += SLAB_LINE)
            __builtin_prefetch(line);
}

SAMPLE_INLINE void stage_block(const struct swarms *swarms, struct swarms_announce *a,
                               unsigned family)
{
    struct record *record = table_record(swarms, a->line);

    a->peer_hash = hash_peer(&swarms->secret, family, a->peer);
    if (a->line != 0 && !index_is(record, family, a->info_hash))
        a->line = table_find(swarms, a->hash, family, a->info_hash);
    if (a->line == 0)
        return;
    record = table_record(swarms, a->line);
    if (record->form == RECORD_BLOCK) {
        struct block block =
            block_open(slab_at(&swarms->slab, record->block), family, record->size_class,
                       record->peers, record->seeders, &swarms->secret);

        prefetch_own(&block, a->peer_hash, family);
    } else if (record->form == RECORD_DIRECTORY) {
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

SAMPLE_INLINE void prefetch_start(const struct swarms *swarms, struct record *record,
                                  const struct swarms_announce *a, enum directory_kind kind,
                                  unsigned family)
{
    struct block block =
        directory_open(&swarms->slab, record, a->starts[kind].number, &swarms->secret);
    struct sample_region region = sample_region(&block, kind);

    if (a->starts[kind].place < region.count)
        sample_prefetch(&block, region, a->starts[kind].place,
                        a->numwant < region.count ? a->numwant : region.count, family);
}

SAMPLE_INLINE void stage_directory(const struct swarms *swarms, struct record *record,
                                   struct swarms_announce *a, unsigned family)
{
    struct peers own = peers_open(&swarms->slab, record, a->peer_hash, &swarms->secret);

    prefetch_own(&own.block, a->peer_hash, family);
    if (a->numwant == 0)
        return;
    sample_find_starts(&swarms->slab, record, a);
    if (!sample_leechers_only(a))
        prefetch_start(swarms, record, a, DIRECTORY_SEEDERS, family);
    prefetch_start(swarms, record, a, DIRECTORY_LEECHERS, family);
}

/* Returns whether one stage more is of use. */
SAMPLE_INLINE bool stage_entries(const struct swarms *swarms, struct swarms_announce *a,
                                 unsigned family)
{
    struct record *record = table_record(swarms, a->line);
    struct block block;

    a->position = -1;
    a->started = false;
    if (a->line == 0 || record->form == RECORD_INLINE)
        return false;
    if (record->form == RECORD_DIRECTORY) {
        stage_directory(swarms, record, a, family);
        return true;
    }
    block = block_open(slab_at(&swarms->slab, record->block), family, record->size_class,
                       record->peers, record->seeders, &swarms->secret);
    if (block.slots == NULL)
        return false;
    prefetch_entry(&block, a, family);
    if (a->numwant != 0)
        sample_prefetch_block(&block, sample_leechers_only(a), a->numwant, a->random, family);
    return true;
}

/* The slots of who stands at the border, and the asker's own entry in a directory. */
SAMPLE_INLINE void stage_border(const struct swarms *swarms, struct swarms_announce *a,
                                unsigned family)
{
    struct record *record = table_record(swarms, a->line);
    struct peers own = peers_open(&swarms->slab, record, a->peer_hash, &swarms->secret);
    const uint8_t *border;

    if (own.block.slots == NULL)
        return;
    if (record->form == RECORD_DIRECTORY) {
        prefetch_entry(&own.block, a, family);
    } else if (a->position >= 0) {
        border = border_or_own(&own.block, a, family);
        __builtin_prefetch(
            &own.block
                 .slots[block_slot_home(&own.block, hash_peer(&swarms->secret, family, border))]);
    }
}

void table_prefetch(const struct swarms *swarms, struct swarms_announce *const announces[],
                    unsigned count)
{
    struct swarms_announce *more[SWARMS_BURST_MAX];
    unsigned more_count = 0;

    for (unsigned i = 0; i < count; i++)
        stage_record(swarms, announces[i]);
    for (unsigned i = 0; i < count; i++)
        if (announces[i]->family == SWARMS_IPV4)
            stage_block(swarms, announces[i], SWARMS_IPV4);
        else
            stage_block(swarms, announces[i], SWARMS_IPV6);
    for (unsigned i = 0; i < count; i++) {
        bool wants = announces[i]->family == SWARMS_IPV4
                         ? stage_entries(swarms, announces[i], SWARMS_IPV4)
                         : stage_entries(swarms, announces[i], SWARMS_IPV6);

        more[more_count] = announces[i];
        more_count += wants;
    }
    for (unsigned i = 0; i < more_count; i++)
        if (more[i]->family == SWARMS_IPV4)
            stage_border(swarms, more[i], SWARMS_IPV4);
        else
            stage_border(swarms, more[i], SWARMS_IPV6);
}

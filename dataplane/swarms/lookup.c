/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory before work: each stage touches one more cache line of every announce of the burst, and
 * asks for the next one, so that the misses of a burst overlap. Nothing is decided here: an
 * announce acts on what it finds then, and one before it may have changed it. A wrong guess costs a
 * miss, no more.
 */
#include "directory.h"
#include "random.h"
#include "sample.h"
#include "table.h"

static void prefetch_lines(const void *from, size_t bytes)
{
    for (size_t offset = 0; offset < bytes; offset += SLAB_LINE)
        __builtin_prefetch((const uint8_t *)from + offset);
}

static void stage_bucket(const struct swarms *swarms, struct swarms_announce *a)
{
    __builtin_prefetch(&swarms->index.buckets[index_bucket_of(&swarms->index, a->hash)]);
}

static void stage_record(const struct swarms *swarms, struct swarms_announce *a)
{
    uint32_t line = index_guess(&swarms->index, a->hash, a->family);

    a->guess = line;
    if (line != 0)
        __builtin_prefetch(slab_at(&swarms->slab, line), 1);
}

static void prefetch_own(const struct block *block, uint64_t hash)
{
    if (block->slots != NULL)
        __builtin_prefetch(block_home(block, hash));
    else
        prefetch_lines(block->entries, (size_t)block->peers * block_entry_size(block->family));
}

static void stage_block(const struct swarms *swarms, struct swarms_announce *a)
{
    struct record *record = table_record(swarms, a->guess);
    uint64_t hash;

    if (a->guess == 0 || record->form == RECORD_INLINE)
        return;
    hash = hash_peer(&swarms->secret, a->family, a->peer);
    a->peer_hash = hash;
    if (record->form == RECORD_BLOCK) {
        struct block block = peers_open_block(&swarms->slab, record, 0, &swarms->secret).block;

        prefetch_own(&block, hash);
    } else {
        __builtin_prefetch(
            &directory_entries(&swarms->slab, record)[directory_block_of(record, hash)]);
    }
}

/* The windows in a directory start in blocks that must be looked up first. */
static void prefetch_directory_windows(const struct swarms *swarms, struct record *record,
                                       const struct sample *sample)
{
    for (unsigned kind = 0; kind < SAMPLE_KINDS; kind++) {
        struct sample part = {0};
        struct block block;
        uint32_t number;

        part.windows[kind] = sample->windows[kind];
        if (part.windows[kind].count == 0)
            continue;
        number = directory_locate(&swarms->slab, record, &part.windows[kind].start, kind);
        block = directory_open(&swarms->slab, record, number, &swarms->secret);
        sample_prefetch(&block, &part);
    }
}

static void stage_entries(const struct swarms *swarms, struct swarms_announce *a)
{
    struct record *record = table_record(swarms, a->guess);
    uint64_t hash = a->peer_hash;
    struct peers own;
    struct sample sample;

    if (a->guess == 0 || record->form == RECORD_INLINE)
        return;
    own = peers_open(&swarms->slab, record, hash, &swarms->secret);
    if (own.block.slots == NULL)
        return;
    if (record->form == RECORD_BLOCK)
        __builtin_prefetch(block_guess(&own.block, hash), 1);
    else
        prefetch_own(&own.block, hash);
    if (a->numwant == 0 || a->event == SWARMS_STOPPED)
        return;
    sample = sample_choose(record, !a->seeder, a->seeder, a->numwant, a->random);
    if (record->form == RECORD_BLOCK)
        sample_prefetch(&own.block, &sample);
    else
        prefetch_directory_windows(swarms, record, &sample);
}

static void stage_directory_entry(const struct swarms *swarms, struct swarms_announce *a)
{
    struct record *record = table_record(swarms, a->guess);
    uint64_t hash = a->peer_hash;
    struct peers own;

    if (a->guess == 0 || record->form != RECORD_DIRECTORY)
        return;
    own = peers_open(&swarms->slab, record, hash, &swarms->secret);
    if (own.block.slots != NULL)
        __builtin_prefetch(block_guess(&own.block, hash), 1);
}

void table_prefetch(const struct swarms *swarms, struct swarms_announce *const announces[],
                    unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        stage_bucket(swarms, announces[i]);
    for (unsigned i = 0; i < count; i++)
        stage_record(swarms, announces[i]);
    for (unsigned i = 0; i < count; i++)
        stage_block(swarms, announces[i]);
    for (unsigned i = 0; i < count; i++)
        stage_entries(swarms, announces[i]);
    for (unsigned i = 0; i < count; i++)
        stage_directory_entry(swarms, announces[i]);
}

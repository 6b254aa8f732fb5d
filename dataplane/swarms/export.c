/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "table.h"
#include "transfer.h"

/* What a slice may still use up. */
struct budget {
    uint8_t *out, *end;
    unsigned lines;
    uint32_t now;
};

static void use_lines(struct budget *budget, unsigned lines)
{
    budget->lines -= lines < budget->lines ? lines : budget->lines;
}

static void write_peer(const struct block *block, unsigned position, uint8_t *out, uint32_t now)
{
    unsigned size = swarms_peer_size(block->family);
    uint16_t stamp = *block_stamp(block, position);
    uint32_t seen = now - block_age(stamp, now);

    memcpy(out, block_entry(block, position), size);
    out[size] = (uint8_t)((position < block->seeders ? TRANSFER_SEEDER : 0) |
                          (stamp & BLOCK_STAMP_COMPLETED ? TRANSFER_COMPLETED : 0));
    out[size + 1] = 0;
    memcpy(out + size + 2, &seen, sizeof(seen));
}

/* As many peers as fit, from *entry on. False when the block isn't done. */
static bool write_block(struct budget *budget, const struct record *record, uint16_t chunk,
                        const struct block *block, uint32_t *entry)
{
    unsigned size = transfer_peer_size(record->family);
    size_t room = (size_t)(budget->end - budget->out);
    uint32_t left = block->peers > *entry ? block->peers - *entry : 0;
    struct transfer_swarm head = {
        .chunk = chunk, .family = record->family, .completed = record->completed};
    uint32_t fit;

    if (room < sizeof(head) + (left != 0 ? size : 0))
        return false;
    fit = (uint32_t)((room - sizeof(head)) / size);
    head.peers = left < fit ? left : fit;
    memcpy(head.info_hash, record->info_hash, sizeof(head.info_hash));
    memcpy(budget->out, &head, sizeof(head));
    budget->out += sizeof(head);
    for (uint32_t i = 0; i < head.peers; i++, budget->out += size)
        write_peer(block, (*entry)++, budget->out, budget->now);
    use_lines(budget, head.peers * size / SLAB_LINE);
    return head.peers == left;
}

/* False when the swarm isn't done. */
static bool write_swarm(struct swarms *swarms, struct transfer_export *export, uint32_t line,
                        struct budget *budget)
{
    struct record *record = table_record(swarms, line);

    for (; export->block < peers_blocks(record); export->block++, export->entry = 0) {
        struct peers peers;

        if (budget->lines == 0)
            return false;
        peers = peers_open_block(&swarms->slab, record, export->block, &swarms->secret);
        use_lines(budget, 1);
        if (!write_block(budget, record, export->chunk, &peers.block, &export->entry))
            return false;
    }
    export->block = export->entry = 0;
    return true;
}

/*
 * Memory before work, each step one behind the step that asked for what it reads: the line of the
 * bucket after the next one and the records of the next, when a bucket is begun; and where the
 * peers are of the swarm PEERS_AHEAD slots on, at each slot. So a sliver finds what the ones before
 * have asked for.
 */
enum { PEERS_AHEAD = 4, PEERS_LINES = 2, ROOM_LINES = 4 };

static void prefetch_buckets(const struct swarms *swarms, uint32_t number)
{
    const struct index_bucket *next = &swarms->index.buckets[number + 1];

    if (number + 2 < swarms->index.buckets_count)
        __builtin_prefetch(next + 1);
    if (number + 1 < swarms->index.buckets_count)
        for (unsigned slot = 0; slot < INDEX_SLOTS; slot++)
            if (next->tags[slot] != 0)
                __builtin_prefetch(table_record(swarms, next->records[slot]));
}

static void prefetch_peers(const struct swarms *swarms, uint32_t number, unsigned slot)
{
    const struct record *record;

    number += slot >= INDEX_SLOTS;
    slot -= slot >= INDEX_SLOTS ? INDEX_SLOTS : 0;
    if (number >= swarms->index.buckets_count || swarms->index.buckets[number].tags[slot] == 0)
        return;
    record = table_record(swarms, swarms->index.buckets[number].records[slot]);
    if (record_has_blocks(record->form)) /* or a directory: its line stands at the same place */
        for (unsigned line = 0; line < PEERS_LINES; line++)
            __builtin_prefetch(slab_at(&swarms->slab, record->block + line));
}

/* What the next call writes was last used by another core. */
static void prefetch_room(const struct budget *budget)
{
    for (unsigned line = 0; line < ROOM_LINES; line++)
        __builtin_prefetch(budget->out + (size_t)line * SLAB_LINE, 1);
}

static bool in_chunk(const struct swarms *swarms, uint32_t line, unsigned chunk)
{
    const struct record *record = table_record(swarms, line);

    return transfer_chunk(hash_info_hash(&swarms->secret, record->info_hash)) == chunk;
}

/* False when the bucket isn't done. */
static bool write_bucket(struct swarms *swarms, struct transfer_export *export,
                         struct budget *budget)
{
    const struct index_bucket *bucket = &swarms->index.buckets[export->bucket];

    if (export->slot == 0)
        prefetch_buckets(swarms, export->bucket);
    for (; export->slot < INDEX_SLOTS; export->slot++) {
        uint32_t line = bucket->records[export->slot];

        prefetch_peers(swarms, export->bucket, export->slot + PEERS_AHEAD);
        if (bucket->tags[export->slot] == 0)
            continue;
        if (budget->lines == 0)
            return false;
        use_lines(budget, 1);
        if (in_chunk(swarms, line, export->chunk) && !write_swarm(swarms, export, line, budget))
            return false;
    }
    export->slot = 0;
    return true;
}

/* The buckets that may hold swarms of a chunk: [*first, *last]. False if none of them are ours. */
static bool buckets_of(const struct swarms *swarms, unsigned chunk, uint32_t *first, uint32_t *last)
{
    const unsigned shift = 64 - TRANSFER_CHUNK_BITS;
    uint64_t low = (uint64_t)chunk << shift, high = low | ((UINT64_C(1) << shift) - 1);

    if (low < swarms->limits.hash_first)
        low = swarms->limits.hash_first;
    if (high > swarms->limits.hash_last)
        high = swarms->limits.hash_last;
    if (low > high)
        return false;
    *first = index_bucket_of(&swarms->index, low) & ~(uint32_t)(INDEX_GROUP - 1);
    *last = index_bucket_of(&swarms->index, high) | (INDEX_GROUP - 1);
    return true;
}

/* False when the chunk isn't done. */
static bool write_chunk(struct swarms *swarms, struct transfer_export *export,
                        struct budget *budget)
{
    uint32_t first, last;

    if (!buckets_of(swarms, export->chunk, &first, &last))
        return true;
    if (!export->started) {
        export->started = true;
        export->bucket = first;
    }
    for (; export->bucket <= last; export->bucket++) {
        if (budget->lines == 0)
            return false;
        use_lines(budget, 1);
        if (!write_bucket(swarms, export, budget))
            return false;
    }
    return true;
}

size_t transfer_export(struct swarms *swarms, struct transfer_export *export, uint8_t *buffer,
                       size_t size, unsigned lines, uint32_t now)
{
    struct budget budget = {.out = buffer, .end = buffer + size, .lines = lines, .now = now};

    if (export->chunk < export->first_chunk)
        export->chunk = export->first_chunk;
    while (!export->done && write_chunk(swarms, export, &budget)) {
        export->done = export->chunk == export->last_chunk;
        export->chunk++;
        export->started = false;
    }
    prefetch_room(&budget);
    return (size_t)(budget.out - buffer);
}

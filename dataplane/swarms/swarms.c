/* SPDX-License-Identifier: BSD-3-Clause */
#include "sample_directory.h"
#include "table.h"

/* Notes that the swarm is in use. */
static void touch(struct record *record, uint32_t now)
{
    uint32_t windows = now / RECORD_RATE_WINDOW - record->touched / RECORD_RATE_WINDOW;

    if (windows != 0)
        record->rate = windows < 16 ? (uint16_t)(record->rate >> windows) : 0;
    if (record->rate < UINT16_MAX)
        record->rate++;
    record->touched = now;
}

/* The stamp of a peer that has announced; counts its download once. */
static uint16_t stamp(struct swarms *swarms, struct record *record, const struct swarms_announce *a,
                      uint16_t former, uint32_t now)
{
    bool counted = (former & BLOCK_STAMP_COMPLETED) != 0;
    /* No && between: nobody foresees who seeds, but that a download isn't counted yet is rare. */
    bool counts = (a->event == SWARMS_COMPLETED) & a->seeder & (!counted);

    if (counts) {
        former = BLOCK_STAMP_COMPLETED;
        record->completed++;
        swarms->counters.completed++;
    }
    return (former & BLOCK_STAMP_COMPLETED) | (now & BLOCK_STAMP_MASK);
}

SAMPLE_INLINE int add(struct swarms *swarms, uint32_t line, struct peers *peers,
                      const struct swarms_announce *a, unsigned family, uint32_t now)
{
    struct record *record = table_record(swarms, line);
    unsigned position;

    if (!table_admit_peer(swarms, a->hash, line) ||
        (peers->block.peers == peers->block.capacity &&
         !peers_make_room(&swarms->slab, record, a->peer_hash, peers))) {
        swarms->counters.peers_refused++;
        return -1;
    }
    position = block_insert(&peers->block, a->peer, a->peer_hash, stamp(swarms, record, a, 0, now),
                            a->seeder, family);
    peers_close(&swarms->slab, record, peers);
    return (int)position;
}

/* A peer that was here already. Returns where it stands from now on. */
SAMPLE_INLINE int refresh(struct swarms *swarms, struct record *record, struct peers *peers,
                          unsigned position, const struct swarms_announce *a, unsigned family,
                          uint32_t now)
{
    struct block *block = &peers->block;
    uint8_t *stored = block->entries + (size_t)(position + 1) * block_entry_size(family) - 2;
    uint32_t before = block->seeders;
    uint16_t former;

    memcpy(&former, stored, sizeof(former));
    former = stamp(swarms, record, a, former, now);
    memcpy(stored, &former, sizeof(former));
    if ((position < before) == a->seeder)
        return (int)position;
    position = block_set_seeder(block, position, a->peer_hash, a->seeder, family);
    swarms->counters.seeders[family] += (uint64_t)block->seeders - before;
    if (record->form == RECORD_DIRECTORY)
        directory_close(&swarms->slab, record, peers->number, block->peers, block->seeders);
    else
        record->seeders = block->seeders;
    return (int)position;
}

static void stop(struct swarms *swarms, struct record *record, struct peers *peers, int position)
{
    if (position < 0)
        return;
    block_remove(&peers->block, (unsigned)position);
    peers_close(&swarms->slab, record, peers);
    peers_trim(&swarms->slab, record, peers->number, &swarms->secret);
    peers_merge(&swarms->slab, record, &swarms->secret);
}

/* Where the peer stands: as the stages guessed, or else searched for. */
SAMPLE_INLINE int find(const struct block *block, const struct swarms_announce *a, unsigned family)
{
    unsigned size = block_entry_size(family);

    if (a->position >= 0 && (uint32_t)a->position < block->peers &&
        block_same_peer(block->entries + (size_t)a->position * size, a->peer, family))
        return a->position;
    return block_find(block, a->peer, a->peer_hash, family);
}

SAMPLE_INLINE void write_peers(struct swarms *swarms, struct record *record,
                               const struct peers *peers, int self, struct swarms_announce *a,
                               unsigned family)
{
    uint8_t *end;

    if (record->form != RECORD_DIRECTORY) {
        /* It was a directory a moment ago, and the random number has become the starts there. */
        if (a->started)
            a->random = random_next(&swarms->random);
        end = sample_block(a->peers, &peers->block, self, sample_leechers_only(a), a->numwant,
                           a->random, family);
    } else {
        end = sample_directory(a->peers, &swarms->slab, record, a, peers->number, self,
                               &swarms->secret, &swarms->random, family);
    }
    a->peers_count = (uint16_t)((size_t)(end - a->peers) / swarms_peer_size(family));
}

SAMPLE_INLINE uint32_t open_record(struct swarms *swarms, struct swarms_announce *a,
                                   unsigned family, uint32_t removals, uint32_t now)
{
    uint32_t line = a->line;

    if (line == 0 || removals != swarms->removals)
        line = table_find(swarms, a->hash, family, a->info_hash);
    if (line == 0 && a->event != SWARMS_STOPPED && a->event != SWARMS_ASK) {
        line = table_add(swarms, a->hash, family, a->info_hash, now);
        swarms->counters.peers_refused += line == 0;
    }
    return line;
}

/* The answer, once the announce has been acted on. `self`: the asker's position, or -1. */
SAMPLE_INLINE void answer(struct swarms *swarms, struct record *record, const struct peers *peers,
                          int self, struct swarms_announce *a, unsigned family)
{
    a->seeders = record->seeders;
    a->leechers = record->peers - record->seeders;
    if (a->numwant != 0 && a->event != SWARMS_STOPPED)
        write_peers(swarms, record, peers, self, a, family);
}

/* Who comes or goes, or only asks. Opens the swarm anew: so act() can keep it in registers. */
static __attribute__((noinline)) void come_or_go(struct swarms *swarms, struct record *record,
                                                 uint32_t line, struct swarms_announce *a,
                                                 unsigned family, uint32_t now)
{
    uint32_t before = record->peers, seeders_before = record->seeders;
    struct peers peers = peers_open(&swarms->slab, record, a->peer_hash, &swarms->secret);
    int self = -1;

    if (a->event == SWARMS_STOPPED)
        stop(swarms, record, &peers, find(&peers.block, a, family));
    else if (a->event != SWARMS_ASK)
        self = add(swarms, line, &peers, a, family, now);
    table_count(swarms, record, before, seeders_before);
    answer(swarms, record, &peers, self, a, family);
}

SAMPLE_INLINE void act(struct swarms *swarms, struct swarms_announce *a, unsigned family,
                       uint32_t removals, uint32_t now)
{
    uint32_t line = open_record(swarms, a, family, removals, now);
    struct record *record = table_record(swarms, line);
    struct peers peers;
    int self;

    a->peers_count = 0;
    a->seeders = a->leechers = 0;
    if (line == 0)
        return;
    touch(record, now);
    peers = peers_open(&swarms->slab, record, a->peer_hash, &swarms->secret);
    self = find(&peers.block, a, family);
    if (__builtin_expect(self < 0 || a->event == SWARMS_STOPPED, 0)) {
        come_or_go(swarms, record, line, a, family, now);
        return;
    }
    self = refresh(swarms, record, &peers, (unsigned)self, a, family, now);
    answer(swarms, record, &peers, self, a, family);
}

void swarms_announce(struct swarms *swarms, struct swarms_announce *const announces[],
                     unsigned count, uint32_t now)
{
    uint32_t removals = swarms->removals;

    swarms->now = now;
    for (unsigned i = 0; i < count; i++)
        announces[i]->random = random_next(&swarms->random);
    table_prefetch(swarms, announces, count);
    for (unsigned i = 0; i < count; i++)
        if (announces[i]->family == SWARMS_IPV4)
            act(swarms, announces[i], SWARMS_IPV4, removals, now);
        else
            act(swarms, announces[i], SWARMS_IPV6, removals, now);
}

void swarms_scrape(struct swarms *swarms, struct swarms_scrape *const rows[], unsigned count)
{
    const struct index *index = &swarms->index;

    for (unsigned i = 0; i < count; i++)
        __builtin_prefetch(&index->buckets[index_bucket_of(index, rows[i]->hash)]);
    for (unsigned i = 0; i < count; i++)
        __builtin_prefetch(
            table_record(swarms, index_guess(index, index_bucket_of(index, rows[i]->hash),
                                             rows[i]->hash, rows[i]->family)));
    for (unsigned i = 0; i < count; i++) {
        struct swarms_scrape *row = rows[i];
        uint32_t line = table_find(swarms, row->hash, row->family, row->info_hash);
        const struct record *record = table_record(swarms, line);

        row->seeders = line != 0 ? record->seeders : 0;
        row->leechers = line != 0 ? record->peers - record->seeders : 0;
        row->completed = line != 0 ? record->completed : 0;
    }
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "stages.h"

enum {
    /*
     * Announces between two stages of one: fewer, and lines are waited for; more, and a list begins
     * with more stages that nothing is acted on meanwhile.
     */
    AHEAD = 3,
};

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
                          unsigned position, const struct swarms_announce *a, enum record_form form,
                          unsigned family, uint32_t now)
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
    if (form == RECORD_DIRECTORY)
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
                               enum record_form form, unsigned family)
{
    uint8_t *end;

    if (form != RECORD_DIRECTORY) {
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

/* The answer, once the announce has been acted on. `self`: the asker's position, or -1. */
SAMPLE_INLINE void answer(struct swarms *swarms, struct record *record, const struct peers *peers,
                          int self, struct swarms_announce *a, enum record_form form,
                          unsigned family)
{
    a->seeders = record->seeders;
    a->leechers = record->peers - record->seeders;
    if (a->numwant != 0 && a->event != SWARMS_STOPPED)
        write_peers(swarms, record, peers, self, a, form, family);
}

/*
 * Who comes, goes, or only asks; `self` as answer()'s. Opens the swarm anew, so that act_on() can
 * keep it in registers.
 */
static __attribute__((noinline)) void come_or_go(struct swarms *swarms, uint32_t line, int self,
                                                 struct swarms_announce *a, uint32_t now)
{
    struct record *record = table_record(swarms, line);
    uint32_t before = record->peers, seeders_before = record->seeders;
    struct peers peers;

    a->peer_hash = hash_peer(&swarms->secret, a->family, a->peer);
    peers = peers_open(&swarms->slab, record, a->peer_hash, &swarms->secret);
    if (a->event == SWARMS_STOPPED)
        stop(swarms, record, &peers, self);
    else if (a->event != SWARMS_ASK)
        self = add(swarms, line, &peers, a, a->family, now);
    table_count(swarms, record, before, seeders_before);
    answer(swarms, record, &peers, self, a, record->form, a->family);
}

SAMPLE_INLINE void act_on(struct swarms *swarms, uint32_t line, struct swarms_announce *a,
                          enum record_form form, unsigned family, uint32_t now)
{
    struct record *record = table_record(swarms, line);
    struct peers peers =
        peers_open_as(&swarms->slab, record, a->peer_hash, &swarms->secret, form, family);
    int self = find(&peers.block, a, family);

    touch(record, now);
    if (__builtin_expect(self < 0 || a->event == SWARMS_STOPPED, 0)) {
        come_or_go(swarms, line, self, a, now);
        return;
    }
    self = refresh(swarms, record, &peers, (unsigned)self, a, form, family, now);
    answer(swarms, record, &peers, self, a, form, family);
}

/* Of a swarm that isn't there, or that isn't any more what it was when the burst was sorted. */
static __attribute__((noinline)) void act_on_any(struct swarms *swarms, struct swarms_announce *a,
                                                 uint32_t now)
{
    uint32_t line = table_find(swarms, a->hash, a->family, a->info_hash);

    if (line == 0 && a->event != SWARMS_STOPPED && a->event != SWARMS_ASK) {
        line = table_add(swarms, a->hash, a->family, a->info_hash, now);
        swarms->counters.peers_refused += line == 0;
    }
    if (line == 0)
        return;
    a->peer_hash = hash_peer(&swarms->secret, a->family, a->peer);
    act_on(swarms, line, a, table_record(swarms, line)->form, a->family, now);
}

/* While no record was removed, each is where it was found. */
SAMPLE_INLINE void act(struct swarms *swarms, struct swarms_announce *a, enum record_form form,
                       unsigned family, bool removed, uint32_t now)
{
    a->peers_count = 0;
    a->seeders = a->leechers = 0;
    if (form != RECORD_FREE && !removed && table_record(swarms, a->line)->form == form)
        act_on(swarms, a->line, a, form, family, now);
    else
        act_on_any(swarms, a, now);
}

/*
 * Acts on the announces of one list, and looks ahead: while one is acted on, the lines of those
 * after it arrive. Numbers of announces below zero wrap around, and are beyond the list as well.
 */
SAMPLE_INLINE void act_on_list(struct swarms *swarms, const struct table_burst *burst,
                               enum record_form form, unsigned family, uint32_t now)
{
    struct swarms_announce *const *list = burst->announces[family][form];
    unsigned count = burst->counts[family][form], ahead = record_has_blocks(form) ? 2 * AHEAD : 0;

    if (count == 0)
        return;
    for (unsigned turn = 0; turn < count + ahead; turn++) {
        bool removed = swarms->removals != burst->removals;

        if (record_has_blocks(form) && turn < count && !removed)
            stage_first(swarms, list[turn], form, family);
        if (record_has_blocks(form) && turn - AHEAD < count && !removed)
            stage_second(swarms, list[turn - AHEAD], form, family);
        if (turn - ahead < count)
            act(swarms, list[turn - ahead], form, family, removed, now);
    }
}

void swarms_announce(struct swarms *swarms, struct swarms_announce *const announces[],
                     unsigned count, uint32_t now)
{
    struct table_burst burst;

    swarms->now = now;
    table_sort(swarms, announces, count, &burst);
    act_on_list(swarms, &burst, RECORD_INLINE, SWARMS_IPV4, now);
    act_on_list(swarms, &burst, RECORD_BLOCK, SWARMS_IPV4, now);
    act_on_list(swarms, &burst, RECORD_DIRECTORY, SWARMS_IPV4, now);
    act_on_list(swarms, &burst, RECORD_INLINE, SWARMS_IPV6, now);
    act_on_list(swarms, &burst, RECORD_BLOCK, SWARMS_IPV6, now);
    act_on_list(swarms, &burst, RECORD_DIRECTORY, SWARMS_IPV6, now);
    act_on_list(swarms, &burst, RECORD_FREE, SWARMS_IPV4, now); /* last: they may evict others */
    act_on_list(swarms, &burst, RECORD_FREE, SWARMS_IPV6, now);
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

/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "random.h"
#include "sample.h"
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
    uint16_t completed = former & BLOCK_STAMP_COMPLETED;

    if (a->event == SWARMS_COMPLETED && a->seeder && !completed) {
        completed = BLOCK_STAMP_COMPLETED;
        record->completed++;
        swarms->counters.completed++;
    }
    return completed | (now & BLOCK_STAMP_MASK);
}

static int add(struct swarms *swarms, uint32_t line, struct peers *peers,
               const struct swarms_announce *a, uint64_t hash, uint32_t now)
{
    struct record *record = table_record(swarms, line);
    unsigned position;

    if (!table_admit_peer(swarms, a->hash, line) ||
        !peers_make_room(&swarms->slab, record, hash, peers)) {
        swarms->counters.peers_refused++;
        return -1;
    }
    position =
        block_insert(&peers->block, a->peer, hash, stamp(swarms, record, a, 0, now), a->seeder);
    peers_close(&swarms->slab, record, peers);
    return (int)position;
}

static int refresh(struct swarms *swarms, struct record *record, struct peers *peers,
                   unsigned position, const struct swarms_announce *a, uint32_t now)
{
    uint16_t *stored = block_stamp(&peers->block, position);

    *stored = stamp(swarms, record, a, *stored, now);
    if ((position < peers->block.seeders) != a->seeder) {
        position = block_set_seeder(&peers->block, position, a->seeder);
        peers_close(&swarms->slab, record, peers);
    }
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

static void reply(struct swarms *swarms, struct record *record, const struct sample_self *self,
                  struct swarms_announce *a)
{
    struct sample sample;

    a->seeders = record->seeders;
    a->leechers = record->peers - record->seeders;
    if (a->numwant == 0 || a->event == SWARMS_STOPPED)
        return;
    sample = sample_choose(record, self->position >= 0, a->seeder, a->numwant, a->random);
    a->peers_count =
        (uint16_t)sample_write(&swarms->slab, record, &sample, self, &swarms->secret, a->peers);
}

static void act(struct swarms *swarms, struct swarms_announce *a, uint32_t now)
{
    uint32_t line = table_find(swarms, a->hash, a->family, a->info_hash);
    uint64_t hash = hash_peer(&swarms->secret, a->family, a->peer);
    struct sample_self self;
    struct record *record;
    struct peers peers;
    uint32_t before, seeders_before;

    a->peers_count = 0;
    a->seeders = a->leechers = 0;
    if (line == 0 && a->event != SWARMS_STOPPED)
        line = table_add(swarms, a->hash, a->family, a->info_hash, now);
    if (line == 0) {
        swarms->counters.peers_refused += a->event != SWARMS_STOPPED;
        return;
    }
    record = table_record(swarms, line);
    before = record->peers;
    seeders_before = record->seeders;
    touch(record, now);
    peers = peers_open(&swarms->slab, record, hash, &swarms->secret);
    self.position = block_find(&peers.block, a->peer, hash);
    if (a->event == SWARMS_STOPPED)
        stop(swarms, record, &peers, self.position);
    else if (self.position >= 0)
        self.position = refresh(swarms, record, &peers, (unsigned)self.position, a, now);
    else
        self.position = add(swarms, line, &peers, a, hash, now);
    self.number = peers.number;
    table_count(swarms, record, before, seeders_before);
    reply(swarms, record, &self, a);
}

void swarms_announce(struct swarms *swarms, struct swarms_announce *const announces[],
                     unsigned count, uint32_t now)
{
    swarms->now = now;
    for (unsigned i = 0; i < count; i++)
        announces[i]->random = random_next(&swarms->random);
    table_prefetch(swarms, announces, count);
    for (unsigned i = 0; i < count; i++)
        act(swarms, announces[i], now);
}

void swarms_scrape(struct swarms *swarms, struct swarms_scrape *const rows[], unsigned count)
{
    const struct index *index = &swarms->index;

    for (unsigned i = 0; i < count; i++)
        __builtin_prefetch(&index->buckets[index_bucket_of(index, rows[i]->hash)]);
    for (unsigned i = 0; i < count; i++)
        __builtin_prefetch(
            table_record(swarms, index_guess(index, rows[i]->hash, rows[i]->family)));
    for (unsigned i = 0; i < count; i++) {
        struct swarms_scrape *row = rows[i];
        uint32_t line = table_find(swarms, row->hash, row->family, row->info_hash);
        const struct record *record = table_record(swarms, line);

        row->seeders = line != 0 ? record->seeders : 0;
        row->leechers = line != 0 ? record->peers - record->seeders : 0;
        row->completed = line != 0 ? record->completed : 0;
    }
}

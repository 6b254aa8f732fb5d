/* SPDX-License-Identifier: BSD-3-Clause */
#include "table.h"

#include <string.h>

/*
 * Bytes of the arena for each peer of the cap. Peers of small swarms lie in the records, those of
 * large ones take 10.7 to 13; lower, and the memory may end before the cap is reached.
 */
enum { ARENA_PEER_BYTES = 14 };

static uint64_t arena_lines(const struct swarms_limits *limits)
{
    return limits->torrents + limits->peers * ARENA_PEER_BYTES / SLAB_LINE;
}

static size_t aligned(size_t size)
{
    return (size + SLAB_LINE - 1) & ~(size_t)(SLAB_LINE - 1);
}

size_t swarms_memory(const struct swarms_limits *limits)
{
    return aligned(sizeof(struct swarms)) +
           (size_t)index_buckets_for(limits->torrents) * sizeof(struct index_bucket) +
           slab_memory(arena_lines(limits));
}

struct swarms *swarms_init(void *memory, const struct swarms_limits *limits,
                           const struct swarms_secret *secret, uint64_t random_seed)
{
    struct swarms *swarms = memory;
    uint32_t buckets = index_buckets_for(limits->torrents);
    uint8_t *index = (uint8_t *)memory + aligned(sizeof(*swarms));

    if (limits->torrents == 0 || limits->peers == 0 || limits->hash_first >= limits->hash_last ||
        arena_lines(limits) > UINT32_MAX - (uint32_t)SLAB_CLASSES * SLAB_PAGE_LINES)
        return NULL;
    swarms->limits = *limits;
    swarms->secret = *secret;
    swarms->random = random_seed;
    swarms->index.slab = &swarms->slab;
    swarms->index.secret = &swarms->secret;
    index_init(&swarms->index, index, buckets, limits->hash_first, limits->hash_last);
    slab_init(&swarms->slab, index + (size_t)buckets * sizeof(struct index_bucket),
              arena_lines(limits));
    swarms->counters.memory_reserved = swarms_memory(limits);
    return swarms;
}

uint64_t swarms_hash(const struct swarms_secret *secret, const uint8_t *info_hash)
{
    return hash_info_hash(secret, info_hash);
}

const struct swarms_counters *swarms_counters(const struct swarms *swarms)
{
    return &swarms->counters;
}

uint32_t table_find(const struct swarms *swarms, uint64_t hash, unsigned family,
                    const uint8_t *info_hash)
{
    return index_find(&swarms->index, hash, family, info_hash);
}

void table_count(struct swarms *swarms, const struct record *record, uint32_t peers,
                 uint32_t seeders)
{
    struct swarms_counters *counters = &swarms->counters;

    counters->peers[record->family] += (uint64_t)record->peers - peers;
    counters->seeders[record->family] += (uint64_t)record->seeders - seeders;
    counters->memory_used = swarms->slab.lines_used * SLAB_LINE +
                            (uint64_t)swarms->index.buckets_count * sizeof(struct index_bucket);
}

void table_remove(struct swarms *swarms, uint32_t line)
{
    struct record *record = table_record(swarms, line);
    uint64_t hash = hash_info_hash(&swarms->secret, record->info_hash);
    uint32_t peers = record->peers, seeders = record->seeders;

    index_remove(&swarms->index, hash, record->family, line);
    peers_free(&swarms->slab, record);
    swarms->removals++;
    record->form = RECORD_FREE;
    record->peers = record->seeders = 0;
    swarms->counters.torrents[record->family]--;
    slab_free(&swarms->slab, SLAB_RECORD, line);
    table_count(swarms, record, peers, seeders);
}

static bool evict(struct swarms *swarms, uint64_t hash, uint32_t spared)
{
    uint32_t stalest = index_stalest(&swarms->index, hash);

    if (stalest == 0 || stalest == spared)
        return false;
    table_remove(swarms, stalest);
    swarms->counters.torrents_evicted++;
    return true;
}

uint32_t table_add(struct swarms *swarms, uint64_t hash, unsigned family, const uint8_t *info_hash,
                   uint32_t now)
{
    struct swarms_counters *counters = &swarms->counters;
    struct record *record;
    uint32_t line;

    if (counters->torrents[0] + counters->torrents[1] >= swarms->limits.torrents)
        evict(swarms, hash, 0);
    line = slab_alloc(&swarms->slab, SLAB_RECORD);
    if (line == 0 && evict(swarms, hash, 0))
        line = slab_alloc(&swarms->slab, SLAB_RECORD);
    if (line == 0)
        return 0;
    record = table_record(swarms, line);
    *record = (struct record){.form = RECORD_INLINE, .family = family & 1, .touched = now};
    memcpy(record->info_hash, info_hash, sizeof(record->info_hash));
    if (!index_insert(&swarms->index, hash, family, line) &&
        !(evict(swarms, hash, 0) && index_insert(&swarms->index, hash, family, line))) {
        record->form = RECORD_FREE;
        slab_free(&swarms->slab, SLAB_RECORD, line);
        return 0;
    }
    counters->torrents[family]++;
    return line;
}

static uint64_t peers_weight(const struct swarms *swarms)
{
    return swarms->counters.peers[SWARMS_IPV4] + 2 * swarms->counters.peers[SWARMS_IPV6];
}

bool table_admit_peer(struct swarms *swarms, uint64_t hash, uint32_t line)
{
    if (peers_weight(swarms) < swarms->limits.peers)
        return true;
    return evict(swarms, hash, line) && peers_weight(swarms) < swarms->limits.peers;
}

uint32_t table_walk(const struct swarms *swarms, struct table_walk *walk, unsigned *lines)
{
    for (; !table_walk_done(swarms, walk) && *lines > 0; walk->page++, walk->object = 0) {
        const struct slab_page *page = &swarms->slab.pages[walk->page];

        /* A page of records costs what its records do, so that a slice of one line gets on, too. */
        if (page->size_class != SLAB_RECORD || page->used == 0) {
            --*lines;
            continue;
        }
        while (*lines > 0 && walk->object < page->fresh) {
            uint32_t line = walk->page * SLAB_PAGE_LINES + walk->object++;

            --*lines;
            if (table_record(swarms, line)->form != RECORD_FREE)
                return line;
        }
        if (walk->object < page->fresh)
            return 0;
    }
    return 0;
}

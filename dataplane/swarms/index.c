/* SPDX-License-Identifier: BSD-3-Clause */
#include "index.h"

#include "hash.h"

uint32_t index_buckets_for(uint32_t torrents)
{
    uint64_t slots = (uint64_t)torrents * 100 / INDEX_FILL_PERCENT;
    uint64_t groups = slots / (INDEX_SLOTS * INDEX_GROUP) + 1;

    return (uint32_t)(groups * INDEX_GROUP);
}

void index_init(struct index *index, void *buckets, uint32_t buckets_count, uint64_t hash_first,
                uint64_t hash_last)
{
    unsigned __int128 range = (unsigned __int128)(hash_last - hash_first) + 1;

    index->buckets = buckets;
    index->buckets_count = buckets_count;
    index->hash_first = hash_first;
    /* Rounded down, so that the last hash falls into the last bucket. */
    index->scale = (uint64_t)(((unsigned __int128)buckets_count << 64) / range);
}

static struct record *record_at(const struct index *index, uint32_t line)
{
    return slab_at(index->slab, line);
}

static uint32_t find_in(const struct index *index, uint32_t number, uint8_t tag, unsigned family,
                        const uint8_t *info_hash)
{
    const struct index_bucket *bucket = &index->buckets[number];
    unsigned match = index_match(bucket, tag);

    for (; match != 0; match &= match - 1) {
        uint32_t line = bucket->records[__builtin_ctz(match)];

        if (index_is(record_at(index, line), family, info_hash))
            return line;
    }
    return 0;
}

uint32_t index_find(const struct index *index, uint64_t hash, unsigned family,
                    const uint8_t *info_hash)
{
    uint32_t number = index_bucket_of(index, hash);
    uint8_t tag = index_tag(hash, family);
    uint32_t line = find_in(index, number, tag, family, info_hash);

    if (line == 0 && index->buckets[number].overflow != 0)
        line = find_in(index, index_other_bucket(number, hash), tag, family, info_hash);
    return line;
}

static bool put(struct index_bucket *bucket, uint8_t tag, uint32_t record)
{
    unsigned vacant = index_match(bucket, 0);

    if (vacant == 0)
        return false;
    bucket->tags[__builtin_ctz(vacant)] = tag;
    bucket->records[__builtin_ctz(vacant)] = record;
    return true;
}

/* Moves one swarm out of a full bucket into that swarm's other one. */
static bool ease(struct index *index, uint32_t number)
{
    struct index_bucket *bucket = &index->buckets[number];

    for (unsigned slot = 0; slot < INDEX_SLOTS; slot++) {
        const struct record *record = record_at(index, bucket->records[slot]);
        uint64_t hash = hash_info_hash(index->secret, record->info_hash);
        uint32_t home = index_bucket_of(index, hash);
        uint32_t other = home == number ? index_other_bucket(home, hash) : home;

        if (!put(&index->buckets[other], bucket->tags[slot], bucket->records[slot]))
            continue;
        if (home == number)
            bucket->overflow++;
        else
            index->buckets[home].overflow--;
        bucket->tags[slot] = 0;
        return true;
    }
    return false;
}

bool index_insert(struct index *index, uint64_t hash, unsigned family, uint32_t record)
{
    uint32_t number = index_bucket_of(index, hash);
    uint32_t other = index_other_bucket(number, hash);
    struct index_bucket *bucket = &index->buckets[number];
    uint8_t tag = index_tag(hash, family);

    if (put(bucket, tag, record))
        return true;
    if (bucket->overflow < UINT8_MAX && put(&index->buckets[other], tag, record)) {
        bucket->overflow++;
        return true;
    }
    if (ease(index, number))
        return put(bucket, tag, record);
    if (bucket->overflow == UINT8_MAX || !ease(index, other))
        return false;
    bucket->overflow++;
    return put(&index->buckets[other], tag, record);
}

static bool take(struct index_bucket *bucket, uint8_t tag, uint32_t record)
{
    for (unsigned match = index_match(bucket, tag); match != 0; match &= match - 1) {
        unsigned slot = (unsigned)__builtin_ctz(match);

        if (bucket->records[slot] == record) {
            bucket->tags[slot] = 0;
            return true;
        }
    }
    return false;
}

void index_remove(struct index *index, uint64_t hash, unsigned family, uint32_t record)
{
    uint32_t number = index_bucket_of(index, hash);
    uint8_t tag = index_tag(hash, family);

    if (take(&index->buckets[number], tag, record))
        return;
    if (take(&index->buckets[index_other_bucket(number, hash)], tag, record))
        index->buckets[number].overflow--;
}

static uint32_t stalest_in(const struct index *index, const struct index_bucket *bucket,
                           uint32_t stalest)
{
    for (unsigned slot = 0; slot < INDEX_SLOTS; slot++) {
        uint32_t line = bucket->records[slot];

        if (bucket->tags[slot] == 0)
            continue;
        if (stalest == 0 || record_at(index, line)->touched < record_at(index, stalest)->touched)
            stalest = line;
    }
    return stalest;
}

uint32_t index_stalest(const struct index *index, uint64_t hash)
{
    uint32_t home = index_bucket_of(index, hash);
    uint32_t stalest = stalest_in(index, &index->buckets[home], 0);

    stalest = stalest_in(index, &index->buckets[index_other_bucket(home, hash)], stalest);
    for (uint32_t i = 1; stalest == 0 && i < INDEX_GROUP; i++)
        stalest = stalest_in(index, &index->buckets[home ^ i], 0);
    return stalest;
}

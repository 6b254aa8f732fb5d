/* SPDX-License-Identifier: BSD-3-Clause */
#include "access_set.h"

#include <endian.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
    /* Hashes an index entry, at most: more saves memory, less saves comparisons. */
    HASHES_PER_BUCKET = 4,
};

typedef uint8_t info_hash[BEP15_INFO_HASH_SIZE];

struct access_set {
    unsigned shift; /* 32 minus the bits that choose the bucket */
    uint32_t count;
    uint32_t *first; /* of each bucket in `hashes`; one more entry than buckets */
    info_hash *hashes;
};

static uint32_t bucket_of(const struct access_set *set, const uint8_t *hash)
{
    uint32_t prefix;

    memcpy(&prefix, hash, sizeof(prefix));
    return (uint32_t)((uint64_t)be32toh(prefix) >> set->shift);
}

static size_t buckets(const struct access_set *set)
{
    return (size_t)1 << (32 - set->shift);
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(info_hash));
}

/* Counting sort by bucket. */
static void distribute(struct access_set *set, const info_hash *from, size_t count)
{
    uint32_t *next = set->first + 1;

    for (size_t i = 0; i < count; i++)
        next[bucket_of(set, from[i])]++;
    for (size_t bucket = 1; bucket <= buckets(set); bucket++)
        set->first[bucket] += set->first[bucket - 1];
    for (size_t i = count; i-- > 0;)
        memcpy(set->hashes[--next[bucket_of(set, from[i])]], from[i], sizeof(info_hash));
    /* Each entry has come down to its bucket's first hash, one entry too far to the right. */
    memmove(set->first, next, buckets(set) * sizeof(*next));
    set->first[buckets(set)] = (uint32_t)count;
}

/* Sorts each bucket, and closes the gaps that repetitions leave. */
static void sort_buckets(struct access_set *set)
{
    uint32_t kept = 0;

    for (size_t bucket = 0; bucket < buckets(set); bucket++) {
        uint32_t begin = set->first[bucket], end = set->first[bucket + 1];

        if (end - begin > 1)
            qsort(set->hashes[begin], end - begin, sizeof(info_hash), compare);
        set->first[bucket] = kept;
        for (uint32_t i = begin; i < end; i++) {
            if (i > begin && compare(set->hashes[i], set->hashes[i - 1]) == 0)
                continue;
            memmove(set->hashes[kept++], set->hashes[i], sizeof(info_hash));
        }
    }
    set->first[buckets(set)] = kept;
    set->count = kept;
}

struct access_set *access_set_build(const uint8_t (*info_hashes)[BEP15_INFO_HASH_SIZE],
                                    size_t count)
{
    struct access_set *set = calloc(1, sizeof(*set));

    if (!set || count > UINT32_MAX)
        goto fail;
    set->shift = 32;
    while (set->shift > 4 && buckets(set) * HASHES_PER_BUCKET < count)
        set->shift--;
    set->first = calloc(buckets(set) + 1, sizeof(*set->first));
    set->hashes = calloc(count ? count : 1, sizeof(info_hash));
    if (!set->first || !set->hashes)
        goto fail;
    distribute(set, info_hashes, count);
    sort_buckets(set);
    return set;
fail:
    access_set_free(set);
    return NULL;
}

void access_set_free(struct access_set *set)
{
    if (!set)
        return;
    free(set->first);
    free(set->hashes);
    free(set);
}

static bool bucket_contains(const struct access_set *set, uint32_t bucket, const uint8_t *hash)
{
    uint32_t begin = set->first[bucket], end = set->first[bucket + 1];

    while (begin < end) {
        uint32_t middle = begin + (end - begin) / 2;
        int order = memcmp(hash, set->hashes[middle], sizeof(info_hash));

        if (order == 0)
            return true;
        if (order < 0)
            end = middle;
        else
            begin = middle + 1;
    }
    return false;
}

uint64_t access_set_contains(const struct access_set *set, const uint8_t *const info_hashes[],
                             unsigned count)
{
    uint32_t bucket[ACCESS_SET_BURST];
    uint64_t found = 0;

    for (unsigned i = 0; i < count; i++) {
        bucket[i] = bucket_of(set, info_hashes[i]);
        __builtin_prefetch(&set->first[bucket[i]]);
    }
    for (unsigned i = 0; i < count; i++) {
        const uint8_t *hash = set->hashes[set->first[bucket[i]]];

        __builtin_prefetch(hash);
        __builtin_prefetch(hash + 64);
    }
    for (unsigned i = 0; i < count; i++)
        found |= (uint64_t)bucket_contains(set, bucket[i], info_hashes[i]) << i;
    return found;
}

size_t access_set_count(const struct access_set *set)
{
    return set->count;
}

const uint8_t (*access_set_hashes(const struct access_set *set))[BEP15_INFO_HASH_SIZE]
{
    return (const uint8_t(*)[BEP15_INFO_HASH_SIZE])set->hashes;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "tombstones.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "../../dataplane/swarms/transfer.h"

enum {
    BUCKET_BITS = 18,
    BUCKETS = 1 << BUCKET_BITS,
    WAYS = 4, /* tombstones of a bucket: one cache line */
};

/* 64 bits of hash stand for the peer: two of a million collide once in 10^7. */
struct tombstone {
    uint64_t key;
    uint32_t seen; /* 0: free */
    uint32_t reserved;
};

struct bucket {
    struct tombstone ways[WAYS];
};

_Static_assert(sizeof(struct bucket) == 64, "a bucket is one cache line");

struct tombstones {
    uint64_t seed; /* nobody outside chooses buckets */
    bool any;
    struct bucket *buckets;
};

struct tombstones *tombstones_new(void)
{
    struct tombstones *tombstones = calloc(1, sizeof(*tombstones));

    if (!tombstones)
        return NULL;
    arc4random_buf(&tombstones->seed, sizeof(tombstones->seed));
    tombstones->buckets = aligned_alloc(64, BUCKETS * sizeof(struct bucket));
    if (!tombstones->buckets) {
        free(tombstones);
        return NULL;
    }
    memset(tombstones->buckets, 0, BUCKETS * sizeof(struct bucket));
    return tombstones;
}

void tombstones_free(struct tombstones *tombstones)
{
    if (!tombstones)
        return;
    free(tombstones->buckets);
    free(tombstones);
}

static uint64_t key_of(const struct tombstones *tombstones, const uint8_t *info_hash,
                       uint8_t family, const uint8_t *peer)
{
    size_t peer_size = swarms_peer_size(family);
    uint8_t text[20 + 1 + 18];

    memcpy(text, info_hash, 20);
    text[20] = family;
    memcpy(text + 21, peer, peer_size);
    return XXH3_64bits_withSeed(text, 21 + peer_size, tombstones->seed);
}

static struct bucket *bucket_of(const struct tombstones *tombstones, uint64_t key)
{
    return &tombstones->buckets[key >> (64 - BUCKET_BITS)];
}

void tombstones_add(struct tombstones *tombstones, const uint8_t *info_hash, uint8_t family,
                    const uint8_t *peer, uint32_t seen)
{
    uint64_t key = key_of(tombstones, info_hash, family, peer);
    struct bucket *bucket = bucket_of(tombstones, key);
    struct tombstone *place = &bucket->ways[0];

    tombstones->any = true;
    for (unsigned i = 0; i < WAYS; i++) {
        struct tombstone *way = &bucket->ways[i];

        if (way->key == key) {
            way->seen = way->seen > seen ? way->seen : seen;
            return;
        }
        if (way->seen < place->seen)
            place = way;
    }
    *place = (struct tombstone){.key = key, .seen = seen};
}

uint32_t tombstones_find(const struct tombstones *tombstones, const uint8_t *info_hash,
                         uint8_t family, const uint8_t *peer)
{
    uint64_t key = key_of(tombstones, info_hash, family, peer);
    const struct bucket *bucket = bucket_of(tombstones, key);

    for (unsigned i = 0; i < WAYS; i++) {
        if (bucket->ways[i].key == key)
            return bucket->ways[i].seen;
    }
    return 0;
}

uint32_t tombstones_filter(const struct tombstones *tombstones, const uint8_t *info_hash,
                           uint8_t family, void *peers, uint32_t count)
{
    size_t size = transfer_peer_size(family);
    uint8_t *from = peers, *to = peers;
    uint32_t left = 0;

    if (!tombstones->any)
        return count;
    for (uint32_t i = 0; i < count; i++, from += size) {
        uint32_t seen, stopped = tombstones_find(tombstones, info_hash, family, from);

        memcpy(&seen, from + size - sizeof(seen), sizeof(seen));
        if (stopped != 0 && stopped >= seen)
            continue;
        memmove(to, from, size);
        to += size;
        left++;
    }
    return left;
}

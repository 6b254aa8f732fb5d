/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "block_inline.h"
#include "table.h"
#include "transfer.h"

enum {
    /* Lines of new blocks that are filled in the time that a peer takes. */
    LINES_PER_PEER = 8,
    /* Swarms whose bucket, and whose record, are asked for ahead of the one being merged. */
    BUCKETS_AHEAD = 8,
    RECORDS_AHEAD = 4,
};

/* A merge under way: what all of its steps need. */
struct merge {
    struct swarms *swarms;
    const struct swarms_timeouts *timeouts;
    struct transfer_result *result;
    uint32_t now;
    uint32_t line; /* of the swarm's record; 0: not there */
    uint64_t hash; /* of the info-hash */
    unsigned left; /* peers, or as much work */
};

/* The swarms that come next in the buffer. */
struct ahead {
    const uint8_t *next, *end; /* the record after them */
    unsigned count;            /* of them that were read so far */
    struct {
        uint64_t hash;
        uint8_t family;
    } swarms[BUCKETS_AHEAD];
};

struct peer {
    const uint8_t *wire;
    uint8_t flags;
    uint32_t seen;
};

static struct peer read_peer(const uint8_t *from, unsigned family, uint32_t now)
{
    unsigned size = swarms_peer_size(family);
    struct peer peer = {.wire = from, .flags = from[size]};

    memcpy(&peer.seen, from + size + 2, sizeof(peer.seen));
    if ((int32_t)(peer.seen - now) > 0)
        peer.seen = now;
    return peer;
}

static uint16_t stamp_of(const struct peer *peer)
{
    return (uint16_t)((peer->seen & BLOCK_STAMP_MASK) |
                      (peer->flags & TRANSFER_COMPLETED ? BLOCK_STAMP_COMPLETED : 0));
}

static void update(struct merge *merge, struct record *record, struct peers *peers,
                   unsigned position, uint64_t hash, const struct peer *peer)
{
    uint16_t *stamp = block_stamp(&peers->block, position);
    uint32_t stored = merge->now - block_age(*stamp, merge->now);
    bool seeder = peer->flags & TRANSFER_SEEDER;
    int32_t newer = (int32_t)(peer->seen - stored);

    if (peer->flags & TRANSFER_STOPPED ? newer < 0 : newer <= 0) {
        merge->result->peers_stale++;
        return;
    }
    if (peer->flags & TRANSFER_STOPPED) {
        block_remove(&peers->block, position);
        merge->result->peers_removed++;
    } else {
        *stamp = stamp_of(peer) | (*stamp & BLOCK_STAMP_COMPLETED);
        if ((position < peers->block.seeders) != seeder)
            block_set_seeder(&peers->block, position, hash, seeder, record->family);
        merge->result->peers_updated++;
    }
    peers_close(&merge->swarms->slab, record, peers);
}

/* False when there will be room only if it is tried again. */
static bool add(struct merge *merge, struct record *record, struct peers *peers, uint64_t hash,
                const struct peer *peer)
{
    struct swarms *swarms = merge->swarms;
    uint32_t blocks = peers_blocks(record);

    if (peer->flags & TRANSFER_STOPPED || merge->now - peer->seen > merge->timeouts->peer) {
        merge->result->peers_stale++;
        return true;
    }
    if (!table_admit_peer(swarms, merge->hash, merge->line)) {
        merge->result->peers_refused++;
        return true;
    }
    if (!peers_make_room(&swarms->slab, record, hash, peers)) {
        if (peers_blocks(record) != blocks)
            return false;
        merge->result->peers_refused++;
        return true;
    }
    block_insert(&peers->block, peer->wire, hash, stamp_of(peer), peer->flags & TRANSFER_SEEDER,
                 record->family);
    peers_close(&swarms->slab, record, peers);
    if ((int32_t)(peer->seen - record->touched) > 0)
        record->touched = peer->seen;
    merge->result->peers_added++;
    return true;
}

/* False when it is to be tried again. */
static bool merge_peer(struct merge *merge, const uint8_t *from)
{
    struct swarms *swarms = merge->swarms;
    struct record *record = table_record(swarms, merge->line);
    struct peer peer = read_peer(from, record->family, merge->now);
    uint64_t hash = hash_peer(&swarms->secret, record->family, peer.wire);
    struct peers peers = peers_open(&swarms->slab, record, hash, &swarms->secret);
    int position = block_find(&peers.block, peer.wire, hash, record->family);
    uint32_t before = record->peers, seeders = record->seeders;
    bool done = true;

    if (position >= 0)
        update(merge, record, &peers, (unsigned)position, hash, &peer);
    else
        done = add(merge, record, &peers, hash, &peer);
    table_count(swarms, record, before, seeders);
    return done;
}

static bool in_share(const struct swarms *swarms, uint64_t hash)
{
    return hash >= swarms->limits.hash_first && hash <= swarms->limits.hash_last;
}

/* Finds the swarm's record, or makes it. A record whose peers are all too old is left to expiry. */
static void open_swarm(struct merge *merge, const struct transfer_swarm *head)
{
    struct swarms *swarms = merge->swarms;
    struct record *record;

    merge->hash = hash_info_hash(&swarms->secret, head->info_hash);
    merge->line = 0;
    if (!in_share(swarms, merge->hash))
        return;
    merge->line = table_find(swarms, merge->hash, head->family, head->info_hash);
    if (merge->line == 0)
        merge->line = table_add(swarms, merge->hash, head->family, head->info_hash, merge->now);
    if (merge->line == 0)
        return;
    record = table_record(swarms, merge->line);
    if (head->completed > record->completed)
        record->completed = head->completed;
}

static void use(struct merge *merge, uint64_t work)
{
    merge->left -= work < merge->left ? (unsigned)work : merge->left;
}

/* Merges what may be merged of a record's peers; returns how many. */
static uint32_t merge_swarm(struct merge *merge, const struct transfer_swarm *head,
                            const uint8_t *peers)
{
    const struct slab *slab = &merge->swarms->slab;
    unsigned size = transfer_peer_size(head->family);
    uint32_t count = 0;

    open_swarm(merge, head);
    if (merge->line == 0) {
        merge->result->peers_refused += head->peers;
        count = head->peers;
    }
    while (count < head->peers && merge->left > 0) {
        uint64_t given = slab->lines_given;

        count += merge_peer(merge, peers + (size_t)count * size);
        /* cppcheck-suppress duplicateExpression ; merge_peer() takes lines of the slab */
        use(merge, 1 + (slab->lines_given - given) / LINES_PER_PEER);
    }
    use(merge, 1); /* a swarm costs about as much as a peer, even when it has none */
    return count;
}

/* Reads a record's head; false when it can't be one. */
static bool read_head(const uint8_t *from, size_t size, struct transfer_swarm *head)
{
    if (size < sizeof(*head))
        return false;
    memcpy(head, from, sizeof(*head));
    return head->family <= SWARMS_IPV6 &&
           head->peers <= (size - sizeof(*head)) / transfer_peer_size(head->family);
}

/* False at the end. */
static bool ask_for_bucket(struct ahead *ahead, const struct swarms *swarms)
{
    struct transfer_swarm head;
    unsigned place = ahead->count % BUCKETS_AHEAD;
    uint64_t hash;

    if (!read_head(ahead->next, (size_t)(ahead->end - ahead->next), &head))
        return false;
    hash = hash_info_hash(&swarms->secret, head.info_hash);
    ahead->swarms[place].hash = hash;
    ahead->swarms[place].family = head.family;
    ahead->next += sizeof(head) + (size_t)head.peers * transfer_peer_size(head.family);
    ahead->count++;
    if (in_share(swarms, hash))
        __builtin_prefetch(&swarms->index.buckets[index_bucket_of(&swarms->index, hash)]);
    return true;
}

static void ask_for_record(const struct ahead *ahead, unsigned number, const struct swarms *swarms)
{
    unsigned place = number % BUCKETS_AHEAD;
    uint64_t hash = ahead->swarms[place].hash;

    if (number < ahead->count && in_share(swarms, hash))
        __builtin_prefetch(
            table_record(swarms, index_guess(&swarms->index, index_bucket_of(&swarms->index, hash),
                                             hash, ahead->swarms[place].family)),
            1);
}

int64_t transfer_import(struct swarms *swarms, uint8_t *buffer, size_t size, unsigned peers,
                        const struct swarms_timeouts *timeouts, uint32_t now,
                        struct transfer_result *result)
{
    struct merge merge = {
        .swarms = swarms, .timeouts = timeouts, .result = result, .now = now, .left = peers};
    struct ahead ahead = {.next = buffer, .end = buffer + size};
    size_t used = 0;

    for (unsigned number = 0; used < size && merge.left > 0; number++) {
        struct transfer_swarm head;
        uint32_t count;

        if (!read_head(buffer + used, size - used, &head))
            return -EINVAL;
        while (ahead.count < number + BUCKETS_AHEAD && ask_for_bucket(&ahead, swarms))
            ;
        ask_for_record(&ahead, number + RECORDS_AHEAD, swarms);
        count = merge_swarm(&merge, &head, buffer + used + sizeof(head));
        used += sizeof(head) + (size_t)count * transfer_peer_size(head.family);
        if (count == head.peers)
            continue;
        head.peers -= count;
        used -= sizeof(head);
        memcpy(buffer + used, &head, sizeof(head));
    }
    return (int64_t)used;
}

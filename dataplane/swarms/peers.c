/* SPDX-License-Identifier: BSD-3-Clause */
#include "peers.h"

/* Blocks that one peer may have split, of about 10 us each. */
enum { SPLITS_MAX = 2 };

void peers_close(const struct slab *slab, struct record *record, const struct peers *peers)
{
    if (record->form == RECORD_DIRECTORY) {
        directory_close(slab, record, peers->number, peers->block.peers, peers->block.seeders);
    } else {
        record->peers = peers->block.peers;
        record->seeders = peers->block.seeders;
    }
}

/* Moves a swarm that isn't a directory into a block of `size_class`. */
static bool move_to_block(struct slab *slab, struct record *record, unsigned size_class,
                          const struct swarms_secret *secret)
{
    struct block from = peers_open_block(slab, record, 0, secret).block, to;
    uint32_t line = slab_alloc(slab, size_class);

    if (line == 0)
        return false;
    to = block_open(slab_at(slab, line), record->family, size_class, 0, 0, secret);
    block_clear(&to);
    block_copy(&to, &from);
    if (record->form == RECORD_BLOCK)
        slab_free(slab, record->size_class, record->block);
    record->form = RECORD_BLOCK;
    record->size_class = size_class & 0x7f;
    record->block = line;
    return true;
}

static void move_inline(struct slab *slab, struct record *record,
                        const struct swarms_secret *secret)
{
    struct block from = peers_open_block(slab, record, 0, secret).block, to;
    uint32_t line = record->block;

    to = block_open_inline(record->entries, record->family, 0, 0, secret);
    block_copy(&to, &from);
    slab_free(slab, record->size_class, line);
    record->form = RECORD_INLINE;
}

/*
 * Splits blocks in turn until that of the peer has room, but few at a time. Peers who come as a
 * transfer has them, a block after the other, fill one that is to be split soon; others hardly ever
 * fill one.
 */
static bool split(struct slab *slab, struct record *record, uint64_t hash, struct peers *peers)
{
    const struct swarms_secret *secret = peers->block.secret;

    for (unsigned i = 0; i < SPLITS_MAX && peers->block.peers == peers->block.capacity; i++) {
        if (!directory_split(slab, record, secret))
            return false;
        *peers = peers_open(slab, record, hash, secret);
    }
    return true;
}

static bool grow(struct slab *slab, struct record *record, uint64_t hash, struct peers *peers)
{
    const struct swarms_secret *secret = peers->block.secret;
    unsigned size_class = block_class_for(record->family, peers->block.peers + 1);

    if (size_class > BLOCK_CLASS_LAST)
        return (record->form == RECORD_DIRECTORY || directory_create(slab, record)) &&
               split(slab, record, hash, peers);
    if (record->form == RECORD_DIRECTORY)
        return directory_resize_block(slab, record, peers->number, size_class, secret);
    return move_to_block(slab, record, size_class, secret);
}

bool peers_make_room(struct slab *slab, struct record *record, uint64_t hash, struct peers *peers)
{
    const struct swarms_secret *secret = peers->block.secret;

    if (record->form == RECORD_DIRECTORY) {
        directory_grow(slab, record, secret);
        *peers = peers_open(slab, record, hash, secret);
    }
    if (peers->block.peers < peers->block.capacity)
        return true;
    if (!grow(slab, record, hash, peers))
        return false;
    *peers = peers_open(slab, record, hash, secret);
    return peers->block.peers < peers->block.capacity;
}

void peers_trim(struct slab *slab, struct record *record, uint32_t number,
                const struct swarms_secret *secret)
{
    struct block block = peers_open_block(slab, record, number, secret).block;
    unsigned wanted;

    /* Growth is by a fifth: what is two thirds full stays, so that nothing moves to and fro. */
    if (record->form == RECORD_INLINE || block.peers * 3 > block.capacity * 2u)
        return;
    wanted = block_class_for(record->family, block.peers + block.peers / 4);
    if (record->form == RECORD_BLOCK && block.peers <= (record->family == SWARMS_IPV4 ? 2u : 1u))
        move_inline(slab, record, secret);
    else if (record->form == RECORD_BLOCK && wanted < block.size_class)
        move_to_block(slab, record, wanted, secret);
    else if (wanted < block.size_class)
        directory_resize_block(slab, record, number, wanted, secret);
}

bool peers_merge(struct slab *slab, struct record *record, const struct swarms_secret *secret)
{
    return record->form == RECORD_DIRECTORY && directory_shrink(slab, record, secret);
}

void peers_free(struct slab *slab, struct record *record)
{
    if (record->form == RECORD_BLOCK)
        slab_free(slab, record->size_class, record->block);
    else if (record->form == RECORD_DIRECTORY)
        directory_free(slab, record);
}

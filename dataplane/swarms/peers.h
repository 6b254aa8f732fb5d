/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The peers of one swarm, in whichever form (record.h) they are kept: opens the block in which a
 * given peer belongs, makes room, gives room back.
 */
#pragma once

#include "directory.h"

struct peers {
    struct block block;
    uint32_t number; /* of the block in its directory */
};

#define PEERS_INLINE static inline __attribute__((always_inline))

PEERS_INLINE struct peers peers_open_block_as(const struct slab *slab, struct record *record,
                                              uint32_t number, const struct swarms_secret *secret,
                                              enum record_form form, unsigned family)
{
    struct peers peers = {.number = number};

    if (form == RECORD_INLINE)
        peers.block =
            block_open_inline(record->entries, family, record->peers, record->seeders, secret);
    else if (form == RECORD_BLOCK)
        peers.block = block_open(slab_at(slab, record->block), family, record->size_class,
                                 record->peers, record->seeders, secret);
    else
        peers.block = directory_open_as(slab, record, number, secret, family);
    return peers;
}

/* As peers_open(), where form and family are known: what depends on them is compiled for them. */
PEERS_INLINE struct peers peers_open_as(const struct slab *slab, struct record *record,
                                        uint64_t hash, const struct swarms_secret *secret,
                                        enum record_form form, unsigned family)
{
    uint32_t number = form == RECORD_DIRECTORY ? directory_block_of(record, hash) : 0;

    return peers_open_block_as(slab, record, number, secret, form, family);
}

/* The `number`-th block of the swarm, 0 to peers_blocks() - 1. Close it after changes. */
static inline struct peers peers_open_block(const struct slab *slab, struct record *record,
                                            uint32_t number, const struct swarms_secret *secret)
{
    return peers_open_block_as(slab, record, number, secret, record->form, record->family);
}

/* The block in which the peer of this hash belongs. */
static inline struct peers peers_open(const struct slab *slab, struct record *record, uint64_t hash,
                                      const struct swarms_secret *secret)
{
    return peers_open_as(slab, record, hash, secret, record->form, record->family);
}

void peers_close(const struct slab *slab, struct record *record, const struct peers *peers);

static inline uint32_t peers_blocks(const struct record *record)
{
    return record->form == RECORD_DIRECTORY ? record->blocks : 1;
}

/*
 * Sees to it that one peer more fits, and opens anew. False when there is no memory, or not yet:
 * then record->blocks has grown, and trying again helps.
 */
bool peers_make_room(struct slab *slab, struct record *record, uint64_t hash, struct peers *peers);

/* Gives back what the swarm's `number`-th block no longer needs. The swarm is closed. */
void peers_trim(struct slab *slab, struct record *record, uint32_t number,
                const struct swarms_secret *secret);

/* Merges two blocks of a swarm that has become too small for so many. False if it need not. */
bool peers_merge(struct slab *slab, struct record *record, const struct swarms_secret *secret);

/* Frees everything outside of the record. */
void peers_free(struct slab *slab, struct record *record);

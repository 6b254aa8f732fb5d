/* SPDX-License-Identifier: BSD-3-Clause */
#include "block_inline.h"

enum {
    /* Blocks of at most so many lines are scanned: the reply needs most of their lines anyway. */
    SCAN_LINES_IPV4 = 8,
    SCAN_LINES_IPV6 = 12,
    /* Expired peers of one block up to which they are removed singly, not by compacting it. */
    EXPIRE_SINGLY = 4,
};

/* An entry and 4/3 slots of 2 bytes, or, where blocks are scanned, just the entry. */
#define CAPACITY(lines, entry, scan)                                                               \
    ((lines) <= (scan) ? (lines)*SLAB_LINE / (entry) : (lines)*SLAB_LINE * 3 / ((entry)*3 + 8))

#define LAYOUT(lines, entry, scan)                                                                 \
    {                                                                                              \
        .capacity = CAPACITY(lines, entry, scan),                                                  \
        .slots_count = (lines) <= (scan)                                                           \
                           ? 0                                                                     \
                           : ((lines)*SLAB_LINE - CAPACITY(lines, entry, scan) * (entry)) / 2,     \
        .slots_offset = CAPACITY(lines, entry, scan) * (entry),                                    \
    },

#define LAYOUT_IPV4(lines) LAYOUT(lines, 8, SCAN_LINES_IPV4)
#define LAYOUT_IPV6(lines) LAYOUT(lines, 20, SCAN_LINES_IPV6)

const struct block_layout block_layouts[2][SLAB_CLASSES] = {
    {SLAB_CLASS_LINES(LAYOUT_IPV4)},
    {SLAB_CLASS_LINES(LAYOUT_IPV6)},
};

unsigned block_class_for(unsigned family, unsigned peers)
{
    unsigned size_class = BLOCK_CLASS_FIRST;

    while (size_class <= BLOCK_CLASS_LAST && block_capacity(family, size_class) < peers)
        size_class++;
    return size_class;
}

void block_clear(struct block *block)
{
    if (block->slots != NULL)
        memset(block->slots, 0, block->slots_count * sizeof(*block->slots));
}

int block_find_slowly(uint8_t *entries, uint16_t *slots, uint16_t slots_count, const uint8_t *peer,
                      uint64_t hash, unsigned family)
{
    struct block block = {.entries = entries, .slots_count = slots_count};
    unsigned slot;

    block.slots = slots;
    slot = block_slot_home(&block, hash);
    for (; block.slots[slot] != 0; slot = block_slot_next(&block, slot)) {
        unsigned position = (block.slots[slot] & BLOCK_POSITION_MASK) - 1u;

        if (block.slots[slot] == block_slot_value(hash, position) &&
            block_same_peer(entries + (size_t)position * block_entry_size(family), peer, family))
            return (int)position;
    }
    return -1;
}

/* Empties a slot and closes the gap, so that no search ends too early (Knuth, 6.4, algorithm R). */
static void slot_drop(struct block *block, unsigned hole)
{
    unsigned slot = block_slot_next(block, hole);

    for (; block->slots[slot] != 0; slot = block_slot_next(block, slot)) {
        unsigned position = (block->slots[slot] & BLOCK_POSITION_MASK) - 1u;
        unsigned home = block_slot_home(block, block_hash(block, position, block->family));
        bool stays = hole <= slot ? (home > hole && home <= slot) : (home > hole || home <= slot);

        if (stays)
            continue;
        block->slots[hole] = block->slots[slot];
        hole = slot;
    }
    block->slots[hole] = 0;
}

static void rebuild_slots(struct block *block)
{
    block_clear(block);
    for (unsigned position = 0; position < block->peers; position++)
        block_slot_add(block, block_hash(block, position, block->family), position);
}

void block_remove(struct block *block, unsigned position)
{
    if (block->slots != NULL)
        slot_drop(block,
                  block_slot_of(block, block_hash(block, position, block->family), position));
    if (position < block->seeders) {
        block->seeders--;
        block_move_entry(block, block->seeders, position, block->family);
        position = block->seeders;
    }
    block->peers--;
    block_move_entry(block, block->peers, position, block->family);
}

/* Whole blocks ------------------------------------------------------------------------------- */

static bool expired(const struct block *block, unsigned position, uint32_t timeout, uint32_t now)
{
    return block_age(*block_stamp(block, position), now) > timeout;
}

/* Keeps what isn't expired, in order, then sees to the slots once. */
static void compact(struct block *block, uint32_t timeout, uint32_t now)
{
    unsigned size = block_entry_size(block->family);
    unsigned kept = 0, seeders = 0;

    for (unsigned i = 0; i < block->peers; i++) {
        if (expired(block, i, timeout, now))
            continue;
        memmove(block_entry(block, kept++), block_entry(block, i), size);
        seeders += i < block->seeders;
    }
    block->peers = kept;
    block->seeders = seeders;
    if (block->slots != NULL)
        rebuild_slots(block);
}

unsigned block_expire(struct block *block, uint32_t timeout, uint32_t now)
{
    unsigned gone = 0;

    for (unsigned i = 0; i < block->peers; i++)
        gone += expired(block, i, timeout, now);
    if (gone > EXPIRE_SINGLY) {
        compact(block, timeout, now);
        return gone;
    }
    /* From the end: what moves into a gap was looked at already. */
    for (unsigned i = block->peers, left = gone; left > 0;) {
        if (!expired(block, --i, timeout, now))
            continue;
        block_remove(block, i);
        left--;
    }
    return gone;
}

void block_copy(struct block *to, const struct block *from)
{
    memcpy(to->entries, from->entries, (size_t)from->peers * block_entry_size(from->family));
    to->peers = from->peers;
    to->seeders = from->seeders;
    if (to->slots != NULL)
        rebuild_slots(to);
}

void block_split(struct block *from, struct block *to, unsigned bit)
{
    unsigned size = block_entry_size(from->family);
    unsigned kept = 0, kept_seeders = 0, moved = 0, moved_seeders = 0;

    for (unsigned i = 0; i < from->peers; i++) {
        bool seeder = i < from->seeders;

        if (block_hash(from, i, from->family) >> bit & 1) {
            memcpy(block_entry(to, moved++), block_entry(from, i), size);
            moved_seeders += seeder;
        } else {
            memmove(block_entry(from, kept++), block_entry(from, i), size);
            kept_seeders += seeder;
        }
    }
    from->peers = kept;
    from->seeders = kept_seeders;
    to->peers = moved;
    to->seeders = moved_seeders;
    if (from->slots != NULL)
        rebuild_slots(from);
    if (to->slots != NULL)
        rebuild_slots(to);
}

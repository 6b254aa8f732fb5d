/* SPDX-License-Identifier: BSD-3-Clause */
#include "block.h"

#include <smmintrin.h>
#include <string.h>

#include "hash.h"

enum {
    POSITION_BITS = 11,
    POSITION_MASK = (1 << POSITION_BITS) - 1,
    /* Blocks of at most so many lines are scanned: the reply needs most of their lines anyway. */
    SCAN_LINES_IPV4 = 8,
    SCAN_LINES_IPV6 = 12,
    /* Expired peers of one block up to which they are removed singly, not by compacting it. */
    EXPIRE_SINGLY = 4,
};

static bool scanned(unsigned family, unsigned class)
{
    return slab_class_lines[class] <= (family == SWARMS_IPV4 ? SCAN_LINES_IPV4 : SCAN_LINES_IPV6);
}

unsigned block_capacity(unsigned family, unsigned class)
{
    unsigned bytes = slab_class_lines[class] * SLAB_LINE;

    if (family == SWARMS_IPV4)
        return scanned(family, class) ? bytes / 8 : bytes * 3 / (8 * 3 + 8);
    return scanned(family, class) ? bytes / 20 : bytes * 3 / (20 * 3 + 8);
}

unsigned block_class_for(unsigned family, unsigned peers)
{
    unsigned class = BLOCK_CLASS_FIRST;

    while (class <= BLOCK_CLASS_LAST && block_capacity(family, class) < peers)
        class ++;
    return class;
}

struct block block_open(void *memory, unsigned family, unsigned class, uint32_t peers,
                        uint32_t seeders, const struct swarms_secret *secret)
{
    size_t bytes = (size_t)slab_class_lines[class] * SLAB_LINE;
    struct block block = {
        .entries = memory,
        .peers = peers,
        .seeders = seeders,
        .capacity = (uint16_t)block_capacity(family, class),
        .family = (uint8_t)family,
        .class = (uint8_t) class,
        .secret = secret,
    };

    if (!scanned(family, class)) {
        size_t used = (size_t)block.capacity * block_entry_size(family);

        block.slots = (uint16_t *)(block.entries + used);
        block.slots_count = (uint16_t)((bytes - used) / 2);
    }
    return block;
}

struct block block_open_inline(void *memory, unsigned family, uint32_t peers, uint32_t seeders,
                               const struct swarms_secret *secret)
{
    return (struct block){
        .entries = memory,
        .peers = peers,
        .seeders = seeders,
        .capacity = family == SWARMS_IPV4 ? 3 : 1,
        .family = (uint8_t)family,
        .secret = secret,
    };
}

void block_clear(struct block *block)
{
    if (block->slots != NULL)
        memset(block->slots, 0, block->slots_count * sizeof(*block->slots));
}

uint64_t block_hash(const struct block *block, unsigned position)
{
    return hash_peer(block->secret, block->family, block_entry(block, position));
}

/* Slots -----------------------------------------------------------------------------------------
 */

static unsigned slot_home(const struct block *block, uint64_t hash)
{
    return (unsigned)((uint64_t)(uint32_t)hash * block->slots_count >> 32);
}

static unsigned slot_next(const struct block *block, unsigned slot)
{
    return slot + 1 == block->slots_count ? 0 : slot + 1;
}

static uint16_t slot_value(uint64_t hash, unsigned position)
{
    return (uint16_t)((hash >> 32 & 31) << POSITION_BITS | (position + 1));
}

static void slot_add(struct block *block, uint64_t hash, unsigned position)
{
    unsigned slot = slot_home(block, hash);

    while (block->slots[slot] != 0)
        slot = slot_next(block, slot);
    block->slots[slot] = slot_value(hash, position);
}

static unsigned slot_of(const struct block *block, uint64_t hash, unsigned position)
{
    unsigned slot = slot_home(block, hash);

    while (block->slots[slot] != slot_value(hash, position))
        slot = slot_next(block, slot);
    return slot;
}

/* Empties a slot and closes the gap, so that no search ends too early (Knuth, 6.4, algorithm R). */
static void slot_drop(struct block *block, unsigned hole)
{
    unsigned slot = slot_next(block, hole);

    for (; block->slots[slot] != 0; slot = slot_next(block, slot)) {
        unsigned position = (block->slots[slot] & POSITION_MASK) - 1u;
        unsigned home = slot_home(block, block_hash(block, position));
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
        slot_add(block, block_hash(block, position), position);
}

/* Entries ---------------------------------------------------------------------------------------
 */

/* The entry at `from` moves to `to`, a place that is free. */
static void entry_move(struct block *block, unsigned from, unsigned to)
{
    if (from == to)
        return;
    if (block->slots != NULL) {
        uint64_t hash = block_hash(block, from);

        block->slots[slot_of(block, hash, from)] = slot_value(hash, to);
    }
    memcpy(block_entry(block, to), block_entry(block, from), block_entry_size(block->family));
}

static void entry_swap(struct block *block, unsigned a, unsigned b)
{
    uint8_t held[SWARMS_PEER_MAX + 2];
    unsigned size = block_entry_size(block->family);

    if (a == b)
        return;
    if (block->slots != NULL) {
        uint64_t hash_a = block_hash(block, a), hash_b = block_hash(block, b);
        unsigned slot_a = slot_of(block, hash_a, a), slot_b = slot_of(block, hash_b, b);

        block->slots[slot_a] = slot_value(hash_a, b);
        block->slots[slot_b] = slot_value(hash_b, a);
    }
    memcpy(held, block_entry(block, a), size);
    memcpy(block_entry(block, a), block_entry(block, b), size);
    memcpy(block_entry(block, b), held, size);
}

static uint64_t load_ipv4(const uint8_t *peer)
{
    uint32_t address;
    uint16_t port;

    memcpy(&address, peer, 4);
    memcpy(&port, peer + 4, 2);
    return (uint64_t)port << 32 | address;
}

static int scan_ipv4(const struct block *block, uint64_t key)
{
    const __m128i mask = _mm_set1_epi64x(0xffffffffffff);
    const __m128i wanted = _mm_set1_epi64x((long long)key);
    const uint8_t *entries = block->entries;
    unsigned i = 0;

    for (; i + 2 <= block->peers; i += 2) {
        __m128i pair = _mm_loadu_si128((const __m128i *)(entries + i * 8));
        __m128i equal = _mm_cmpeq_epi64(_mm_and_si128(pair, mask), wanted);
        int found = _mm_movemask_pd(_mm_castsi128_pd(equal));

        if (found != 0)
            return (int)i + (found >> 1 & ~found);
    }
    if (i < block->peers && load_ipv4(entries + i * 8) == key)
        return (int)i;
    return -1;
}

static int scan_ipv6(const struct block *block, const uint8_t *peer)
{
    for (unsigned i = 0; i < block->peers; i++)
        if (memcmp(block_entry(block, i), peer, 18) == 0)
            return (int)i;
    return -1;
}

static bool same_peer(const struct block *block, unsigned position, const uint8_t *peer)
{
    const uint8_t *entry = block_entry(block, position);

    if (block->family == SWARMS_IPV4)
        return load_ipv4(entry) == load_ipv4(peer);
    return memcmp(entry, peer, 18) == 0;
}

int block_find(const struct block *block, const uint8_t *peer, uint64_t hash)
{
    if (block->slots == NULL)
        return block->family == SWARMS_IPV4 ? scan_ipv4(block, load_ipv4(peer))
                                            : scan_ipv6(block, peer);
    for (unsigned slot = slot_home(block, hash);; slot = slot_next(block, slot)) {
        uint16_t value = block->slots[slot];
        unsigned position = (value & POSITION_MASK) - 1u;

        if (value == 0)
            return -1;
        if (value == slot_value(hash, position) && same_peer(block, position, peer))
            return (int)position;
    }
}

const uint8_t *block_guess(const struct block *block, uint64_t hash)
{
    for (unsigned slot = slot_home(block, hash); block->slots[slot] != 0;
         slot = slot_next(block, slot)) {
        unsigned position = (block->slots[slot] & POSITION_MASK) - 1u;

        if (block->slots[slot] == slot_value(hash, position))
            return block_entry(block, position);
    }
    return NULL;
}

static void entry_write(struct block *block, unsigned position, const uint8_t *peer, uint16_t stamp)
{
    uint8_t *entry = block_entry(block, position);
    unsigned size = block_peer_size(block->family);

    memcpy(entry, peer, size);
    memcpy(entry + size, &stamp, 2);
}

unsigned block_insert(struct block *block, const uint8_t *peer, uint64_t hash, uint16_t stamp,
                      bool seeder)
{
    unsigned position = block->peers;

    if (seeder) {
        /* The first leecher makes room at the border. */
        position = block->seeders++;
        entry_move(block, position, block->peers);
    }
    block->peers++;
    entry_write(block, position, peer, stamp);
    if (block->slots != NULL)
        slot_add(block, hash, position);
    return position;
}

void block_remove(struct block *block, unsigned position)
{
    if (block->slots != NULL)
        slot_drop(block, slot_of(block, block_hash(block, position), position));
    if (position < block->seeders) {
        block->seeders--;
        entry_move(block, block->seeders, position);
        position = block->seeders;
    }
    block->peers--;
    entry_move(block, block->peers, position);
}

unsigned block_set_seeder(struct block *block, unsigned position, bool seeder)
{
    unsigned border;

    if ((position < block->seeders) == seeder)
        return position;
    border = seeder ? block->seeders++ : --block->seeders;
    entry_swap(block, position, border);
    return border;
}

/* Whole blocks ----------------------------------------------------------------------------------
 */

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

        if (block_hash(from, i) >> bit & 1) {
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

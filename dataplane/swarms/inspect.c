/* SPDX-License-Identifier: BSD-3-Clause */
#include "inspect.h"

#include <string.h>

#include "directory.h"
#include "random.h"
#include "table.h"

enum {
    CLIENTS_PROBES = 8, /* rows tried before an announce goes to `others` */
    CLIENTS_FADE_SECONDS = 600,
};

/*
 * Announces are counted in windows of RECORD_RATE_WINDOW seconds, half of the former windows'
 * added: on average a record's rate stands for one and a half windows.
 */
static uint32_t announces_per_min(const struct record *record, uint32_t now)
{
    uint32_t windows = now / RECORD_RATE_WINDOW - record->touched / RECORD_RATE_WINDOW;
    uint32_t rate = windows < 16 ? record->rate >> windows : 0;

    return rate * 60 * 2 / (RECORD_RATE_WINDOW * 3);
}

static struct inspect_swarm describe(const struct record *record, uint32_t now)
{
    struct inspect_swarm swarm = {
        .family = record->family,
        .seeders = record->seeders,
        .leechers = record->peers - record->seeders,
        .completed = record->completed,
        .announces_per_min = announces_per_min(record, now),
    };

    memcpy(swarm.info_hash, record->info_hash, sizeof(swarm.info_hash));
    return swarm;
}

static uint64_t weight(const struct inspect_swarm *swarm, enum inspect_by by)
{
    return by == INSPECT_BY_RATE ? swarm->announces_per_min
                                 : (uint64_t)swarm->seeders + swarm->leechers;
}

/* Keeps the rows in descending order; the last one falls out. */
static void rank_swarm(struct inspect_top *top, const struct inspect_swarm *swarm)
{
    unsigned place = top->count;

    if (top->count == top->want &&
        weight(swarm, top->by) <= weight(&top->rows[top->count - 1], top->by))
        return;
    if (top->count == top->want)
        place--;
    else
        top->count++;
    for (; place > 0 && weight(&top->rows[place - 1], top->by) < weight(swarm, top->by); place--)
        top->rows[place] = top->rows[place - 1];
    top->rows[place] = *swarm;
}

/* Of the powers of two the first that isn't below the number of peers. */
static void count_size(struct inspect_top *top, uint32_t peers)
{
    unsigned class = peers > 1 ? 32 - (unsigned)__builtin_clz(peers - 1) : 0;

    if (peers > 0)
        top->sizes[class < INSPECT_SIZES ? class : INSPECT_SIZES - 1]++;
}

void inspect_top(struct swarms *swarms, struct inspect_top *top, unsigned lines)
{
    struct table_walk walk = {(uint32_t)top->position[0], (uint32_t)top->position[1]};
    uint32_t line;

    if (top->want == 0 || top->want > INSPECT_TOP_MAX)
        top->want = INSPECT_TOP_MAX;
    while ((line = table_walk(swarms, &walk, &lines)) != 0) {
        const struct record *record = table_record(swarms, line);
        struct inspect_swarm swarm = describe(record, swarms->now);

        count_size(top, record->peers);
        if (weight(&swarm, top->by) != 0)
            rank_swarm(top, &swarm);
    }
    top->position[0] = walk.page;
    top->position[1] = walk.object;
    top->done = table_walk_done(swarms, &walk);
}

static uint64_t memory_of(const struct slab *slab, const struct record *record)
{
    uint64_t lines = 1;

    if (record->form != RECORD_INLINE)
        lines += slab_class_lines[record->size_class];
    for (uint32_t i = 0; record->form == RECORD_DIRECTORY && i < record->blocks; i++)
        lines += slab_class_lines[directory_entries(slab, record)[i].size_class];
    return lines * SLAB_LINE;
}

/* Consecutive peers in the circle of all, from a random one on: each is equally likely. */
static void show_peers(struct swarms *swarms, struct record *record, struct inspect_show *show,
                       uint32_t now)
{
    uint32_t want = record->peers < INSPECT_PEERS_MAX ? record->peers : INSPECT_PEERS_MAX;
    uint32_t place = random_below((uint32_t)random_next(&swarms->random), record->peers);
    uint32_t number = 0;

    while (show->peers_count < want) {
        struct block block = peers_open_block(&swarms->slab, record, number, &swarms->secret).block;

        for (; place < block.peers && show->peers_count < want; place++) {
            struct inspect_peer *peer = &show->peers[show->peers_count++];

            memcpy(peer->peer, block_entry(&block, place), swarms_peer_size(block.family));
            peer->seeder = place < block.seeders;
            peer->age = block_age(*block_stamp(&block, place), now);
        }
        place = place >= block.peers ? place - block.peers : 0;
        number = number + 1 < peers_blocks(record) ? number + 1 : 0;
    }
}

void inspect_show(struct swarms *swarms, struct inspect_show *show, uint32_t now)
{
    uint64_t hash = hash_info_hash(&swarms->secret, show->info_hash);
    uint32_t line = 0;
    struct record *record;

    if (hash >= swarms->limits.hash_first && hash <= swarms->limits.hash_last)
        line = table_find(swarms, hash, show->family, show->info_hash);
    show->found = line != 0;
    show->peers_count = 0;
    if (line == 0)
        return;
    record = table_record(swarms, line);
    show->swarm = describe(record, now);
    show->memory = memory_of(&swarms->slab, record);
    show_peers(swarms, record, show, now);
}

static void fade(struct client_counts *clients)
{
    for (unsigned i = 0; i < INSPECT_CLIENTS_MAX; i++)
        clients->rows[i].announces /= 2;
    clients->others /= 2;
}

unsigned inspect_first_sample(struct swarms *swarms, unsigned count)
{
    unsigned first = swarms->clients.countdown;

    swarms->clients.countdown = (first - count) % INSPECT_SAMPLED_OF;
    return first;
}

void inspect_count_client(struct swarms *swarms, const uint8_t *peer_id)
{
    struct client_counts *clients = &swarms->clients;
    uint64_t hash;

    if (swarms->now - clients->faded >= CLIENTS_FADE_SECONDS) {
        clients->faded = swarms->now;
        fade(clients);
    }
    hash = XXH3_64bits_withSecret(peer_id, INSPECT_CLIENT_PREFIX, swarms->secret.bytes,
                                  sizeof(swarms->secret.bytes));
    for (unsigned probe = 0; probe < CLIENTS_PROBES; probe++) {
        struct inspect_client *row = &clients->rows[(hash + probe) % INSPECT_CLIENTS_MAX];

        if (row->announces == 0)
            memcpy(row->prefix, peer_id, INSPECT_CLIENT_PREFIX);
        if (memcmp(row->prefix, peer_id, INSPECT_CLIENT_PREFIX) == 0) {
            row->announces++;
            return;
        }
    }
    clients->others++;
}

void inspect_clients(const struct swarms *swarms, struct inspect_clients *answer)
{
    const struct client_counts *clients = &swarms->clients;

    answer->sampled_of = INSPECT_SAMPLED_OF;
    answer->others = clients->others;
    answer->count = 0;
    for (unsigned i = 0; i < INSPECT_CLIENTS_MAX; i++)
        if (clients->rows[i].announces != 0)
            answer->rows[answer->count++] = clients->rows[i];
}

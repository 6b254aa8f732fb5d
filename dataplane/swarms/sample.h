/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Chooses the peers of a reply. A seeder is told leechers only, a leecher both kinds in the swarm's
 * own proportion; nobody is told himself.
 *
 * Of each kind it takes a window: consecutive peers in the circle of all others, from a random one
 * on. Every other peer starts a window with the same probability, so each is equally likely to be
 * told.
 */
#pragma once

#include "peers.h"

enum { SAMPLE_KINDS = 2 }; /* seeders, leechers: enum directory_kind */

struct sample_window {
    uint32_t start; /* rank among the others of that kind */
    uint32_t count;
};

struct sample {
    struct sample_window windows[SAMPLE_KINDS];
};

/* What is to be left out: the asker, where he stands. */
struct sample_self {
    int position;    /* in his block; -1: he isn't in the swarm */
    uint32_t number; /* of the block */
};

/* Decides the windows of a reply of at most `numwant` peers from the swarm's counts. */
struct sample sample_choose(const struct record *record, bool self_stored, bool seeder,
                            unsigned numwant, uint64_t random);

/* Writes the chosen peers, as on the wire. Returns how many. May write SWARMS_REPLY_SLACK bytes
 * more. */
unsigned sample_write(const struct slab *slab, struct record *record, const struct sample *sample,
                      const struct sample_self *self, const struct swarms_secret *secret,
                      uint8_t *out);

/* Prefetches the lines that sample_write() will read of a swarm in one block. */
void sample_prefetch(const struct block *block, const struct sample *sample);

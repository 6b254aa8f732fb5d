/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The same choice as in sample.h for a swarm whose peers are spread over the blocks of a directory:
 * the circle goes on from block to block. Where the windows start is found a stage ahead of writing
 * them, so that their lines are there by then.
 */
#pragma once

#include "sample.h"

/* Finds where both windows start: announce->random is used up, announce->starts are set. */
SAMPLE_INLINE void sample_find_starts(const struct slab *slab, const struct record *record,
                                      struct swarms_announce *announce)
{
    struct directory_pick picks[SAMPLE_KINDS] = {0};
    uint64_t random = announce->random;

    if (record->seeders != 0 && !sample_leechers_only(announce))
        picks[DIRECTORY_SEEDERS] = directory_pick(slab, record, DIRECTORY_SEEDERS, &random);
    if (record->peers != record->seeders)
        picks[DIRECTORY_LEECHERS] = directory_pick(slab, record, DIRECTORY_LEECHERS, &random);
    for (unsigned kind = 0; kind < SAMPLE_KINDS; kind++) {
        announce->starts[kind].number = picks[kind].number;
        announce->starts[kind].place = picks[kind].place;
    }
    announce->started = true;
}

/* A window that may go on through several blocks. `self` is the asker's position in block `own`, or
 * -1. */
static inline uint8_t *sample_walk(const struct slab *slab, struct record *record,
                                   const struct swarms_secret *secret, enum directory_kind kind,
                                   uint32_t number, uint32_t place, uint32_t wanted, uint32_t own,
                                   int self, uint8_t *out, unsigned family)
{
    uint8_t *end = out;
    uint32_t written = 0, hole = UINT32_MAX;

    while (written < wanted) {
        struct block block = directory_open_as(slab, record, number, secret, family);
        struct sample_region region = sample_region(&block, kind);
        uint32_t left = place < region.count ? region.count - place : 0;
        uint32_t run = wanted - written < left ? wanted - written : left;
        uint32_t at = (uint32_t)self - region.first - place;

        if (self >= 0 && number == own && (uint32_t)self >= region.first + place && at < run &&
            hole == UINT32_MAX) {
            hole = written + at;
            wanted++;
            run = wanted - written < left ? wanted - written : left;
        }
        end = sample_copy(end, &block, region.first + place, run, family);
        written += run;
        place = 0;
        number = number + 1 < record->blocks ? number + 1 : 0;
    }
    return hole != UINT32_MAX ? sample_fill_hole(out, end, hole, family) : end;
}

/* Whether a window can't start where it was to: at the asker, or in a block that is gone. */
SAMPLE_INLINE bool sample_must_restart(const struct slab *slab, const struct record *record,
                                       const struct swarms_announce *announce,
                                       enum directory_kind kind, uint32_t own, int self)
{
    uint32_t first = kind == DIRECTORY_SEEDERS ? 0 : directory_entries(slab, record)[own].seeders;

    return announce->starts[kind].number >= record->blocks ||
           (self >= 0 && announce->starts[kind].number == own &&
            announce->starts[kind].place + first == (uint32_t)self);
}

/* Seldom: kept out of the way of the others. */
static inline __attribute__((cold)) void sample_start_anew(const struct slab *slab,
                                                           const struct record *record,
                                                           struct swarms_announce *announce,
                                                           uint64_t *random)
{
    announce->random = random_next(random);
    sample_find_starts(slab, record, announce);
}

/* The peers of a reply; announce->starts are sample_find_starts()'. The asker is in block `own`. */
SAMPLE_INLINE uint8_t *sample_directory(uint8_t *out, const struct slab *slab,
                                        struct record *record, struct swarms_announce *announce,
                                        uint32_t own, int self, const struct swarms_secret *secret,
                                        uint64_t *random, unsigned family)
{
    uint32_t seeders = sample_leechers_only(announce) ? 0 : record->seeders;
    uint32_t leechers = record->peers - record->seeders - (self >= 0 && !announce->seeder);
    uint32_t wanted =
        announce->numwant < seeders + leechers ? announce->numwant : seeders + leechers;
    uint32_t from_seeders =
        seeders != 0 ? sample_seeders(wanted, seeders, seeders + leechers, random_next(random)) : 0;

    if (!announce->started)
        sample_start_anew(slab, record, announce, random);
    for (unsigned kind = 0; kind < SAMPLE_KINDS; kind++) {
        uint32_t part = kind == DIRECTORY_SEEDERS ? from_seeders : wanted - from_seeders;

        if (part == 0)
            continue;
        while (sample_must_restart(slab, record, announce, kind, own, self))
            sample_start_anew(slab, record, announce, random);
        out = sample_walk(slab, record, secret, kind, announce->starts[kind].number,
                          announce->starts[kind].place, part, own, self, out, family);
    }
    return out;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The inside of a table, for the files of this folder. */
#pragma once

#include "hash.h"
#include "index.h"
#include "inspect.h"
#include "peers.h"
#include "slab.h"
#include "swarms.h"

/* Where a walk over all records stands, in the order of the slab. Starts zeroed. */
struct table_walk {
    uint32_t page, object;
};

/* Records whose blocks are prefetched together, so that their misses overlap. */
enum { EXPIRY_BATCH = 16 };

/* Where the expiry stands: in a batch of records, and in the blocks of one of them. */
struct expiry_cursor {
    struct table_walk walk;
    uint32_t batch[EXPIRY_BATCH]; /* lines */
    unsigned count, next;
    uint32_t block;
};

/* Which clients announce: see inspect.h. */
struct client_counts {
    struct inspect_client rows[INSPECT_CLIENTS_MAX]; /* by hash; announces == 0: free */
    uint64_t others;
    uint32_t faded;     /* second of the last halving */
    uint32_t countdown; /* announces until the next sample */
};

struct swarms {
    struct index index;
    struct slab slab;
    uint64_t random;
    struct expiry_cursor expiry;
    struct swarms_limits limits;
    struct swarms_counters counters;
    struct swarms_secret secret;
    uint32_t now;      /* of the last call */
    uint32_t removals; /* records freed so far; while it stands, lines keep their records */
    struct client_counts clients;
};

static inline struct record *table_record(const struct swarms *swarms, uint32_t line)
{
    return slab_at(&swarms->slab, line);
}

/* Whether the line, once a record's, is still one: its page may serve other objects by now. */
static inline bool table_is_record(const struct swarms *swarms, uint32_t line)
{
    const struct slab_page *page = &swarms->slab.pages[line / SLAB_PAGE_LINES];

    return page->size_class == SLAB_RECORD && line % SLAB_PAGE_LINES < page->fresh &&
           table_record(swarms, line)->form != RECORD_FREE;
}

/* The next record's line, looking at `*lines` at most; 0 at the end or when they are used up. */
uint32_t table_walk(const struct swarms *swarms, struct table_walk *walk, unsigned *lines);

static inline bool table_walk_done(const struct swarms *swarms, const struct table_walk *walk)
{
    return walk->page >= swarms->slab.pages_fresh;
}

/*
 * The announces of a burst by the family and form of their swarms, in order within each, so that
 * for each form there is code that goes straight on. RECORD_FREE are those of unknown swarms.
 */
struct table_burst {
    uint32_t removals; /* when it was sorted */
    unsigned counts[2][RECORD_FORMS];
    struct swarms_announce *announces[2][RECORD_FORMS][SWARMS_BURST_MAX];
};

/* Looks up the records of all announces, and has what comes after them fetched (lookup.c). */
void table_sort(struct swarms *swarms, struct swarms_announce *const announces[], unsigned count,
                struct table_burst *burst);

/* The swarm's record, or 0. */
uint32_t table_find(const struct swarms *swarms, uint64_t hash, unsigned family,
                    const uint8_t *info_hash);

/* A new swarm's record, at the cap in place of the stalest in the probe window; 0 if that fails. */
uint32_t table_add(struct swarms *swarms, uint64_t hash, unsigned family, const uint8_t *info_hash,
                   uint32_t now);

/* Removes a swarm and all its peers. */
void table_remove(struct swarms *swarms, uint32_t line);

/* Whether one peer more may be stored in the swarm, evicting another swarm at the cap. */
bool table_admit_peer(struct swarms *swarms, uint64_t hash, uint32_t line);

/* Keeps the totals; `peers` and `seeders` are what the record had before it was changed. */
void table_count(struct swarms *swarms, const struct record *record, uint32_t peers,
                 uint32_t seeders);

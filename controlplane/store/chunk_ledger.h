/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is known of each of our chunks in the store: what was written last, when, and whether it is
 * still there. Decides whether a chunk that was just encoded has to be written.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "chunk.h"
#include "loader.h"

struct ledger_chunk {
    uint64_t digest;  /* of what is stored; 0: nothing, or an empty chunk */
    uint64_t writing; /* digest of the version under way */
    uint32_t swarms, peers, bytes;
    uint32_t writing_swarms, writing_peers, writing_bytes;
    uint32_t stored_at;  /* seconds, monotonic: when it was written */
    uint32_t checked_at; /* when it was last known to be stored as it was in the tables */
    bool exists;         /* in the store */
    bool doubtful;       /* may have been lost, or could not be written */
    bool newer;          /* a newer version's: not ours to write */
    bool unread;         /* what is stored couldn't be read yet: not to be overwritten */
    bool under_way;
};

struct chunk_ledger {
    struct ledger_chunk chunks[TRANSFER_CHUNKS];
};

enum ledger_verdict {
    LEDGER_WRITE,     /* it differs from what is stored, may be lost, or is due to be refreshed */
    LEDGER_UNCHANGED, /* it is stored, or on its way there */
    LEDGER_KEEP,      /* what is stored must not be overwritten */
    LEDGER_LOOK,      /* the same, but look whether that is still so: then call ledger_looking() */
};

/* All chunks count as checked now, seconds of a monotonic clock. */
void ledger_start(struct chunk_ledger *ledger, uint32_t now);

/* What to do with a chunk of that digest; `refresh`: seconds after which it is written anyway. */
enum ledger_verdict ledger_judge(struct chunk_ledger *ledger, unsigned chunk, uint64_t digest,
                                 uint32_t refresh, uint32_t now);

/* What the writer holds is on its way to the store. */
void ledger_writing(struct chunk_ledger *ledger, unsigned chunk, const struct chunk_writer *writer,
                    uint64_t digest);
/* It is there. Returns what is known of it. */
const struct ledger_chunk *ledger_written(struct chunk_ledger *ledger, unsigned chunk,
                                          uint32_t now);
/* It isn't: it is to be written at the next occasion. */
void ledger_failed(struct chunk_ledger *ledger, unsigned chunk);

/* What is or will be stored is not all of it: the same. */
void ledger_spoil(struct chunk_ledger *ledger, unsigned chunk);

/* What is stored is being read, and has been. */
void ledger_looking(struct chunk_ledger *ledger, unsigned chunk);
void ledger_looked(struct chunk_ledger *ledger, unsigned chunk);

/* The store has this in place of the chunk. */
void ledger_found(struct chunk_ledger *ledger, unsigned chunk, enum loader_chunk kind);

/* True if what is stored was read, or written by us, and isn't a newer version's. */
bool ledger_knows(const struct chunk_ledger *ledger, unsigned chunk);

/* The store may have lost it. False if there is nothing to lose. */
bool ledger_doubt(struct chunk_ledger *ledger, unsigned chunk);

struct ledger_sums {
    unsigned stored, newer;          /* chunks */
    uint64_t torrents, peers, bytes; /* of what is stored */
    uint32_t oldest_dirty;           /* seconds since the chunk was checked that waits longest */
};

void ledger_sum(const struct chunk_ledger *ledger, uint32_t now, struct ledger_sums *sums);

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Swarms on their way out of a table and into one: what snapshots, deltas and recovery are made of.
 * The owner of the table copies out and merges in, a bounded slice at a time.
 *
 * A stream is a sequence of records, each a transfer_swarm followed by its peers, in host byte
 * order (little-endian; asserted at build). Info-hashes come grouped by chunk in ascending order; a
 * big swarm may come as several records in a row.
 */
#pragma once

#include "swarms.h"

enum {
    TRANSFER_CHUNK_BITS = 14,
    TRANSFER_CHUNKS = 1 << TRANSFER_CHUNK_BITS,
};

/* The chunk of a swarm: the top bits of its keyed hash, so a chunk is a run of the index. */
static inline unsigned transfer_chunk(uint64_t hash)
{
    return (unsigned)(hash >> (64 - TRANSFER_CHUNK_BITS));
}

/* The worker, of `workers`, that owns the swarms of a chunk. */
static inline unsigned transfer_chunk_owner(unsigned chunk, unsigned workers)
{
    return chunk * workers >> TRANSFER_CHUNK_BITS;
}

enum transfer_flags {
    TRANSFER_SEEDER = 1 << 0,
    TRANSFER_COMPLETED = 1 << 1, /* its download has been counted */
    TRANSFER_STOPPED = 1 << 2,   /* a tombstone: it left at `seen` */
};

struct transfer_swarm {
    uint8_t info_hash[20];
    uint16_t chunk;
    uint8_t family; /* enum swarms_family */
    uint8_t reserved;
    uint32_t completed; /* downloads */
    uint32_t peers;     /* records that follow */
};

struct transfer_ipv4 {
    uint8_t peer[6]; /* as on the wire */
    uint8_t flags;   /* enum transfer_flags */
    uint8_t reserved;
    uint32_t seen; /* seconds on the clock that swarms_announce() was given */
};

struct transfer_ipv6 {
    uint8_t peer[18];
    uint8_t flags;
    uint8_t reserved;
    uint32_t seen;
};

/* Bytes of a peer's record. */
static inline size_t transfer_peer_size(unsigned family)
{
    return family == SWARMS_IPV4 ? sizeof(struct transfer_ipv4) : sizeof(struct transfer_ipv6);
}

_Static_assert(sizeof(struct transfer_swarm) == 32, "swarm record");
_Static_assert(sizeof(struct transfer_ipv4) == 12, "IPv4 peer record");
_Static_assert(sizeof(struct transfer_ipv6) == 24, "IPv6 peer record");

/* Where an export stands. Zero it, set the chunks, and call until `done`. */
struct transfer_export {
    uint16_t first_chunk, last_chunk; /* inclusive */
    bool done;

    /* the exporter's own: the chunk, a slot of the index, a block of that swarm, an entry of it */
    bool started;
    uint16_t chunk;
    uint32_t bucket, slot, block, entry;
};

/*
 * Writes the next records, at most `size` bytes (at least TRANSFER_SIZE_MIN) and about `lines`
 * cache lines of table. Returns the bytes written.
 *
 * Announces go on between two calls. A peer that comes, goes, or moves to another block meanwhile
 * may be seen or not, or twice; so may, very seldom, a swarm that the index moves to make room. All
 * others are seen once. Merging is idempotent, and the next pass heals what one has missed.
 */
enum { TRANSFER_SIZE_MIN = 128 };

size_t transfer_export(struct swarms *swarms, struct transfer_export *export, uint8_t *buffer,
                       size_t size, unsigned lines, uint32_t now);

struct transfer_result {
    uint64_t peers_added, peers_updated, peers_removed, peers_stale, peers_refused;
};

/*
 * Merges records: the later `seen` wins, a tombstone wins a tie; a `seen` of the future counts as
 * now; peers older than the timeout are left out. Handles `peers` peers, fewer if making room for
 * them takes as long, and returns the bytes consumed (a record half done gets a new head in front
 * of its rest; 0 if all went into making room); -EINVAL when the buffer doesn't hold a well-formed
 * stream. Swarms outside of the table's share of the hashes count as refused.
 */
int64_t transfer_import(struct swarms *swarms, uint8_t *buffer, size_t size, unsigned peers,
                        const struct swarms_timeouts *timeouts, uint32_t now,
                        struct transfer_result *result);

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A chunk: the swarms of one part (1 in TRANSFER_CHUNKS) of one appliance's tables, as one value of
 * a store. The bytes are specified in docs/snapshot-format.md.
 *
 * An encoded peer takes 8 bytes (IPv4) or 20 (IPv6), a swarm 22 and a few. last-seen is kept modulo
 * 2^14 s, which is unambiguous since no peer older than SWARMS_TIMEOUT_MAX is stored, and absolute,
 * so that swarms in which nothing happened encode to the same bytes again.
 *
 * Whoever can write to the store can write anything: the reader trusts no byte.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "seen.h"

enum {
    CHUNK_VERSION = 1,
    CHUNK_HEADER_SIZE = 64,
    CHUNK_SIZE_MAX = 256 << 20, /* bytes; half of the longest string that Redis takes by default */
};

struct chunk_header {
    uint16_t appliance; /* the writer's number */
    uint16_t chunk;
    uint32_t entries;
    uint32_t peers;
    uint32_t body_size; /* bytes */
    uint64_t epoch;     /* tells the runs of one appliance apart; a later run has a higher one */
    uint64_t sequence;  /* of this write, within the epoch */
    uint64_t layout;    /* fingerprint of the secret that maps info-hashes to chunks */
    uint64_t time;      /* wall-clock seconds of the write */
};

/* Encoding ------------------------------------------------------------------------------------- */

/* A chunk being encoded. The header's place is kept free at the front of `bytes`. */
struct chunk_writer {
    uint8_t *bytes;
    size_t size, capacity;
    uint32_t entries, peers;
};

/* Empties the writer, and keeps its memory. Zero the struct before its first use. */
void chunk_writer_reset(struct chunk_writer *writer);

/* Frees the writer's memory. */
void chunk_writer_free(struct chunk_writer *writer);

/*
 * Appends one record of a transfer stream: `swarm` and its peers. Tombstones, and peers older than
 * SWARMS_TIMEOUT_MAX, are left out; a last-seen later than `now` is stored as now.
 * 0, -ENOMEM, or -EFBIG past CHUNK_SIZE_MAX.
 */
int chunk_writer_add(struct chunk_writer *writer, const struct transfer_swarm *swarm,
                     const void *peers, struct seen_clock now);

/* A hash of all that was added: equal if nothing changed since. */
uint64_t chunk_writer_digest(const struct chunk_writer *writer);

/*
 * Completes the chunk: `bytes` and `size` of the writer are what to store. Of `header`, entries,
 * peers and body_size are the writer's. 0, or -ENOMEM.
 */
int chunk_writer_finish(struct chunk_writer *writer, const struct chunk_header *header);

/* Decoding ------------------------------------------------------------------------------------- */

struct chunk_reader {
    struct chunk_header header;
    const uint8_t *at, *end;
    uint32_t entries_left, peers_left;
};

/* A swarm of a chunk; its peers are still encoded. */
struct chunk_entry {
    const uint8_t *info_hash;
    uint8_t family; /* enum swarms_family */
    uint32_t completed;
    uint32_t peers;
    const uint8_t *records;
};

/*
 * Checks the whole of the chunk but its entries, and opens it. `bytes` must stay until the last
 * entry was read. 0, -EBADMSG (not a chunk, or damaged), or -ENOTSUP (intact, but of a newer
 * version).
 */
int chunk_reader_open(struct chunk_reader *reader, const void *bytes, size_t size);

/* The next entry: 1, 0 at the end, or -EBADMSG. */
int chunk_reader_next(struct chunk_reader *reader, struct chunk_entry *entry);

/*
 * Decodes peers [first, first + count) of an entry into transfer_ipv4 or transfer_ipv6 records at
 * `peers`, on the workers' clock; the future counts as now. Returns how many were written.
 */
uint32_t chunk_entry_peers(const struct chunk_entry *entry, uint32_t first, uint32_t count,
                           const struct seen_times *times, void *peers);

/* Bytes of an encoded peer. */
static inline size_t chunk_peer_size(unsigned family)
{
    return family == SWARMS_IPV4 ? 8 : 20;
}

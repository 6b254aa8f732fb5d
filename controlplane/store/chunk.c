/* SPDX-License-Identifier: BSD-3-Clause */
#include "chunk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "bytes.h"
#include "stored_header.h"

static const struct stored_field fields[] = {
    STORED_FIELD(struct chunk_header, appliance, 16),
    STORED_FIELD(struct chunk_header, chunk, 18),
    STORED_FIELD(struct chunk_header, body_size, 20),
    STORED_FIELD(struct chunk_header, entries, 24),
    STORED_FIELD(struct chunk_header, peers, 28),
    STORED_FIELD(struct chunk_header, epoch, 32),
    STORED_FIELD(struct chunk_header, sequence, 40),
    STORED_FIELD(struct chunk_header, layout, 48),
    STORED_FIELD(struct chunk_header, time, 56),
};

static const struct stored_format format = {
    .magic = UINT32_C(0x4b43534d), /* "MSCK" */
    .version = CHUNK_VERSION,
    .size = CHUNK_HEADER_SIZE,
    .fields = fields,
    .fields_count = sizeof(fields) / sizeof(fields[0]),
};

enum {
    INFO_HASH_SIZE = sizeof(((struct transfer_swarm *)0)->info_hash),
    ENTRY_HEAD_MAX = INFO_HASH_SIZE + 2 * BYTES_VARINT_MAX,
    ENTRY_HEAD_MIN = INFO_HASH_SIZE + 2,
    CAPACITY_MIN = 16 << 10,
};

/* Encoding ------------------------------------------------------------------------------------- */

void chunk_writer_reset(struct chunk_writer *writer)
{
    writer->size = CHUNK_HEADER_SIZE;
    writer->entries = writer->peers = 0;
}

void chunk_writer_free(struct chunk_writer *writer)
{
    free(writer->bytes);
    *writer = (struct chunk_writer){0};
}

static int writer_reserve(struct chunk_writer *writer, size_t more)
{
    size_t needed = (writer->size < CHUNK_HEADER_SIZE ? CHUNK_HEADER_SIZE : writer->size) + more;
    size_t capacity = writer->capacity ? writer->capacity : CAPACITY_MIN;
    uint8_t *bytes;

    if (needed > CHUNK_SIZE_MAX)
        return -EFBIG;
    while (capacity < needed)
        capacity *= 2;
    if (capacity == writer->capacity)
        return 0;
    bytes = realloc(writer->bytes, capacity);
    if (!bytes)
        return -ENOMEM;
    if (writer->size < CHUNK_HEADER_SIZE)
        chunk_writer_reset(writer);
    writer->bytes = bytes;
    writer->capacity = capacity;
    return 0;
}

/* False for a peer that isn't stored. */
static bool encode_state(uint32_t seen, uint8_t flags, struct seen_clock now, uint16_t *state)
{
    if (now.worker > seen && now.worker - seen > SWARMS_TIMEOUT_MAX)
        return false;
    *state = seen_encode(seen, flags, now);
    return !(flags & TRANSFER_STOPPED);
}

static uint8_t *encode_ipv4(uint8_t *at, const uint8_t *peers, uint32_t count,
                            struct seen_clock now)
{
    for (; count > 0; count--, peers += sizeof(struct transfer_ipv4)) {
        struct transfer_ipv4 peer;
        uint16_t state;

        memcpy(&peer, peers, sizeof(peer));
        if (!encode_state(peer.seen, peer.flags, now, &state))
            continue;
        memcpy(at, peer.peer, sizeof(peer.peer));
        bytes_put_u16(at + sizeof(peer.peer), state);
        at += sizeof(peer.peer) + sizeof(state);
    }
    return at;
}

static uint8_t *encode_ipv6(uint8_t *at, const uint8_t *peers, uint32_t count,
                            struct seen_clock now)
{
    for (; count > 0; count--, peers += sizeof(struct transfer_ipv6)) {
        struct transfer_ipv6 peer;
        uint16_t state;

        memcpy(&peer, peers, sizeof(peer));
        if (!encode_state(peer.seen, peer.flags, now, &state))
            continue;
        memcpy(at, peer.peer, sizeof(peer.peer));
        bytes_put_u16(at + sizeof(peer.peer), state);
        at += sizeof(peer.peer) + sizeof(state);
    }
    return at;
}

/*
 * The head comes before the peers, but its length depends on how many of them are stored: the peers
 * are encoded behind the longest head there may be, and moved up to the one there is.
 */
int chunk_writer_add(struct chunk_writer *writer, const struct transfer_swarm *swarm,
                     const void *peers, struct seen_clock now)
{
    size_t peer_size = chunk_peer_size(swarm->family);
    int error = writer_reserve(writer, ENTRY_HEAD_MAX + swarm->peers * peer_size);
    uint8_t *head, *body, *end;
    uint32_t stored;

    if (error)
        return error;
    head = writer->bytes + writer->size;
    body = head + ENTRY_HEAD_MAX;
    end = swarm->family == SWARMS_IPV4 ? encode_ipv4(body, peers, swarm->peers, now)
                                       : encode_ipv6(body, peers, swarm->peers, now);
    stored = (uint32_t)((size_t)(end - body) / peer_size);

    memcpy(head, swarm->info_hash, sizeof(swarm->info_hash));
    head += sizeof(swarm->info_hash);
    head = bytes_put_varint(head, (uint64_t)stored << 1 | swarm->family);
    head = bytes_put_varint(head, swarm->completed);
    memmove(head, body, (size_t)(end - body));

    writer->size = (size_t)(head - writer->bytes) + (size_t)(end - body);
    writer->entries++;
    writer->peers += stored;
    return 0;
}

uint64_t chunk_writer_digest(const struct chunk_writer *writer)
{
    if (writer->size <= CHUNK_HEADER_SIZE)
        return 0;
    return XXH3_64bits(writer->bytes + CHUNK_HEADER_SIZE, writer->size - CHUNK_HEADER_SIZE);
}

int chunk_writer_finish(struct chunk_writer *writer, const struct chunk_header *header)
{
    struct chunk_header complete = *header;
    int error = writer_reserve(writer, 0);

    if (error)
        return error;
    complete.entries = writer->entries;
    complete.peers = writer->peers;
    complete.body_size = (uint32_t)(writer->size - CHUNK_HEADER_SIZE);
    stored_header_seal(&format, &complete, writer->bytes, writer->size);
    return 0;
}

/* Decoding ------------------------------------------------------------------------------------- */

int chunk_reader_open(struct chunk_reader *reader, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    int error = -EBADMSG;

    if (size <= CHUNK_SIZE_MAX)
        error = stored_header_open(&format, &reader->header, at, size);
    if (error)
        return error;
    if (reader->header.body_size != size - CHUNK_HEADER_SIZE ||
        reader->header.chunk >= TRANSFER_CHUNKS)
        return -EBADMSG;
    reader->at = at + CHUNK_HEADER_SIZE;
    reader->end = at + size;
    reader->entries_left = reader->header.entries;
    reader->peers_left = reader->header.peers;
    return 0;
}

int chunk_reader_next(struct chunk_reader *reader, struct chunk_entry *entry)
{
    const uint8_t *at = reader->at;
    uint64_t head, completed;
    size_t body;

    if (reader->entries_left == 0)
        return at == reader->end && reader->peers_left == 0 ? 0 : -EBADMSG;
    if (reader->end - at < ENTRY_HEAD_MIN)
        return -EBADMSG;
    entry->info_hash = at;
    at = bytes_get_varint(at + INFO_HASH_SIZE, reader->end, (uint64_t)reader->peers_left << 1 | 1,
                          &head);
    if (!at)
        return -EBADMSG;
    at = bytes_get_varint(at, reader->end, UINT32_MAX, &completed);
    if (!at)
        return -EBADMSG;
    entry->family = head & 1 ? SWARMS_IPV6 : SWARMS_IPV4;
    entry->peers = (uint32_t)(head >> 1);
    entry->completed = (uint32_t)completed;
    entry->records = at;
    body = entry->peers * chunk_peer_size(entry->family);
    if ((size_t)(reader->end - at) < body)
        return -EBADMSG;

    reader->at = at + body;
    reader->entries_left--;
    reader->peers_left -= entry->peers;
    return 1;
}

uint32_t chunk_entry_peers(const struct chunk_entry *entry, uint32_t first, uint32_t count,
                           const struct seen_times *times, void *peers)
{
    size_t stored_size = chunk_peer_size(entry->family), address_size = stored_size - 2;
    const uint8_t *from = entry->records + first * stored_size;
    uint8_t *to = peers;
    uint32_t written = 0;

    if (first >= entry->peers)
        return 0;
    if (count > entry->peers - first)
        count = entry->peers - first;
    for (; count > 0; count--, from += stored_size) {
        uint16_t state = bytes_get_u16(from + address_size);
        uint32_t age = seen_age(state, times);
        bool reachable = bytes_get_u16(from + address_size - 2) != 0; /* port */

        if (!reachable || age > times->timeout || age > times->now.worker)
            continue;
        memcpy(to, from, address_size);
        to[address_size] = seen_flags(state);
        to[address_size + 1] = 0;
        bytes_put_u32(to + stored_size, times->now.worker - age);
        to += transfer_peer_size(entry->family);
        written++;
    }
    return written;
}

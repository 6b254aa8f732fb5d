/* SPDX-License-Identifier: BSD-3-Clause */
#include "delta_batch.h"

#include <errno.h>
#include <string.h>
#include <xxhash.h>

#include "../store/bytes.h"

/* Where the header's fields lie; the first 16 bytes are the same in every version. */
enum {
    AT_MAGIC = 0,
    AT_VERSION = 4,
    AT_HEADER_SIZE = 6,
    AT_CHECKSUM = 8, /* XXH64 of all that follows it, seeded with the first 8 bytes */
    AT_CHECKED = 16,

    AT_APPLIANCE = 16,
    AT_STREAM = 18,
    AT_RECORDS = 20,
    AT_EPOCH = 24,
    AT_SEQUENCE = 32,
    AT_BEFORE = 40,
    AT_TIME = 48,
    AT_RESERVED = 56,
};

#define MAGIC UINT32_C(0x4c44534d) /* "MSDL" */

/* The first byte of a record. */
enum {
    KIND_IPV6 = 1 << 0,
    KIND_STOPPED = 1 << 1,
    KIND_KNOWN = KIND_IPV6 | KIND_STOPPED,
};

enum {
    INFO_HASH_SIZE = 20,
    RECORD_HEAD = 1 + 2 + INFO_HASH_SIZE, /* kind, state, info-hash */
};

size_t delta_batch_begin(uint8_t *bytes)
{
    memset(bytes, 0, DELTA_BATCH_HEADER_SIZE);
    return DELTA_BATCH_HEADER_SIZE;
}

size_t delta_batch_add(uint8_t *bytes, size_t size, const struct delta *delta,
                       struct seen_clock now)
{
    uint8_t *at = bytes + size;

    at[0] = (uint8_t)((delta->family == SWARMS_IPV6 ? KIND_IPV6 : 0) |
                      (delta->flags & TRANSFER_STOPPED ? KIND_STOPPED : 0));
    bytes_put_u16(at + 1, seen_encode(delta->seen, delta->flags, now));
    memcpy(at + 3, delta->info_hash, INFO_HASH_SIZE);
    memcpy(at + RECORD_HEAD, delta->peer, swarms_peer_size(delta->family));
    return size + RECORD_HEAD + swarms_peer_size(delta->family);
}

static uint64_t checksum(const uint8_t *bytes, size_t size)
{
    return XXH64(bytes + AT_CHECKED, size - AT_CHECKED, bytes_get_u64(bytes));
}

void delta_batch_finish(uint8_t *bytes, size_t size, const struct delta_batch_header *header)
{
    bytes_put_u32(bytes + AT_MAGIC, MAGIC);
    bytes_put_u16(bytes + AT_VERSION, DELTA_BATCH_VERSION);
    bytes_put_u16(bytes + AT_HEADER_SIZE, DELTA_BATCH_HEADER_SIZE);
    bytes_put_u16(bytes + AT_APPLIANCE, header->appliance);
    bytes_put_u16(bytes + AT_STREAM, header->stream);
    bytes_put_u32(bytes + AT_RECORDS, header->records);
    bytes_put_u64(bytes + AT_EPOCH, header->epoch);
    bytes_put_u64(bytes + AT_SEQUENCE, header->sequence);
    bytes_put_u64(bytes + AT_BEFORE, header->before);
    bytes_put_u64(bytes + AT_TIME, header->time_ms);
    bytes_put_u64(bytes + AT_RESERVED, 0);
    bytes_put_u64(bytes + AT_CHECKSUM, checksum(bytes, size));
}

int delta_batch_open(struct delta_batch_reader *reader, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    uint16_t version;

    if (size < AT_CHECKED || bytes_get_u32(at + AT_MAGIC) != MAGIC ||
        bytes_get_u64(at + AT_CHECKSUM) != checksum(at, size))
        return -EBADMSG;
    version = bytes_get_u16(at + AT_VERSION);
    if (version > DELTA_BATCH_VERSION)
        return -ENOTSUP;
    if (version < 1 || size < DELTA_BATCH_HEADER_SIZE || size > DELTA_BATCH_SIZE_MAX ||
        bytes_get_u16(at + AT_HEADER_SIZE) != DELTA_BATCH_HEADER_SIZE)
        return -EBADMSG;

    reader->header = (struct delta_batch_header){
        .appliance = bytes_get_u16(at + AT_APPLIANCE),
        .stream = bytes_get_u16(at + AT_STREAM),
        .records = bytes_get_u32(at + AT_RECORDS),
        .epoch = bytes_get_u64(at + AT_EPOCH),
        .sequence = bytes_get_u64(at + AT_SEQUENCE),
        .before = bytes_get_u64(at + AT_BEFORE),
        .time_ms = bytes_get_u64(at + AT_TIME),
    };
    if (reader->header.records > DELTA_BATCH_RECORDS_MAX)
        return -EBADMSG;
    reader->at = at + DELTA_BATCH_HEADER_SIZE;
    reader->end = at + size;
    reader->left = reader->header.records;
    return 0;
}

int delta_batch_next(struct delta_batch_reader *reader, struct delta_record *record)
{
    const uint8_t *at = reader->at;
    size_t size;

    if (reader->left == 0)
        return at == reader->end ? 0 : -EBADMSG;
    if (reader->end - at < RECORD_HEAD || at[0] & ~KIND_KNOWN)
        return -EBADMSG;
    record->family = at[0] & KIND_IPV6 ? SWARMS_IPV6 : SWARMS_IPV4;
    size = RECORD_HEAD + swarms_peer_size(record->family);
    if ((size_t)(reader->end - at) < size)
        return -EBADMSG;
    record->state = bytes_get_u16(at + 1);
    record->flags = at[0] & KIND_STOPPED ? TRANSFER_STOPPED : seen_flags(record->state);
    record->info_hash = at + 3;
    record->peer = at + RECORD_HEAD;
    reader->at = at + size;
    reader->left--;
    return 1;
}

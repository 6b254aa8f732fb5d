/* SPDX-License-Identifier: BSD-3-Clause */
#include "delta_batch.h"

#include <errno.h>
#include <string.h>

#include "../store/bytes.h"
#include "../store/stored_header.h"

static const struct stored_field fields[] = {
    STORED_FIELD(struct delta_batch_header, appliance, 16),
    STORED_FIELD(struct delta_batch_header, stream, 18),
    STORED_FIELD(struct delta_batch_header, records, 20),
    STORED_FIELD(struct delta_batch_header, epoch, 24),
    STORED_FIELD(struct delta_batch_header, sequence, 32),
    STORED_FIELD(struct delta_batch_header, before, 40),
    STORED_FIELD(struct delta_batch_header, time_ms, 48),
    STORED_FIELD(struct delta_batch_header, steps_ms, 56),
};

static const struct stored_format format = {
    .magic = UINT32_C(0x4c44534d), /* "MSDL" */
    .version = DELTA_BATCH_VERSION,
    .size = DELTA_BATCH_HEADER_SIZE,
    .fields = fields,
    .fields_count = sizeof(fields) / sizeof(fields[0]),
};

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

void delta_batch_finish(uint8_t *bytes, size_t size, const struct delta_batch_header *header)
{
    stored_header_seal(&format, header, bytes, size);
}

int delta_batch_open(struct delta_batch_reader *reader, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    int error = stored_header_open(&format, &reader->header, at, size);

    if (error)
        return error;
    if (size > DELTA_BATCH_SIZE_MAX || reader->header.records > DELTA_BATCH_RECORDS_MAX)
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

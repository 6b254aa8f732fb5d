/* SPDX-License-Identifier: BSD-3-Clause */
#include "stored_header.h"

#include <errno.h>
#include <xxhash.h>

#include "bytes.h"

enum {
    AT_MAGIC = 0,
    AT_VERSION = 4,
    AT_SIZE = 6,
    AT_CHECKSUM = 8, /* XXH64 of all that follows it, seeded with the first 8 bytes */
};

static uint64_t checksum(const uint8_t *bytes, size_t size)
{
    return XXH64(bytes + STORED_HEADER_COMMON, size - STORED_HEADER_COMMON, bytes_get_u64(bytes));
}

void stored_header_seal(const struct stored_format *format, const void *values, uint8_t *bytes,
                        size_t size)
{
    memset(bytes, 0, format->size);
    bytes_put_u32(bytes + AT_MAGIC, format->magic);
    bytes_put_u16(bytes + AT_VERSION, format->version);
    bytes_put_u16(bytes + AT_SIZE, format->size);
    for (unsigned i = 0; i < format->fields_count; i++) {
        const struct stored_field *field = &format->fields[i];

        memcpy(bytes + field->at, (const uint8_t *)values + field->member, field->size);
    }
    bytes_put_u64(bytes + AT_CHECKSUM, checksum(bytes, size));
}

int stored_header_open(const struct stored_format *format, void *values, const uint8_t *bytes,
                       size_t size)
{
    uint16_t version;

    if (size < STORED_HEADER_COMMON || bytes_get_u32(bytes + AT_MAGIC) != format->magic ||
        bytes_get_u64(bytes + AT_CHECKSUM) != checksum(bytes, size))
        return -EBADMSG;
    version = bytes_get_u16(bytes + AT_VERSION);
    if (version > format->version)
        return -ENOTSUP;
    if (version < 1 || size < format->size || bytes_get_u16(bytes + AT_SIZE) != format->size)
        return -EBADMSG;
    for (unsigned i = 0; i < format->fields_count; i++) {
        const struct stored_field *field = &format->fields[i];

        memcpy((uint8_t *)values + field->member, bytes + field->at, field->size);
    }
    return 0;
}

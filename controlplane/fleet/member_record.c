/* SPDX-License-Identifier: BSD-3-Clause */
#include "member_record.h"

#include <errno.h>
#include <string.h>

#include "../store/bytes.h"
#include "../store/stored_header.h"

enum { AT_NAME = 88, STREAM_SIZE = 24 };

_Static_assert((int)AT_NAME + (int)MEMBER_NAME_SIZE == (int)MEMBER_RECORD_HEADER_SIZE,
               "streams follow the name");

static const struct stored_field fields[] = {
    STORED_FIELD(struct member_record, appliance, 16),
    STORED_FIELD(struct member_record, state, 18),
    STORED_FIELD(struct member_record, chunk_version, 20),
    STORED_FIELD(struct member_record, streams_count, 22),
    STORED_FIELD(struct member_record, instance, 24),
    STORED_FIELD(struct member_record, epoch, 32),
    STORED_FIELD(struct member_record, beat, 40),
    STORED_FIELD(struct member_record, time_ms, 48),
    STORED_FIELD(struct member_record, layout, 56),
    STORED_FIELD(struct member_record, peers, 64),
    STORED_FIELD(struct member_record, torrents, 72),
    STORED_FIELD(struct member_record, steps_ms, 80),
    STORED_FIELD(struct member_record, name, AT_NAME),
};

static const struct stored_format format = {
    .magic = UINT32_C(0x424d534d), /* "MSMB" */
    .version = MEMBER_RECORD_VERSION,
    .size = MEMBER_RECORD_HEADER_SIZE,
    .fields = fields,
    .fields_count = sizeof(fields) / sizeof(fields[0]),
};

size_t member_record_write(const struct member_record *record, uint8_t *bytes)
{
    size_t size = MEMBER_RECORD_HEADER_SIZE + STREAM_SIZE * (size_t)record->streams_count;

    for (unsigned i = 0; i < record->streams_count; i++) {
        uint8_t *at = bytes + MEMBER_RECORD_HEADER_SIZE + i * STREAM_SIZE;

        bytes_put_u64(at, record->streams[i].time_ms);
        bytes_put_u64(at + 8, record->streams[i].sequence);
        bytes_put_u64(at + 16, record->streams[i].records);
    }
    stored_header_seal(&format, record, bytes, size);
    return size;
}

/* It is shown to people: nothing but printable ASCII. */
static void clean_name(char name[MEMBER_NAME_SIZE])
{
    name[MEMBER_NAME_SIZE - 1] = '\0';
    for (char *c = name; *c; c++) {
        if (*c < ' ' || *c > '~')
            *c = '?';
    }
}

int member_record_read(struct member_record *record, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    int error;

    *record = (struct member_record){0};
    error = stored_header_open(&format, record, at, size);
    if (error)
        return error;
    clean_name(record->name);
    if (record->streams_count > MEMBER_STREAMS_MAX || record->state > MEMBER_LEAVING ||
        size != MEMBER_RECORD_HEADER_SIZE + STREAM_SIZE * (size_t)record->streams_count)
        return -EBADMSG;
    for (unsigned i = 0; i < record->streams_count; i++) {
        const uint8_t *stream = at + MEMBER_RECORD_HEADER_SIZE + i * STREAM_SIZE;

        record->streams[i] = (struct member_stream){
            .time_ms = bytes_get_u64(stream),
            .sequence = bytes_get_u64(stream + 8),
            .records = bytes_get_u64(stream + 16),
        };
    }
    return 0;
}

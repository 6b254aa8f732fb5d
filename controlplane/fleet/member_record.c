/* SPDX-License-Identifier: BSD-3-Clause */
#include "member_record.h"

#include <errno.h>
#include <string.h>
#include <xxhash.h>

#include "../store/bytes.h"

/* Where the fields lie; the first 16 bytes are the same in every version. */
enum {
    AT_MAGIC = 0,
    AT_VERSION = 4,
    AT_HEADER_SIZE = 6,
    AT_CHECKSUM = 8, /* XXH64 of all that follows it, seeded with the first 8 bytes */
    AT_CHECKED = 16,

    AT_APPLIANCE = 16,
    AT_STATE = 18,
    AT_CHUNK_VERSION = 20,
    AT_STREAMS = 22,
    AT_INSTANCE = 24,
    AT_EPOCH = 32,
    AT_BEAT = 40,
    AT_TIME = 48,
    AT_LAYOUT = 56,
    AT_PEERS = 64,
    AT_TORRENTS = 72,
    AT_RESERVED = 80,
    AT_NAME = 88,
    STREAM_SIZE = 24,
};

_Static_assert((int)AT_NAME + (int)MEMBER_NAME_SIZE == (int)MEMBER_RECORD_HEADER_SIZE,
               "streams follow the name");

#define MAGIC UINT32_C(0x424d534d) /* "MSMB" */

static uint64_t checksum(const uint8_t *bytes, size_t size)
{
    return XXH64(bytes + AT_CHECKED, size - AT_CHECKED, bytes_get_u64(bytes));
}

size_t member_record_write(const struct member_record *record, uint8_t *bytes)
{
    size_t size = MEMBER_RECORD_HEADER_SIZE + STREAM_SIZE * (size_t)record->streams_count;

    memset(bytes, 0, MEMBER_RECORD_HEADER_SIZE);
    bytes_put_u32(bytes + AT_MAGIC, MAGIC);
    bytes_put_u16(bytes + AT_VERSION, MEMBER_RECORD_VERSION);
    bytes_put_u16(bytes + AT_HEADER_SIZE, MEMBER_RECORD_HEADER_SIZE);
    bytes_put_u16(bytes + AT_APPLIANCE, record->appliance);
    bytes_put_u16(bytes + AT_STATE, record->state);
    bytes_put_u16(bytes + AT_CHUNK_VERSION, record->chunk_version);
    bytes_put_u16(bytes + AT_STREAMS, record->streams_count);
    bytes_put_u64(bytes + AT_INSTANCE, record->instance);
    bytes_put_u64(bytes + AT_EPOCH, record->epoch);
    bytes_put_u64(bytes + AT_BEAT, record->beat);
    bytes_put_u64(bytes + AT_TIME, record->time_ms);
    bytes_put_u64(bytes + AT_LAYOUT, record->layout);
    bytes_put_u64(bytes + AT_PEERS, record->peers);
    bytes_put_u64(bytes + AT_TORRENTS, record->torrents);
    memcpy(bytes + AT_NAME, record->name, strnlen(record->name, MEMBER_NAME_SIZE - 1));
    for (unsigned i = 0; i < record->streams_count; i++) {
        uint8_t *at = bytes + MEMBER_RECORD_HEADER_SIZE + i * STREAM_SIZE;

        bytes_put_u64(at, record->streams[i].time_ms);
        bytes_put_u64(at + 8, record->streams[i].sequence);
        bytes_put_u64(at + 16, record->streams[i].records);
    }
    bytes_put_u64(bytes + AT_CHECKSUM, checksum(bytes, size));
    return size;
}

static void read_header(struct member_record *record, const uint8_t *at)
{
    *record = (struct member_record){
        .appliance = bytes_get_u16(at + AT_APPLIANCE),
        .state = bytes_get_u16(at + AT_STATE),
        .chunk_version = bytes_get_u16(at + AT_CHUNK_VERSION),
        .streams_count = bytes_get_u16(at + AT_STREAMS),
        .instance = bytes_get_u64(at + AT_INSTANCE),
        .epoch = bytes_get_u64(at + AT_EPOCH),
        .beat = bytes_get_u64(at + AT_BEAT),
        .time_ms = bytes_get_u64(at + AT_TIME),
        .layout = bytes_get_u64(at + AT_LAYOUT),
        .peers = bytes_get_u64(at + AT_PEERS),
        .torrents = bytes_get_u64(at + AT_TORRENTS),
    };
    memcpy(record->name, at + AT_NAME, MEMBER_NAME_SIZE - 1);
    /* It is shown to people: nothing but printable ASCII. */
    for (char *c = record->name; *c; c++) {
        if (*c < ' ' || *c > '~')
            *c = '?';
    }
}

int member_record_read(struct member_record *record, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    uint16_t version;

    if (size < AT_CHECKED || bytes_get_u32(at + AT_MAGIC) != MAGIC ||
        bytes_get_u64(at + AT_CHECKSUM) != checksum(at, size))
        return -EBADMSG;
    version = bytes_get_u16(at + AT_VERSION);
    if (version > MEMBER_RECORD_VERSION)
        return -ENOTSUP;
    if (version < 1 || size < MEMBER_RECORD_HEADER_SIZE ||
        bytes_get_u16(at + AT_HEADER_SIZE) != MEMBER_RECORD_HEADER_SIZE)
        return -EBADMSG;

    read_header(record, at);
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

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a member of the fleet tells of itself once a second: who it is, whether it is alive, and how
 * far its streams of deltas are. The bytes are specified in docs/snapshot-format.md. The reader
 * trusts none of them.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum {
    MEMBER_RECORD_VERSION = 1,
    MEMBER_NAME_SIZE = 32,
    MEMBER_STREAMS_MAX = 64,
    MEMBER_RECORD_HEADER_SIZE = 120,
    MEMBER_RECORD_SIZE_MAX = MEMBER_RECORD_HEADER_SIZE + 24 * MEMBER_STREAMS_MAX,
};

enum member_state {
    MEMBER_STARTING, /* its tables may lack what the fleet knows */
    MEMBER_SERVING,
    MEMBER_LEAVING, /* it was stopped in order */
};

/* What a stream holds at its end. */
struct member_stream {
    uint64_t time_ms;  /* of the last batch's ID */
    uint64_t sequence; /* of the last batch; 0: none in this epoch */
    uint64_t records;  /* of the epoch, those that were lost included */
};

struct member_record {
    uint16_t appliance;
    uint16_t state;         /* enum member_state */
    uint16_t chunk_version; /* the newest that it reads */
    uint16_t streams_count;
    uint64_t instance; /* random; tells two appliances of one number apart */
    uint64_t epoch;    /* of this run; the next one's is higher */
    uint64_t beat;     /* counts up by one a second */
    uint64_t time_ms;  /* wall clock */
    int64_t steps_ms;  /* by which it was set ahead since the run began; negative: back */
    uint64_t layout;   /* see chunk.h */
    uint64_t peers, torrents;
    char name[MEMBER_NAME_SIZE]; /* for people */
    struct member_stream streams[MEMBER_STREAMS_MAX];
};

/* `bytes` has MEMBER_RECORD_SIZE_MAX. Returns the size. */
size_t member_record_write(const struct member_record *record, uint8_t *bytes);

/* 0, -EBADMSG (not a record, or damaged), or -ENOTSUP (intact, but of a newer version). */
int member_record_read(struct member_record *record, const void *bytes, size_t size);

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A swarm's record: one cache line, with the peers themselves while they are few, since most
 * torrents have one or two. Next to it in the index stand 5 bytes of a bucket that is 80 % full
 * when the table is: 70.7 bytes a torrent, peers included.
 *
 *   peers              IPv4     IPv6     where
 *   RECORD_INLINE      <= 3     1        in the record
 *   RECORD_BLOCK       <= 1536  <= 722   one block (block.h)
 *   RECORD_DIRECTORY   more     more     blocks chosen by the peer's hash (directory.h)
 *
 * Cache lines of an announce that refreshes its peer and gets 30 (IPv4):
 *
 *                      index  record  directory  slots  own entry  windows  in all
 *   inline             1      1       -          -      -          -        2
 *   block of 8..48     1      1       -          -      1..6 with the windows 3..8
 *   larger block       1      1       -          1      1          4..6     8..10
 *   directory          1      1       2          1      1          4..6     10..12
 */
#pragma once

#include <stdint.h>

#include "swarms.h"

enum record_form {
    RECORD_FREE = 0,
    RECORD_INLINE,
    RECORD_BLOCK,
    RECORD_DIRECTORY,
    RECORD_FORMS,
};

/* Whether peers lie outside of the record. */
static inline bool record_has_blocks(enum record_form form)
{
    return form == RECORD_BLOCK || form == RECORD_DIRECTORY;
}

enum {
    RECORD_INLINE_BYTES = 24,
    /* Announces are counted for the rate in windows of this many seconds. */
    RECORD_RATE_WINDOW = 64,
};

struct record {
    uint8_t info_hash[20];
    uint32_t completed; /* downloads */
    uint32_t peers;     /* seeders included */
    uint32_t seeders;
    uint32_t touched;                   /* second of the last announce */
    uint8_t form;                       /* enum record_form */
    uint8_t family : 1, size_class : 7; /* class: the slab's, of the block or directory */
    uint16_t rate; /* announces in this rate window, and a decayed rest of those before */
    union {
        uint8_t entries[RECORD_INLINE_BYTES];
        uint32_t block; /* line of the block */
        struct {
            uint32_t directory; /* line of the directory */
            uint32_t blocks;    /* in it */
            uint16_t bounds[2]; /* at least the most seeders, and leechers, in any of them */
        };
    };
};

_Static_assert(sizeof(struct record) == 64, "a swarm's record is one cache line");
_Static_assert(offsetof(struct record, entries) % 8 == 0, "inline entries are loaded as words");

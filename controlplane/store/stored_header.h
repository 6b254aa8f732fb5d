/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What everything stored begins with: magic, version, size of the header, a checksum of all that
 * follows, and the fields of its format. The first 16 bytes are the same in every version, so that
 * an intact value of a newer version can be told from a damaged one. The bytes are specified in
 * docs/snapshot-format.md.
 *
 * One table of fields serves writing and reading.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { STORED_HEADER_COMMON = 16 }; /* bytes that all formats share; fields come behind them */

struct stored_field {
    uint16_t at;     /* in the header */
    uint16_t size;   /* bytes */
    uint16_t member; /* where it lies in the struct of the format */
};

#define STORED_FIELD(type, name, position)                                                         \
    {                                                                                              \
        .at = (position), .size = sizeof(((type *)0)->name), .member = offsetof(type, name)        \
    }

struct stored_format {
    uint32_t magic;
    uint16_t version; /* that we write, and the newest that we read */
    uint16_t size;    /* bytes of the header */
    unsigned fields_count;
    const struct stored_field *fields;
};

/* Completes `size` bytes, of which the header's are overwritten, from the struct of the format. */
void stored_header_seal(const struct stored_format *format, const void *values, uint8_t *bytes,
                        size_t size);

/*
 * Checks the bytes, and reads the fields into the struct of the format; the rest of it is left
 * alone. 0, -EBADMSG (something else, or damaged), or -ENOTSUP (intact, but of a newer version).
 */
int stored_header_open(const struct stored_format *format, void *values, const uint8_t *bytes,
                       size_t size);

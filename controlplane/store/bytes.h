/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Little-endian integers, fixed and variable (LEB128: 7 bits a byte, the lowest first), in and out
 * of bytes that need not be aligned.
 */
#pragma once

#include <stdint.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "stored and native order are the same");

enum { BYTES_VARINT_MAX = 10 };

#define BYTES_ACCESSORS(bits)                                                                      \
    static inline uint##bits##_t bytes_get_u##bits(const uint8_t *at)                              \
    {                                                                                              \
        uint##bits##_t value;                                                                      \
                                                                                                   \
        memcpy(&value, at, sizeof(value));                                                         \
        return value;                                                                              \
    }                                                                                              \
    static inline void bytes_put_u##bits(uint8_t *at, uint##bits##_t value)                        \
    {                                                                                              \
        memcpy(at, &value, sizeof(value));                                                         \
    }

BYTES_ACCESSORS(16)
BYTES_ACCESSORS(32)
BYTES_ACCESSORS(64)

/* Writes at most BYTES_VARINT_MAX bytes; returns where they end. */
static inline uint8_t *bytes_put_varint(uint8_t *at, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        *at++ = (uint8_t)(value | 0x80);
    *at++ = (uint8_t)value;
    return at;
}

/* Reads one; returns where it ends, or NULL if it runs past `end`, past `max`, or is longer than
 * needed. */
static inline const uint8_t *bytes_get_varint(const uint8_t *at, const uint8_t *end, uint64_t max,
                                              uint64_t *value)
{
    uint64_t sum = 0;

    for (unsigned shift = 0; at < end && shift < 63; shift += 7) {
        uint8_t byte = *at++;

        sum |= (uint64_t)(byte & 0x7f) << shift;
        if (byte & 0x80)
            continue;
        if (sum > max || (byte == 0 && shift > 0))
            return NULL;
        *value = sum;
        return at;
    }
    return NULL;
}

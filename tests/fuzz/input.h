/* SPDX-License-Identifier: BSD-3-Clause */
/* A fuzzer's input, read from front to back; zeros behind its end. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct input {
    const uint8_t *at, *end;
};

static inline size_t input_left(const struct input *input)
{
    return (size_t)(input->end - input->at);
}

static inline uint8_t input_u8(struct input *input)
{
    return input->at < input->end ? *input->at++ : 0;
}

static inline uint16_t input_u16(struct input *input)
{
    uint16_t high = input_u8(input);

    return (uint16_t)(high << 8 | input_u8(input));
}

static inline uint32_t input_u32(struct input *input)
{
    uint32_t high = input_u16(input);

    return high << 16 | input_u16(input);
}

/* At most what is left; returns how many bytes. */
static inline size_t input_bytes(struct input *input, void *into, size_t size)
{
    if (size > input_left(input))
        size = input_left(input);
    if (size > 0)
        memcpy(into, input->at, size);
    input->at += size;
    return size;
}

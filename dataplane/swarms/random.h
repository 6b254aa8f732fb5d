/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random numbers for choosing peers: fast and evenly spread, not secret. A worker owns its state.
 *
 * Source: Wang Yi, wyhash (its generator "wyrand").
 */
#pragma once

#include <stdint.h>

static inline uint64_t random_next(uint64_t *state)
{
    unsigned __int128 product;

    *state += UINT64_C(0xa0761d6478bd642f);
    product = (unsigned __int128)*state * (*state ^ UINT64_C(0xe7037ed1a0b428db));
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* A number in [0, limit) from 32 random bits. Off from even by less than limit / 2^32. */
static inline uint32_t random_below(uint32_t random, uint32_t limit)
{
    return (uint32_t)((uint64_t)random * limit >> 32);
}

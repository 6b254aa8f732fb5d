/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random numbers for choosing peers: fast and evenly spread, not secret. A worker owns its state.
 *
 * Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (SplitMix64).
 */
#pragma once

#include <stdint.h>

static inline uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* A number in [0, limit) from 32 random bits. Off from even by less than limit / 2^32. */
static inline uint32_t random_below(uint32_t random, uint32_t limit)
{
    return (uint32_t)((uint64_t)random * limit >> 32);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Random numbers for load, not for secrets: fast, and the same in every run. */
#pragma once

#include <stdint.h>

/* Well-mixed bits of a number: the finalizer of SplitMix64 (Steele, Lea, Flood 2014). */
static inline uint64_t random_mix(uint64_t number)
{
    number += UINT64_C(0x9e3779b97f4a7c15);
    number = (number ^ number >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    number = (number ^ number >> 27) * UINT64_C(0x94d049bb133111eb);
    return number ^ number >> 31;
}

/* The next of a stream; `state` is any seed. */
static inline uint64_t random_next(uint64_t *state)
{
    uint64_t number = *state;

    *state += UINT64_C(0x9e3779b97f4a7c15);
    return random_mix(number);
}

/* Below `bound`, from 64 random bits. */
static inline uint64_t random_below(uint64_t bits, uint64_t bound)
{
    return (uint64_t)((unsigned __int128)bits * bound >> 64);
}

/* In [0, 1). */
static inline double random_unit(uint64_t bits)
{
    return (double)(bits >> 11) * 0x1p-53;
}

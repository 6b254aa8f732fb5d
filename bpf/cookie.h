/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connection IDs (BEP 15 "connection_id") without state: one implementation for XDP and for the
 * workers, so that any of them, on any appliance of a fleet, can check what another issued.
 *
 *   bits 63..56   the low 8 bits of the epoch in which the ID was issued
 *   bits 55..0    the low 56 bits of SipHash-2-4(key of that epoch, epoch || source address)
 *
 * An epoch is COOKIE_EPOCH_SECONDS of wall-clock time. An ID is honoured in the epoch that issued
 * it and in the COOKIE_EPOCHS_HONOURED that follow: for at least two minutes and at most three. One
 * epoch ahead is honoured, too: the clocks of a fleet differ a little.
 *
 * The source port takes no part: clients share an ID among their sockets.
 *
 * Source: BEP 15; Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012).
 */
#pragma once

#include <stdint.h>

enum {
    COOKIE_EPOCH_SECONDS = 60,
    COOKIE_EPOCHS_HONOURED = 2, /* older than the current one; lower breaks BEP 15's two minutes */
    COOKIE_EPOCHS_AHEAD = 1,    /* what a fleet's clocks may differ by */
};

/* A SipHash key and the first epoch that it signs. */
struct cookie_key {
    uint64_t k0, k1;
    uint64_t since; /* epoch */
};

/* All that issuing and checking need; the control plane publishes it to XDP and to the workers. */
struct cookie_state {
    uint64_t epoch; /* now, wall-clock seconds / COOKIE_EPOCH_SECONDS */
    struct cookie_key current;
    struct cookie_key previous; /* signs the epochs before current.since */
};

#define COOKIE_TAG_MASK UINT64_C(0x00ffffffffffffff)

#define COOKIE_ROTL(x, b) (((x) << (b)) | ((x) >> (64 - (b))))

#define COOKIE_SIPROUND(v0, v1, v2, v3)                                                            \
    do {                                                                                           \
        v0 += v1;                                                                                  \
        v2 += v3;                                                                                  \
        v1 = COOKIE_ROTL(v1, 13) ^ v0;                                                             \
        v3 = COOKIE_ROTL(v3, 16) ^ v2;                                                             \
        v0 = COOKIE_ROTL(v0, 32);                                                                  \
        v2 += v1;                                                                                  \
        v0 += v3;                                                                                  \
        v1 = COOKIE_ROTL(v1, 17) ^ v2;                                                             \
        v3 = COOKIE_ROTL(v3, 21) ^ v0;                                                             \
        v2 = COOKIE_ROTL(v2, 32);                                                                  \
    } while (0)

#define COOKIE_SIPBLOCK(m, v0, v1, v2, v3)                                                         \
    do {                                                                                           \
        v3 ^= (m);                                                                                 \
        COOKIE_SIPROUND(v0, v1, v2, v3);                                                           \
        COOKIE_SIPROUND(v0, v1, v2, v3);                                                           \
        v0 ^= (m);                                                                                 \
    } while (0)

#define COOKIE_SIPINIT(k0, k1, v0, v1, v2, v3)                                                     \
    do {                                                                                           \
        v0 = (k0) ^ UINT64_C(0x736f6d6570736575);                                                  \
        v1 = (k1) ^ UINT64_C(0x646f72616e646f6d);                                                  \
        v2 = (k0) ^ UINT64_C(0x6c7967656e657261);                                                  \
        v3 = (k1) ^ UINT64_C(0x7465646279746573);                                                  \
    } while (0)

#define COOKIE_SIPFINISH(v0, v1, v2, v3)                                                           \
    do {                                                                                           \
        v2 ^= 0xff;                                                                                \
        COOKIE_SIPROUND(v0, v1, v2, v3);                                                           \
        COOKIE_SIPROUND(v0, v1, v2, v3);                                                           \
        COOKIE_SIPROUND(v0, v1, v2, v3);                                                           \
        COOKIE_SIPROUND(v0, v1, v2, v3);                                                           \
    } while (0)

/* SipHash-2-4 of `blocks` (1 or 3) little-endian 8-byte blocks. */
static inline __attribute__((always_inline)) uint64_t
cookie_siphash(const struct cookie_key *key, uint64_t m0, uint64_t m1, uint64_t m2, int blocks)
{
    uint64_t length = (uint64_t)blocks * 8 << 56;
    uint64_t v0, v1, v2, v3;

    COOKIE_SIPINIT(key->k0, key->k1, v0, v1, v2, v3);
    COOKIE_SIPBLOCK(m0, v0, v1, v2, v3);
    if (blocks == 3) {
        COOKIE_SIPBLOCK(m1, v0, v1, v2, v3);
        COOKIE_SIPBLOCK(m2, v0, v1, v2, v3);
    }
    COOKIE_SIPBLOCK(length, v0, v1, v2, v3);
    COOKIE_SIPFINISH(v0, v1, v2, v3);
    return v0 ^ v1 ^ v2 ^ v3;
}

static inline __attribute__((always_inline)) const struct cookie_key *
cookie_key_of(const struct cookie_state *state, uint64_t epoch)
{
    return epoch >= state->current.since ? &state->current : &state->previous;
}

/* The ID issued in `epoch` to an IPv4 source (`address` as it stands in the packet). */
static inline __attribute__((always_inline)) uint64_t cookie_ipv4(const struct cookie_state *state,
                                                                  uint64_t epoch, uint32_t address)
{
    uint64_t tag = cookie_siphash(cookie_key_of(state, epoch), epoch << 32 | address, 0, 0, 1);

    return epoch << 56 | (tag & COOKIE_TAG_MASK);
}

/* The same for an IPv6 source; `high` and `low` are the address's two halves as loaded. */
static inline __attribute__((always_inline)) uint64_t
cookie_ipv6(const struct cookie_state *state, uint64_t epoch, uint64_t high, uint64_t low)
{
    uint64_t tag = cookie_siphash(cookie_key_of(state, epoch), epoch, high, low, 3);

    return epoch << 56 | (tag & COOKIE_TAG_MASK);
}

/*
 * The epoch that `id` claims, told from its 8 bits: the one nearest to now.
 * Sets *fresh to 0 when an ID of that epoch isn't honoured (any more).
 */
static inline __attribute__((always_inline)) uint64_t
cookie_claimed_epoch(const struct cookie_state *state, uint64_t id, int *fresh)
{
    int8_t age = (int8_t)((uint8_t)state->epoch - (uint8_t)(id >> 56));

    *fresh = age >= -COOKIE_EPOCHS_AHEAD && age <= COOKIE_EPOCHS_HONOURED;
    return state->epoch - (uint64_t)(int64_t)age;
}

/* 1 when `id` (host byte order) was issued to this source and is still honoured, else 0. */
static inline __attribute__((always_inline)) int cookie_valid_ipv4(const struct cookie_state *state,
                                                                   uint64_t id, uint32_t address)
{
    int fresh;
    uint64_t epoch = cookie_claimed_epoch(state, id, &fresh);

    return fresh && cookie_ipv4(state, epoch, address) == id;
}

static inline __attribute__((always_inline)) int
cookie_valid_ipv6(const struct cookie_state *state, uint64_t id, uint64_t high, uint64_t low)
{
    int fresh;
    uint64_t epoch = cookie_claimed_epoch(state, id, &fresh);

    return fresh && cookie_ipv6(state, epoch, high, low) == id;
}

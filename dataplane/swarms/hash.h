/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Keyed hashes of info-hashes and of peers: who doesn't know the secret can't choose buckets or
 * slots.
 *
 * Source: XXH3, https://github.com/Cyan4973/xxHash (withSecret).
 */
#pragma once

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "swarms.h"

static inline uint64_t hash_info_hash(const struct swarms_secret *secret, const uint8_t *info_hash)
{
    return XXH3_64bits_withSecret(info_hash, 20, secret->bytes, sizeof(secret->bytes));
}

static inline uint64_t hash_multiply(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t hash_key(const struct swarms_secret *secret, unsigned number)
{
    uint64_t key;

    memcpy(&key, secret->bytes + number * sizeof(key), sizeof(key));
    return key;
}

/*
 * Of a peer's address and port. The uses share no bits: 0..31 say its slot in the block, 32..36 are
 * its tag there, 40..63 choose its block in a directory.
 *
 * An IPv4 peer is one word: two multiplications by secret numbers, as XXH3 does inside, spread it
 * in a third of the time.
 */
static inline uint64_t hash_peer(const struct swarms_secret *secret, unsigned family,
                                 const uint8_t *peer)
{
    uint64_t word;
    uint32_t address;
    uint16_t port;

    if (family == SWARMS_IPV6)
        return XXH3_64bits_withSecret(peer, 18, secret->bytes, sizeof(secret->bytes));
    memcpy(&address, peer, sizeof(address));
    memcpy(&port, peer + sizeof(address), sizeof(port));
    word = (uint64_t)port << 32 | address;
    word = hash_multiply(word ^ hash_key(secret, 0), hash_key(secret, 1) | 1);
    return hash_multiply(word, hash_key(secret, 2) | 1);
}

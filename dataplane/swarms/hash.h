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

/*
 * Of a peer's address and port. The uses share no bits: 0..31 say its slot in the block, 32..36 are
 * its tag there, 40..63 choose its block in a directory.
 */
static inline uint64_t hash_peer(const struct swarms_secret *secret, unsigned family,
                                 const uint8_t *peer)
{
    if (family == SWARMS_IPV4)
        return XXH3_64bits_withSecret(peer, 6, secret->bytes, sizeof(secret->bytes));
    return XXH3_64bits_withSecret(peer, 18, secret->bytes, sizeof(secret->bytes));
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A set of info-hashes that are allowed, or denied: immutable, so that all workers may read it
 * while the control plane builds the next one.
 *
 * The hashes lie sorted, 20 bytes each, behind an index of their first bits that has a 4-byte entry
 * for every 2 to 4 hashes: 21 to 22 bytes a hash. A look-up touches one line of the index and one
 * or two of the hashes. A list made to share first bits costs a binary search among those.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "../bpf/wire.h"

enum { ACCESS_SET_BURST = 64 };

struct access_set;

/*
 * Copies and sorts `count` info-hashes, in any order, repetitions allowed. NULL when out of memory,
 * or for more than 2^32 - 1 of them. Takes about a second for ten million.
 */
struct access_set *access_set_build(const uint8_t (*info_hashes)[BEP15_INFO_HASH_SIZE],
                                    size_t count);
void access_set_free(struct access_set *set);

/* Looks up to ACCESS_SET_BURST info-hashes up at once: bit i of the result says that i is in the
 * set. */
uint64_t access_set_contains(const struct access_set *set, const uint8_t *const info_hashes[],
                             unsigned count);

/* Without repetitions; in ascending order of bytes. */
size_t access_set_count(const struct access_set *set);
const uint8_t (*access_set_hashes(const struct access_set *set))[BEP15_INFO_HASH_SIZE];

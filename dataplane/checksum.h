/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sums of RFC 1071 over bytes in the order of memory, which need no swapping on either side: 32
 * bits at a time into 64, so that there are no carries to follow.
 */
#pragma once

#include "request.h"

static inline uint64_t checksum_add(uint64_t words)
{
    return (words & 0xffffffff) + (words >> 32);
}

/*
 * Its 16 bits, not yet complemented. A number plus itself with its halves changed has both halves'
 * sum in the upper one, and what that carries out has come in from the lower one.
 */
static inline uint16_t checksum_fold(uint64_t sum)
{
    uint32_t folded;

    sum += sum << 32 | sum >> 32;
    folded = (uint32_t)(sum >> 32);
    folded += folded << 16 | folded >> 16;
    return (uint16_t)(folded >> 16);
}

/*
 * sums[i] becomes the sum of the payload of requests[i], payload_length bytes; not of those whose
 * port computes checksums. With AVX-512 a reply of up to 256 bytes is summed without a branch.
 */
void checksum_payloads(struct request *const requests[], unsigned count, uint64_t sums[]);

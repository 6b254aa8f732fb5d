/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Banned prefixes, for ports without XDP in front. Immutable: the control plane builds a new set
 * for every change, and swaps it in with the settings.
 *
 * Prefixes may nest and end at different times: a source is banned while any prefix that covers it
 * is. A look-up is a binary search among at most 2n + 1 ranges: 10 ns for a thousand prefixes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BAN_FOR_GOOD UINT64_MAX

struct ban {
    uint8_t family;    /* 4 or 6 */
    uint8_t length;    /* of the prefix, bits */
    uint8_t bytes[16]; /* network byte order, IPv4 in the first four; zeros behind the prefix */
    uint64_t until;    /* CLOCK_MONOTONIC, nanoseconds; BAN_FOR_GOOD */
};

/* For qsort(): by family and address, and what covers before what it covers. Ends don't matter. */
int ban_compare(const void *a, const void *b);

bool ban_covers(const struct ban *outer, const struct ban *inner);

struct ban_set;

/* NULL without memory. The order of `bans` is of no matter. */
struct ban_set *ban_set_create(const struct ban *bans, size_t count);
void ban_set_free(struct ban_set *set);

/* `set` may be NULL: nobody is banned. `now` as `until`; `address` in network byte order. */
bool ban_set_holds_ipv4(const struct ban_set *set, const uint8_t address[4], uint64_t now);
bool ban_set_holds_ipv6(const struct ban_set *set, const uint8_t address[16], uint64_t now);

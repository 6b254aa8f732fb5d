/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who has stopped lately, here or at another member: so that a record which is older than that,
 * from a snapshot or a stream that lags, doesn't bring a peer back from the dead. The tables
 * themselves forget a peer that stops.
 *
 * Fixed memory: 2^20 tombstones, 16 MiB. A bucket that is full forgets its oldest; at 1000 stops a
 * second that is after some 15 minutes, far longer than a snapshot takes to catch up.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../../dataplane/swarms/swarms.h"

struct tombstones;

/* NULL when out of memory. */
struct tombstones *tombstones_new(void);
void tombstones_free(struct tombstones *tombstones);

/* The peer stopped at `seen`, on the clock of the tables. */
void tombstones_add(struct tombstones *tombstones, const uint8_t *info_hash, uint8_t family,
                    const uint8_t *peer, uint32_t seen);

/* When it stopped last, as far as known; 0: never. */
uint32_t tombstones_find(const struct tombstones *tombstones, const uint8_t *info_hash,
                         uint8_t family, const uint8_t *peer);

/*
 * Takes the peers that stopped at or after they were seen out of `peers`, which are transfer_ipv4
 * or transfer_ipv6 records; returns how many are left.
 */
uint32_t tombstones_filter(const struct tombstones *tombstones, const uint8_t *info_hash,
                           uint8_t family, void *peers, uint32_t count);

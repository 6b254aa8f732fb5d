/* SPDX-License-Identifier: BSD-3-Clause */
/* Everybody who may send a request: the peers of a workload, and what the tracker gave them. */
#pragma once

#include "../workload/workload.h"

/* One cache line, for a request takes a random one of millions. */
struct client {
    struct workload_peer peer;
    uint8_t info_hash[BEP15_INFO_HASH_SIZE];
    uint64_t connection_id; /* host byte order */
    uint32_t connected; /* when it was issued: seconds of the load's clock, at least 1; 0: never */
} __attribute__((aligned(64)));

_Static_assert(sizeof(struct client) == 64, "a client is a cache line");

/* On huge pages if there are any. NULL when there isn't enough memory. */
struct client *clients_make(const struct workload *workload);
void clients_free(struct client *clients, const struct workload *workload);

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The addresses and ports that the tracker answers at: few, fixed at start, shared by all workers.
 * Looked up once a packet by a scan: 2 ns for a handful, 10 ns for DATAPLANE_LISTEN_MAX.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../bpf/rules.h"
#include "dataplane.h"

/* All in network byte order. A wildcard (0.0.0.0, ::) stands for every unicast address. */
struct listen_table {
    unsigned ipv4_count, ipv6_count;
    struct listen_ipv4 {
        uint32_t address;
        uint16_t port;
    } ipv4[DATAPLANE_LISTEN_MAX];
    struct listen_ipv6 {
        uint64_t high, low;
        uint16_t port;
    } ipv6[DATAPLANE_LISTEN_MAX];
};

/* -EINVAL: too many, an unknown family, port 0, or an address that is not unicast. */
int listen_init(struct listen_table *listen, const struct dataplane_address *addresses,
                unsigned count);

/* Rule 10 of bpf/rules.h, for the destination of a packet. */
static inline bool listen_match_ipv4(const struct listen_table *listen, uint32_t address,
                                     uint16_t port)
{
    for (unsigned i = 0; i < listen->ipv4_count; i++) {
        const struct listen_ipv4 *entry = &listen->ipv4[i];

        if (entry->port == port && (entry->address == address || entry->address == 0))
            return rules_ipv4_unicast(address);
    }
    return false;
}

static inline bool listen_match_ipv6(const struct listen_table *listen, uint64_t high, uint64_t low,
                                     uint16_t port)
{
    for (unsigned i = 0; i < listen->ipv6_count; i++) {
        const struct listen_ipv6 *entry = &listen->ipv6[i];

        if (entry->port != port)
            continue;
        if ((entry->high == high && entry->low == low) || (entry->high | entry->low) == 0)
            return rules_ipv6_unicast(high);
    }
    return false;
}

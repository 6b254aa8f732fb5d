/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests as frames: Ethernet, IPv4 or IPv6, UDP, BEP 15. Headers come from templates made once;
 * the IPv4 header's checksum is right, and the UDP checksum is left out (IPv4; RFC 768 allows it)
 * or right (IPv6; RFC 8200 demands it).
 */
#pragma once

#include "workload.h"

enum {
    FRAME_BYTES_MAX = 512,
    FRAME_HEADERS_MAX = 14 + 40 + 8,
};

/* Where the tracker is. */
struct frame_tracker {
    uint8_t ethernet[6], client_ethernet[6];
    uint8_t ipv4[4], ipv6[16];
    uint16_t port; /* host byte order */
};

struct frame_templates {
    uint8_t headers[2][FRAME_HEADERS_MAX]; /* by family */
    uint32_t ipv4_sum;                     /* of the IPv4 header without address and length */
};

struct frame_announce {
    uint64_t connection_id;  /* host byte order */
    uint32_t transaction_id; /* any byte order */
    const uint8_t *info_hash;
    enum bep15_event event;
    uint64_t left;
    int32_t numwant;
};

void frame_templates_init(struct frame_templates *templates, const struct frame_tracker *tracker);

/* Each writes a whole request of `peer` and returns its length. */
unsigned frame_connect(const struct frame_templates *templates, const struct workload_peer *peer,
                       uint32_t transaction_id, uint8_t *frame);
unsigned frame_announce(const struct frame_templates *templates, const struct workload_peer *peer,
                        const struct frame_announce *announce, uint8_t *frame);
/* At most WORKLOAD_SCRAPE_MAX torrents. */
unsigned frame_scrape(const struct frame_templates *templates, const struct workload_peer *peer,
                      uint64_t connection_id, uint32_t transaction_id, const uint32_t torrents[],
                      unsigned count, uint8_t *frame);

/* RFC 1071: adds 16-bit words in memory's order to a sum, and makes a checksum of it. */
uint32_t frame_sum(const void *data, unsigned length, uint32_t sum);
uint16_t frame_checksum(uint32_t sum);

/* Offset of the BEP 15 message. */
static inline unsigned frame_payload(unsigned family)
{
    return (unsigned)(sizeof(struct wire_eth) + sizeof(struct wire_udp)) +
           (unsigned)(family == SWARMS_IPV4 ? sizeof(struct wire_ipv4) : sizeof(struct wire_ipv6));
}

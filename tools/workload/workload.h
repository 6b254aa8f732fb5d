/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The populations and requests that Muster is measured with. A peer is a number, and all about it
 * is computed from that number: fifty million of them take no memory, and every run, of any tool,
 * has the same ones.
 *
 * In all workloads, as in aquatic_udp_load_test, each peer is on one torrent; an announce is by a
 * peer drawn uniformly; it is a seeder with probability 0.75, drawn anew at each announce (event
 * "completed" and left 0, else "started" and left 50): harder on the tables than real clients, who
 * turn seeder once.
 *
 *   aquatic     1 M torrents, 2 M peers, torrent i with weight 0.5 + exp(6.5 - 500 i / N);
 *               connect/announce/scrape 0/100/1, as in aquatic's published tables
 *   opentrackr  10 M torrents, 25 M peers: one on each torrent, the rest with weight 1 / (i + 100);
 *               20 % of the peers IPv6; connect/announce/scrape 50/50/1; asks for 50 peers
 *   huge        10 M torrents, 50 M peers: one on each torrent, the rest as in aquatic
 *   hot         1 torrent, 1 M peers
 *   tiny        8 M torrents, 1.28 peers each: one on each torrent, the rest anywhere
 *
 * Source: aquatic, crates/udp_load_test (config and utils).
 */
#pragma once

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "../../bpf/wire.h"
#include "../../dataplane/swarms/swarms.h"
#include "random.h"

enum workload_shape { WORKLOAD_AQUATIC, WORKLOAD_LONG_TAIL, WORKLOAD_EVEN };

struct workload {
    const char *name;
    uint32_t torrents;
    uint32_t peers;
    enum workload_shape shape; /* how the peers spread over the torrents */
    uint32_t first_peers;      /* peers below this number are on the torrent of their number */
    uint32_t ipv6_percent;
    uint16_t numwant;
    uint32_t connects, announces, scrapes; /* weights of the requests */

    /* Of the shape; computed by workload_find() and workload_scale(). */
    double even_share, range;
};

struct workload_peer {
    uint32_t torrent;
    uint8_t family;                   /* enum swarms_family */
    uint8_t address[SWARMS_PEER_MAX]; /* address and port, as on the wire */
};

/* Counts over all peers. */
struct workload_census {
    uint32_t swarms[2], peers[2]; /* by family */
    uint32_t largest;             /* peers of the largest swarm */
};

enum {
    WORKLOAD_PEERS_MAX = 1 << 26,
    WORKLOAD_SEEDER_PERCENT = 75,
    WORKLOAD_SCRAPE_MAX = 10,

    /* IPv4 peers are in 10.0.0.0/8: the low bits of the number are in the address, the others, and
     * random bits, in the port. IPv6 peers are in 2001:db8::/32. Both are nobody's. */
    WORKLOAD_IPV4_NETWORK = 10,
    WORKLOAD_IPV4_BITS = 24,
    WORKLOAD_PORT_FIRST = 16384,
    WORKLOAD_PORT_RANDOM_BITS = 13,
};

/* 0, or -1 if there is none of that name. */
int workload_find(const char *name, struct workload *workload);

/* The names, for a usage message. */
const char *workload_names(void);

/* Changes the numbers of torrents and peers; 0 keeps one. First peers keep their proportion. */
void workload_scale(struct workload *workload, uint32_t torrents, uint32_t peers);

void workload_peer(const struct workload *workload, uint32_t number, struct workload_peer *peer);

/* The number of the IPv4 peer with this address and port, if there is one at all. */
static inline uint32_t workload_number_ipv4(const uint8_t peer[BEP15_PEER_IPV4_SIZE])
{
    uint32_t address;
    uint16_t port;

    memcpy(&address, peer, sizeof(address));
    memcpy(&port, peer + sizeof(address), sizeof(port));
    address = be32toh(address) & ((1u << WORKLOAD_IPV4_BITS) - 1);
    return address | (uint32_t)(be16toh(port) - WORKLOAD_PORT_FIRST) >> WORKLOAD_PORT_RANDOM_BITS
                                                                            << WORKLOAD_IPV4_BITS;
}

/* The address and port of a number, as on the wire: address in the low 32 bits. */
static inline uint64_t workload_address_ipv4(uint32_t number)
{
    uint32_t address = (uint32_t)WORKLOAD_IPV4_NETWORK << WORKLOAD_IPV4_BITS |
                       (number & ((1u << WORKLOAD_IPV4_BITS) - 1));
    uint32_t random = number * UINT32_C(0x9e3779b1) >> (32 - WORKLOAD_PORT_RANDOM_BITS);
    uint32_t port =
        WORKLOAD_PORT_FIRST + (number >> WORKLOAD_IPV4_BITS << WORKLOAD_PORT_RANDOM_BITS | random);

    return htobe32(address) | (uint64_t)htobe16((uint16_t)port) << 32;
}

/* True when there is a peer of that address and port; it may be an IPv6 one by its number. */
static inline bool workload_has_ipv4(const struct workload *workload,
                                     const uint8_t peer[BEP15_PEER_IPV4_SIZE], uint32_t number)
{
    uint32_t address;
    uint16_t port;

    memcpy(&address, peer, sizeof(address));
    memcpy(&port, peer + sizeof(address), sizeof(port));
    return (number < workload->peers) &
           (workload_address_ipv4(number) == (address | (uint64_t)port << 32));
}

/* A torrent for a scrape: drawn as the peers' are. `bits` are random. */
uint32_t workload_torrent(const struct workload *workload, uint64_t bits);

void workload_info_hash(uint32_t torrent, uint8_t info_hash[BEP15_INFO_HASH_SIZE]);

/* Goes through all peers. 0 or -ENOMEM. */
int workload_count(const struct workload *workload, struct workload_census *census);

/* Caps for the tables that hold this population and `headroom` percent more. */
void workload_limits(const struct workload_census *census, unsigned headroom,
                     struct swarms_limits *limits);

/* SPDX-License-Identifier: BSD-3-Clause */
#include "workload.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

static const struct workload workloads[] = {
    {.name = "aquatic",
     .torrents = 1000000,
     .peers = 2000000,
     .shape = WORKLOAD_AQUATIC,
     .numwant = 30,
     .announces = 100,
     .scrapes = 1},
    {.name = "opentrackr",
     .torrents = 10000000,
     .peers = 25000000,
     .shape = WORKLOAD_LONG_TAIL,
     .first_peers = 10000000,
     .ipv6_percent = 20,
     .numwant = 50,
     .connects = 50,
     .announces = 50,
     .scrapes = 1},
    {.name = "huge",
     .torrents = 10000000,
     .peers = 50000000,
     .shape = WORKLOAD_AQUATIC,
     .first_peers = 10000000,
     .numwant = 30,
     .announces = 100,
     .scrapes = 1},
    {.name = "hot",
     .torrents = 1,
     .peers = 1000000,
     .shape = WORKLOAD_EVEN,
     .numwant = 30,
     .announces = 100,
     .scrapes = 1},
    {.name = "tiny",
     .torrents = 8000000,
     .peers = 10240000,
     .shape = WORKLOAD_EVEN,
     .first_peers = 8000000,
     .numwant = 30,
     .announces = 100,
     .scrapes = 1},
};

/* Of aquatic's weights: 0.5 for each torrent, and an exponential that falls by e every N / 500. */
static const double aquatic_even = 0.5, aquatic_peak = 6.5, aquatic_slope = 500;

/* Of the long tail's: the higher, the smaller the largest swarm. */
static const double long_tail_offset = 100;

static const uint8_t ipv6_network[4] = {0x20, 0x01, 0x0d, 0xb8};

/* What a peer's number decides, each with random bits of its own. */
enum { SALT_TORRENT = 1, SALT_FAMILY = 2, SALT_ADDRESS = 3, SALT_HASH = 4 };

static inline uint64_t bits_of(uint64_t number, unsigned salt)
{
    return random_mix(number << 8 | salt);
}

static void prepare_shape(struct workload *workload)
{
    double torrents = workload->torrents;

    if (workload->shape == WORKLOAD_AQUATIC) {
        double even = aquatic_even * torrents;
        double peaked =
            exp(aquatic_peak) * (1 - exp(-aquatic_slope)) / (1 - exp(-aquatic_slope / torrents));

        workload->even_share = even / (even + peaked);
        workload->range = torrents / aquatic_slope;
    } else if (workload->shape == WORKLOAD_LONG_TAIL) {
        workload->range = log((torrents + long_tail_offset) / long_tail_offset);
    }
}

int workload_find(const char *name, struct workload *workload)
{
    for (size_t i = 0; i < sizeof(workloads) / sizeof(workloads[0]); i++) {
        if (strcmp(workloads[i].name, name) != 0)
            continue;
        *workload = workloads[i];
        prepare_shape(workload);
        return 0;
    }
    return -1;
}

const char *workload_names(void)
{
    return "aquatic, opentrackr, huge, hot, tiny";
}

void workload_scale(struct workload *workload, uint32_t torrents, uint32_t peers)
{
    bool first = workload->first_peers > 0;

    if (torrents > 0)
        workload->torrents = torrents;
    if (peers > 0)
        workload->peers = peers;
    if (first)
        workload->first_peers = workload->torrents;
    prepare_shape(workload);
}

/*
 * Aquatic's weights are a mixture: with probability even_share any torrent, else an exponential
 * variable, whose whole part has exactly the weights of the peak.
 */
static uint32_t aquatic_torrent(const struct workload *workload, uint64_t bits)
{
    double chosen = random_unit(bits), rest;

    if (chosen < workload->even_share)
        return (uint32_t)fmod(chosen / workload->even_share * workload->torrents,
                              workload->torrents);
    rest = (chosen - workload->even_share) / (1 - workload->even_share);
    return (uint32_t)fmod(-log1p(-rest) * workload->range, workload->torrents);
}

static uint32_t long_tail_torrent(const struct workload *workload, uint64_t bits)
{
    double rank = long_tail_offset * expm1(random_unit(bits) * workload->range);

    return rank < workload->torrents ? (uint32_t)rank : workload->torrents - 1;
}

uint32_t workload_torrent(const struct workload *workload, uint64_t bits)
{
    switch (workload->shape) {
    case WORKLOAD_AQUATIC:
        return aquatic_torrent(workload, bits);
    case WORKLOAD_LONG_TAIL:
        return long_tail_torrent(workload, bits);
    default:
        return (uint32_t)random_below(bits, workload->torrents);
    }
}

static void address_ipv6(uint32_t number, struct workload_peer *peer)
{
    uint64_t low = bits_of(number, SALT_ADDRESS);
    uint32_t subnet = htobe32(number);
    uint16_t port = htobe16((uint16_t)(WORKLOAD_PORT_FIRST + (low & 0x7fff)));

    memcpy(peer->address, ipv6_network, 4);
    memcpy(peer->address + 4, &subnet, 4);
    memcpy(peer->address + 8, &low, 8);
    memcpy(peer->address + 16, &port, 2);
}

void workload_peer(const struct workload *workload, uint32_t number, struct workload_peer *peer)
{
    memset(peer->address, 0, sizeof(peer->address));
    peer->torrent = number < workload->first_peers
                        ? number
                        : workload_torrent(workload, bits_of(number, SALT_TORRENT));
    if (workload->ipv6_percent > 0 &&
        random_below(bits_of(number, SALT_FAMILY), 100) < workload->ipv6_percent) {
        peer->family = SWARMS_IPV6;
        address_ipv6(number, peer);
    } else {
        uint64_t address = workload_address_ipv4(number);

        peer->family = SWARMS_IPV4;
        memcpy(peer->address, &address, BEP15_PEER_IPV4_SIZE);
    }
}

void workload_info_hash(uint32_t torrent, uint8_t info_hash[BEP15_INFO_HASH_SIZE])
{
    uint64_t words[3];

    words[0] = bits_of(torrent, SALT_HASH);
    words[1] = random_mix(words[0]);
    words[2] = random_mix(words[1]);
    memcpy(info_hash, words, BEP15_INFO_HASH_SIZE);
}

int workload_count(const struct workload *workload, struct workload_census *census)
{
    uint32_t *sizes[2] = {calloc(workload->torrents, sizeof(uint32_t)),
                          calloc(workload->torrents, sizeof(uint32_t))};
    bool counted = sizes[0] && sizes[1];

    memset(census, 0, sizeof(*census));
    for (uint32_t number = 0; counted && number < workload->peers; number++) {
        struct workload_peer peer;
        uint32_t size;

        workload_peer(workload, number, &peer);
        size = ++sizes[peer.family][peer.torrent];
        census->swarms[peer.family] += size == 1;
        census->peers[peer.family]++;
        if (size > census->largest)
            census->largest = size;
    }
    free(sizes[0]);
    free(sizes[1]);
    return counted ? 0 : -ENOMEM;
}

void workload_limits(const struct workload_census *census, unsigned headroom,
                     struct swarms_limits *limits)
{
    uint64_t torrents = (uint64_t)census->swarms[SWARMS_IPV4] + census->swarms[SWARMS_IPV6];
    uint64_t peers = census->peers[SWARMS_IPV4] + 2 * (uint64_t)census->peers[SWARMS_IPV6];

    limits->torrents = (uint32_t)(torrents + torrents * headroom / 100);
    limits->peers = peers + peers * headroom / 100;
    limits->hash_first = 0;
    limits->hash_last = UINT64_MAX;
}

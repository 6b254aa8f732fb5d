/* SPDX-License-Identifier: BSD-3-Clause */
/* A table of swarms to test against, and announces of made-up peers. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/swarms/swarms.h"

enum { FIXTURE_NUMWANT_MAX = 200 };

struct fixture {
    struct swarms *swarms;
    struct swarms_secret secret;
    uint8_t peers[FIXTURE_NUMWANT_MAX * SWARMS_PEER_MAX + SWARMS_REPLY_SLACK];
};

static inline void fixture_open(struct fixture *f, uint32_t torrents, uint64_t peers)
{
    struct swarms_limits limits = {
        .torrents = torrents, .peers = peers, .hash_first = 0, .hash_last = UINT64_MAX};
    size_t size = (swarms_memory(&limits) + 63) / 64 * 64;
    void *memory = aligned_alloc(64, size);

    for (unsigned i = 0; i < sizeof(f->secret.bytes); i++)
        f->secret.bytes[i] = (uint8_t)(i * 37 + 11);
    assert_non_null(memory);
    memset(memory, 0, size);
    f->swarms = swarms_init(memory, &limits, &f->secret, 4711);
    assert_non_null(f->swarms);
}

static inline void fixture_close(struct fixture *f)
{
    free(f->swarms);
}

static inline void fixture_info_hash(uint8_t out[20], uint32_t torrent)
{
    memset(out, 0x5c, 20);
    memcpy(out, &torrent, sizeof(torrent));
}

static inline void fixture_peer(uint8_t out[SWARMS_PEER_MAX], unsigned family, uint32_t peer)
{
    memset(out, 0, SWARMS_PEER_MAX);
    memcpy(out + (family == SWARMS_IPV4 ? 0 : 12), &peer, sizeof(peer));
    out[family == SWARMS_IPV4 ? 4 : 16] = 0x1a;
    out[family == SWARMS_IPV4 ? 5 : 17] = 0xe1;
}

/* The number of a peer that fixture_peer() made. */
static inline uint32_t fixture_peer_number(const uint8_t *wire, unsigned family)
{
    uint32_t peer;

    memcpy(&peer, wire + (family == SWARMS_IPV4 ? 0 : 12), sizeof(peer));
    return peer;
}

static inline unsigned fixture_peer_size(unsigned family)
{
    return family == SWARMS_IPV4 ? 6 : 18;
}

struct question {
    uint32_t torrent, peer;
    unsigned family;
    enum swarms_event event;
    bool seeder;
    unsigned numwant;
    uint32_t now;
};

/* One announce; the answer's peers are in f->peers. */
static inline struct swarms_announce fixture_announce(struct fixture *f, const struct question *q)
{
    uint8_t info_hash[20];
    struct swarms_announce announce = {
        .info_hash = info_hash,
        .family = (uint8_t)q->family,
        .event = (uint8_t)q->event,
        .seeder = q->seeder,
        .numwant = (uint16_t)q->numwant,
        .peers = f->peers,
    };
    struct swarms_announce *burst[] = {&announce};

    fixture_info_hash(info_hash, q->torrent);
    fixture_peer(announce.peer, q->family, q->peer);
    announce.hash = swarms_hash(&f->secret, info_hash);
    swarms_announce(f->swarms, burst, 1, q->now);
    return announce;
}

static inline struct swarms_scrape fixture_scrape(struct fixture *f, uint32_t torrent,
                                                  unsigned family)
{
    uint8_t info_hash[20];
    struct swarms_scrape row = {.info_hash = info_hash, .family = (uint8_t)family};
    struct swarms_scrape *burst[] = {&row};

    fixture_info_hash(info_hash, torrent);
    row.hash = swarms_hash(&f->secret, info_hash);
    swarms_scrape(f->swarms, burst, 1);
    return row;
}

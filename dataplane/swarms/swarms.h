/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The swarms of one worker: which peers are on which torrent. Private to the thread that owns it:
 * no lock, no atomic. Plain C; needs nothing of dataplane/, no DPDK, no system call after
 * swarms_init().
 *
 * IPv4 and IPv6 swarms of one torrent are separate (BEP 15, "IPv6").
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum swarms_family { SWARMS_IPV4 = 0, SWARMS_IPV6 = 1 };

enum {
    SWARMS_PEER_MAX = 18,      /* bytes of a peer on the wire: 6 (IPv4) or 18 (IPv6) */
    SWARMS_REPLY_SLACK = 32,   /* bytes past the last peer of a reply that may be overwritten */
    SWARMS_BURST_MAX = 64,     /* announces or scrapes in one call */
    SWARMS_TIMEOUT_MAX = 14400 /* seconds; last-seen is kept modulo 2^15 s */
};

/* Bytes of a peer on the wire: address and port (BEP 15). */
static inline unsigned swarms_peer_size(unsigned family)
{
    return family == SWARMS_IPV4 ? 6 : 18;
}

/* Hard caps. All memory is reserved from them at start; it never grows. */
struct swarms_limits {
    uint32_t torrents; /* swarms, IPv4 and IPv6 counted apart */
    uint64_t peers;    /* IPv4 peers; an IPv6 peer takes the room of two */
    /* This table's share [first, last] of swarms_hash()'s space: the index is ordered by hash. */
    uint64_t hash_first, hash_last;
};

/* Keys the hashes of info-hashes and peers, so that nobody outside can choose buckets. */
struct swarms_secret {
    uint8_t bytes[192];
};

/* What an operator may change while the tables are in use. */
struct swarms_timeouts {
    uint32_t peer;    /* seconds since its last announce, at most SWARMS_TIMEOUT_MAX */
    uint32_t torrent; /* seconds that a swarm without peers keeps its download count */
};

enum swarms_event {
    SWARMS_UPDATE,
    SWARMS_COMPLETED,
    SWARMS_STARTED,
    SWARMS_STOPPED,
    SWARMS_PAUSED, /* a leecher who wants no more (BEP 21): kept as one, told of leechers only */
    SWARMS_ASK,    /* told of peers, and not kept: nobody could connect to him */
};

/* One announce: the question, and room for the answer. */
struct swarms_announce {
    uint64_t hash;                 /* swarms_hash() of the next */
    const uint8_t *info_hash;      /* 20 bytes; may lie where the peers are written */
    uint8_t *peers;                /* room for numwant peers and SWARMS_REPLY_SLACK bytes */
    uint8_t peer[SWARMS_PEER_MAX]; /* address and port, as on the wire */
    uint8_t family;                /* enum swarms_family */
    uint8_t event;                 /* enum swarms_event */
    bool seeder;                   /* left == 0 */
    bool started;                  /* between the stages: `starts` are set */
    uint16_t numwant;              /* peers that fit the reply, 0 for none */

    /* the answer */
    uint16_t peers_count;

    int16_t position; /* between the stages of one call: in its block, as the slots suggest */

    uint32_t seeders, leechers; /* the answer's, too */

    /* between the stages */
    uint32_t line; /* of the record; 0: not there */
    uint64_t peer_hash;
    union {
        uint64_t random;
        struct {
            uint32_t number, place;
        } starts[2]; /* of the windows in a directory */
    };
};

_Static_assert(sizeof(struct swarms_announce) == 88, "fits a packet's two cache lines");

/* One row of a scrape. */
struct swarms_scrape {
    uint64_t hash;
    const uint8_t *info_hash;
    uint8_t family;

    uint32_t seeders, completed, leechers; /* the answer; zeros for an unknown torrent */
};

/* Plain counters and levels; read by other threads without a lock. */
struct swarms_counters {
    uint64_t torrents[2], peers[2], seeders[2]; /* now, by family */
    uint64_t torrents_evicted; /* at the cap: the stalest swarm in the probe window had to go */
    uint64_t peers_refused;    /* at the cap: answered, but not stored */
    uint64_t peers_expired;
    uint64_t torrents_expired;
    uint64_t completed;                    /* downloads counted */
    uint64_t memory_used, memory_reserved; /* bytes, index included */
};

struct swarms;

/* Bytes that swarms_init() needs for these limits. */
size_t swarms_memory(const struct swarms_limits *limits);

/*
 * Lays the tables out in `memory` (swarms_memory() bytes, zeroed, 64-byte aligned; huge pages if
 * there are any). NULL if the limits make no sense.
 */
struct swarms *swarms_init(void *memory, const struct swarms_limits *limits,
                           const struct swarms_secret *secret, uint64_t random_seed);

/* The keyed hash of an info-hash: decides its owner among the workers, and its bucket. */
uint64_t swarms_hash(const struct swarms_secret *secret, const uint8_t *info_hash);

/*
 * Asks for the first line that an announce of this hash will touch: as soon as the hash is known,
 * so that the line comes while others are still being looked at. A hash of another table's share
 * asks for nothing of use, and does no harm.
 */
void swarms_expect(const struct swarms *swarms, uint64_t hash);

/*
 * Answers up to SWARMS_BURST_MAX announces, those of one swarm in order. Memory is asked for ahead
 * of use over all of them. `now` is in seconds, from any start, and never runs backwards.
 */
void swarms_announce(struct swarms *swarms, struct swarms_announce *const announces[],
                     unsigned count, uint32_t now);

void swarms_scrape(struct swarms *swarms, struct swarms_scrape *const rows[], unsigned count);

/*
 * Looks at up to `lines` cache lines for expired peers and swarms, going on where the last call
 * stopped. Returns true when it has come around.
 */
bool swarms_expire(struct swarms *swarms, unsigned lines, const struct swarms_timeouts *timeouts,
                   uint32_t now);

const struct swarms_counters *swarms_counters(const struct swarms *swarms);

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an operator asks of the tables: the largest swarms, the busiest, one swarm in full, and
 * which client programs announce. Answered by the owner of the table like an export: a bounded
 * slice a call.
 */
#pragma once

#include "swarms.h"

enum {
    INSPECT_TOP_MAX = 100,  /* rows of inspect_top */
    INSPECT_PEERS_MAX = 64, /* peers of inspect_show */
    INSPECT_SIZES = 18,     /* classes of inspect_top: up to 1, 2, 4 .. 65536 peers, and more */

    INSPECT_CLIENT_PREFIX = 8, /* bytes of a peer ID that name the program: "-qB4650-" (BEP 20) */
    INSPECT_CLIENTS_MAX = 256, /* rows of inspect_clients */
};

enum inspect_by {
    INSPECT_BY_PEERS, /* seeders and leechers now */
    INSPECT_BY_RATE,  /* announces lately */
};

struct inspect_swarm {
    uint8_t info_hash[20];
    uint8_t family; /* enum swarms_family */
    uint32_t seeders, leechers;
    uint32_t completed;         /* downloads counted */
    uint32_t announces_per_min; /* of about the last one and a half minutes */
};

/*
 * The first `want` swarms of a table, and how many there are of each size. Zero it, set `by` and
 * `want`, and call until `done`.
 */
struct inspect_top {
    enum inspect_by by;
    unsigned want; /* 1..INSPECT_TOP_MAX */
    bool done;
    unsigned count;
    struct inspect_swarm rows[INSPECT_TOP_MAX]; /* in descending order once done */
    uint64_t sizes[INSPECT_SIZES];              /* swarms that have peers, by their number */
    uint64_t position[3];                       /* the owner's own */
};

/* Looks at about `lines` cache lines of table. */
void inspect_top(struct swarms *swarms, struct inspect_top *top, unsigned lines);

struct inspect_peer {
    uint8_t peer[SWARMS_PEER_MAX]; /* as on the wire; an IPv4 one in the first 6 bytes */
    bool seeder;
    uint32_t age; /* seconds since its last announce */
};

/* One swarm of one family, and a uniform sample of its peers. Doesn't count as a touch. */
struct inspect_show {
    uint8_t info_hash[20];
    uint8_t family;

    bool found; /* the answer from here on */
    struct inspect_swarm swarm;
    uint64_t memory; /* bytes that it takes, record and peers */
    unsigned peers_count;
    struct inspect_peer peers[INSPECT_PEERS_MAX];
};

void inspect_show(struct swarms *swarms, struct inspect_show *show, uint32_t now);

/*
 * Announces by the first bytes of the peer ID, in fixed memory: peer IDs are the clients' to
 * choose, so the rare ones share `others`. Counts are of a sample (one announce in `sampled_of`)
 * and fade, halving about every ten minutes, so that they tell of now.
 */
struct inspect_client {
    char prefix[INSPECT_CLIENT_PREFIX]; /* any bytes */
    uint32_t announces;
};

struct inspect_clients {
    unsigned sampled_of;
    unsigned count;
    struct inspect_client rows[INSPECT_CLIENTS_MAX]; /* in no order */
    uint64_t others;
};

enum { INSPECT_SAMPLED_OF = 16 }; /* a power of two; each sample costs as much as 60 instructions */

/*
 * By the worker that answers: of the next `count` announces the first that is sampled, possibly
 * none of them. So is every INSPECT_SAMPLED_OF-th after it.
 */
unsigned inspect_first_sample(struct swarms *swarms, unsigned count);

/* Counts an announce that is sampled. */
void inspect_count_client(struct swarms *swarms, const uint8_t *peer_id);

void inspect_clients(const struct swarms *swarms, struct inspect_clients *clients);

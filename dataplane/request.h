/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One packet on its way through a worker, from the bytes that came in to the bytes that go out. It
 * lies beside its frame (in the mbuf's private area), and crosses to other workers with it.
 */
#pragma once

#include <stdint.h>

#include "../bpf/wire.h"
#include "counters.h"
#include "swarms/swarms.h"

/*
 * What became of it so far. Below REQUEST_PUNT: dropped, and the number is the drop's in enum
 * counter.
 */
enum request_verdict {
    REQUEST_PUNT = COUNTERS_DROP_KINDS, /* not for us */
    REQUEST_CONNECT,                    /* well-formed requests: */
    REQUEST_ANNOUNCE,
    REQUEST_SCRAPE,
    REQUEST_REPLY, /* the frame is a reply that wants to be sent; from here on the kinds of reply */
    REQUEST_REPLY_CONNECT = REQUEST_REPLY,
    REQUEST_REPLY_ANNOUNCE,
    REQUEST_REPLY_SCRAPE,
    REQUEST_REPLY_ERROR,
};

/* A scrape between its owners. A row takes the place of its info-hash until the last owner packs
 * them. */
struct request_scrape {
    uint64_t pending[2]; /* bit i: row i is still an info-hash */
    uint64_t owners;     /* bit w: worker w has rows to fill; DATAPLANE_WORKERS_MAX bits */
};

struct request {
    /* First cache line: the frame. Set by the receiver: */
    uint8_t *frame;   /* the Ethernet header */
    uint16_t length;  /* bytes of the frame: the request's, then the reply's */
    uint16_t room;    /* bytes from `frame` on that may be written */
    uint16_t mtu;     /* bytes at layer 3 that a reply may have */
    uint8_t port;     /* where it came in, and where its reply goes out */
    uint8_t home;     /* the worker that polls the queue it came from */
    uint8_t offload;  /* 1: the port computes the reply's checksums */
    uint8_t screened; /* 1: XDP has been through bans and limits */
    uint8_t damaged;  /* 1: the port says that a checksum is wrong */

    /* Set by packet_parse(): */
    uint8_t verdict;         /* enum request_verdict */
    uint8_t family;          /* enum swarms_family */
    uint8_t network;         /* offset of the IP header in the frame */
    uint8_t transport;       /* of the UDP header */
    uint16_t payload_length; /* bytes of BEP 15 */

    uint8_t reserved[14];

    /* From here, and the second line: what is asked, and its answer. */
    union {
        struct swarms_announce announce;
        struct request_scrape scrape;
    };
};

_Static_assert(sizeof(struct request) == 128, "two cache lines");
_Static_assert((unsigned)REQUEST_REPLY_ERROR <= UINT8_MAX, "a verdict fits a byte");

/* The BEP 15 message; the reply's is written in its place. */
static inline uint8_t *request_payload(const struct request *request)
{
    return request->frame + request->transport + sizeof(struct wire_udp);
}

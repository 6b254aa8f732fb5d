/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The bytes on the wire, as bpf/, dataplane/ and the tools see them. All multi-byte fields are in
 * network byte order.
 *
 * Sources: IEEE 802.3 and 802.1Q, RFC 791 (IPv4), RFC 8200 (IPv6), RFC 768 (UDP),
 * BEP 15 (UDP tracker protocol), BEP 41 (its options).
 */
#pragma once

#include <stdint.h>

#define WIRE_PACKED __attribute__((packed))

/* Layers 2 to 4 ------------------------------------------------------------------------------ */

enum {
    WIRE_ETHERTYPE_IPV4 = 0x0800,
    WIRE_ETHERTYPE_VLAN = 0x8100,
    WIRE_ETHERTYPE_IPV6 = 0x86dd,
    WIRE_ETHERTYPE_QINQ = 0x88a8,

    WIRE_VLAN_TAGS_MAX = 2,

    WIRE_IPPROTO_UDP = 17,
    WIRE_IPPROTO_IPV6_FRAGMENT = 44,

    WIRE_IPV4_MORE_FRAGMENTS = 0x2000,
    WIRE_IPV4_FRAGMENT_OFFSET = 0x1fff,
    WIRE_IPV4_DONT_FRAGMENT = 0x4000,
    WIRE_IPV6_FRAGMENT_OFFSET = 0xfff8,

    WIRE_TTL = 64,
};

struct wire_eth {
    uint8_t destination[6];
    uint8_t source[6];
    uint16_t ethertype;
} WIRE_PACKED;

struct wire_vlan {
    uint16_t tci;
    uint16_t ethertype;
} WIRE_PACKED;

struct wire_ipv4 {
    uint8_t version_ihl;
    uint8_t tos;
    uint16_t total_length;
    uint16_t id;
    uint16_t fragment;
    uint8_t ttl;
    uint8_t protocol;
    uint16_t checksum;
    uint32_t source;
    uint32_t destination;
} WIRE_PACKED;

struct wire_ipv6 {
    uint32_t version_class_flow;
    uint16_t payload_length;
    uint8_t next_header;
    uint8_t hop_limit;
    uint8_t source[16];
    uint8_t destination[16];
} WIRE_PACKED;

struct wire_ipv6_fragment {
    uint8_t next_header;
    uint8_t reserved;
    uint16_t fragment; /* offset in 8 bytes << 3, more-fragments in bit 0 */
    uint32_t id;
} WIRE_PACKED;

struct wire_udp {
    uint16_t source_port;
    uint16_t destination_port;
    uint16_t length;
    uint16_t checksum;
} WIRE_PACKED;

/* BEP 15 ------------------------------------------------------------------------------------- */

#define BEP15_MAGIC UINT64_C(0x41727101980) /* connection_id of a connect request */

enum bep15_action {
    BEP15_CONNECT = 0,
    BEP15_ANNOUNCE = 1,
    BEP15_SCRAPE = 2,
    BEP15_ERROR = 3,
};

enum bep15_event {
    BEP15_EVENT_NONE = 0,
    BEP15_EVENT_COMPLETED = 1,
    BEP15_EVENT_STARTED = 2,
    BEP15_EVENT_STOPPED = 3,
    BEP21_EVENT_PAUSED = 4, /* a partial seed; BEP 21 gives it no number, libtorrent sends this */
};

enum {
    BEP15_INFO_HASH_SIZE = 20,
    BEP15_PEER_ID_SIZE = 20,
    BEP15_SCRAPE_HASHES_MAX = 74, /* as many rows as fit a 1500-byte IPv4 frame with options */

    BEP15_PEER_IPV4_SIZE = 6,  /* address, port */
    BEP15_PEER_IPV6_SIZE = 18, /* the same; BEP 15 "IPv6" */
};

/* What every request begins with. */
struct bep15_request {
    uint64_t connection_id;
    uint32_t action;
    uint32_t transaction_id;
} WIRE_PACKED;

/* What every reply begins with. */
struct bep15_reply {
    uint32_t action;
    uint32_t transaction_id;
} WIRE_PACKED;

struct bep15_connect_reply {
    struct bep15_reply header;
    uint64_t connection_id;
} WIRE_PACKED;

struct bep15_announce {
    struct bep15_request header;
    uint8_t info_hash[BEP15_INFO_HASH_SIZE];
    uint8_t peer_id[BEP15_PEER_ID_SIZE];
    uint64_t downloaded;
    uint64_t left;
    uint64_t uploaded;
    uint32_t event;
    uint32_t ip; /* ignored: the peer is the packet's source */
    uint32_t key;
    uint32_t num_want; /* signed; negative: the tracker's default */
    uint16_t port;     /* 0: can't be connected to */
} WIRE_PACKED;

/* Followed by the peers. */
struct bep15_announce_reply {
    struct bep15_reply header;
    uint32_t interval; /* seconds */
    uint32_t leechers;
    uint32_t seeders;
} WIRE_PACKED;

struct bep15_scrape_row {
    uint32_t seeders;
    uint32_t completed;
    uint32_t leechers;
} WIRE_PACKED;

/* BEP 41: options after the announce's 98 bytes. */
enum bep41_option {
    BEP41_END = 0,
    BEP41_NOP = 1,
    BEP41_URL_DATA = 2, /* followed by one length byte */
};

_Static_assert(sizeof(struct wire_eth) == 14, "Ethernet header");
_Static_assert(sizeof(struct wire_ipv4) == 20, "IPv4 header");
_Static_assert(sizeof(struct wire_ipv6) == 40, "IPv6 header");
_Static_assert(sizeof(struct wire_ipv6_fragment) == 8, "IPv6 fragment header");
_Static_assert(sizeof(struct wire_udp) == 8, "UDP header");
_Static_assert(sizeof(struct bep15_request) == 16, "request header");
_Static_assert(sizeof(struct bep15_connect_reply) == 16, "connect reply");
_Static_assert(sizeof(struct bep15_announce) == 98, "announce request");
_Static_assert(sizeof(struct bep15_announce_reply) == 20, "announce reply");
_Static_assert(sizeof(struct bep15_scrape_row) == 12, "scrape row");

/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames for tests: built by plain code of its own, so that it doesn't share the product's
 * mistakes. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/listen.h"
#include "dataplane/request.h"

enum { FRAME_ROOM = 2304 };

#define FRAME_CLIENT_IPV4 "\xc6\x33\x64\x07" /* 198.51.100.7 */
#define FRAME_SERVER_IPV4 "\xcb\x00\x71\x09" /* 203.0.113.9 */
#define FRAME_CLIENT_IPV6 "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07"
#define FRAME_SERVER_IPV6 "\x20\x01\x0d\xb8\0\0\0\x01\0\0\0\0\0\0\0\x09"

enum { FRAME_CLIENT_PORT = 51413, FRAME_SERVER_PORT = 6969 };

struct frame {
    struct request request;               /* as a receiver leaves it: frame, length, room, mtu */
    unsigned network, transport, payload; /* offsets */
    uint8_t bytes[FRAME_ROOM];
};

/* How a frame is to look. Zeroed: IPv4, no tags, no options. */
struct frame_shape {
    bool ipv6;
    unsigned tags;    /* 802.1Q, the outer one of two 802.1ad */
    unsigned options; /* bytes of IPv4 options, a multiple of 4 */
};

/* Listens at FRAME_SERVER_IPV4 and FRAME_SERVER_IPV6, FRAME_SERVER_PORT. */
void frame_listen(struct listen_table *listen);

/* From client to server, with that payload. */
void frame_build(struct frame *frame, const struct frame_shape *shape, const void *payload,
                 unsigned length);

/* Payloads; they return the length. `hash` fills an info-hash. */
unsigned frame_connect(uint8_t *payload, uint32_t transaction);
unsigned frame_announce(uint8_t *payload, uint64_t connection_id, uint32_t transaction,
                        uint8_t hash, uint16_t port);
unsigned frame_scrape(uint8_t *payload, uint64_t connection_id, uint32_t transaction,
                      unsigned hashes);

/* RFC 1071 over 16-bit words, byte by byte. 0 over what includes a right checksum. */
uint16_t frame_checksum(const uint8_t *bytes, unsigned length, uint32_t start);

/* True when the IPv4 header's (if any) and UDP's checksums of a frame are right. */
bool frame_checksums_right(const uint8_t *frame, unsigned network, unsigned transport);

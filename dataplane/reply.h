/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bytes out: the reply is written over the request, in the same frame. Addresses and ports are
 * swapped at every layer, so no route or ARP look-up is ever needed and the reply comes from the
 * address that was asked. What the headers say is bpf/rules.h's, so that XDP's replies are the same
 * bytes.
 *
 * Sources: RFC 791, RFC 8200, RFC 768, RFC 1071 (checksum), BEP 15.
 */
#pragma once

#include "request.h"

/*
 * These write the payload, set payload_length to the reply's and the verdict to its kind. The
 * headers are left to reply_finish(), over a whole burst: by then the payload's bytes have left the
 * store buffer.
 */
void reply_connect(struct request *request, uint64_t connection_id);

/* From request->announce; the peers are in their place already. `interval` in seconds. */
void reply_announce(struct request *request, uint32_t interval);

/* Packs `rows` rows (struct bep15_scrape_row), each at the head of where its info-hash was. */
void reply_scrape(struct request *request, unsigned rows);

/* `message` is for the client's user to read. Only for clients that have proved their address. */
void reply_error(struct request *request, const char *message);

/*
 * Turns the frames of a burst round, and sets their lengths. A reply ends where its IP packet ends:
 * padding to Ethernet's 60 bytes is the NIC's. IPv4 options of the request are left out, and
 * request->frame moves up by their length. Checksums are computed here or, with request->offload,
 * prepared for the NIC: IPv4's zero, UDP's the sum of the pseudo-header, as RTE_MBUF_F_TX_IP_CKSUM
 * and RTE_MBUF_F_TX_UDP_CKSUM want it.
 */
void reply_finish(struct request *const requests[], unsigned count);

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bytes in: from a received frame to a well-formed request, or a named reason why it is none. The
 * rules and their order are bpf/rules.h's, as in XDP. Plain C; needs no DPDK.
 *
 * Sources: IEEE 802.3, 802.1Q, RFC 791, RFC 8200, RFC 768, BEP 15, BEP 41.
 */
#pragma once

#include <stdbool.h>

#include "listen.h"
#include "request.h"

/*
 * Judges request->frame, request->length bytes long, and sets what struct request says that it
 * sets, the verdict included: a drop, REQUEST_PUNT, REQUEST_CONNECT, REQUEST_ANNOUNCE or
 * REQUEST_SCRAPE. Offsets and payload are meaningful for the last three only. Writes nothing into
 * the frame.
 */
void packet_parse(const struct listen_table *listen, struct request *request);

/*
 * Walks the BEP 41 options behind an announce: false when one runs past the end. None means
 * anything here. Costs time in proportion to what a client sent: for verified ones.
 */
bool packet_options(const struct request *request);

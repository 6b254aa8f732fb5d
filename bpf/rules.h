/* SPDX-License-Identifier: BSD-3-Clause */
/* clang-format off */
/*
 * Which frames are requests: the rules that XDP and the workers share, so that they never disagree.
 * Plain predicates, no memory access; both sides ask them in the order given here. The first rule
 * that applies decides. (pass) is "not ours": XDP passes it to the kernel, a worker punts it; the
 * others are drops, named as in dataplane/counters.h.
 *
 *  Ethernet  1  ends inside the Ethernet header                                       short_frame
 *            2  destination is a group address (ARP, ND, broadcast)                   (pass)
 *            3  ends inside one of up to two VLAN tags                                short_frame
 *            4  ethertype is neither IPv4 nor IPv6 (so is a third tag)                (pass)
 *  IPv4      5  ends inside the 20 bytes                                              short_frame
 *            6  version isn't 4, or header length below 20                            ip_header
 *            7  not UDP                                                               (pass)
 *            8  a later fragment: no ports to tell by                                 (pass)
 *            9  ends inside the options or the UDP header                             short_frame
 *  IPv6      5  ends inside the 40 bytes                                              short_frame
 *            6  version isn't 6                                                       ip_header
 *            7  neither UDP nor a fragment header, right behind the 40 bytes          (pass)
 *            8  ends inside the fragment header                                       short_frame
 *               a fragment of something else than UDP, or a later fragment            (pass)
 *            9  ends inside the UDP header                                            short_frame
 *  both     10  destination isn't unicast, or not one of our addresses and ports      (pass)
 *           11  first fragment (IPv4 more-fragments set; IPv6 fragment header)        fragment
 *           12  total or payload length leaves no room for the UDP header, or says
 *               more than the frame has (less is padding)                             ip_header
 *           13  UDP length below 8 or past the IP packet's end (less is padding)      udp_length
 *           14  source port 0                                                         source_port
 *           15  source address that can't be answered (Ethernet or IP)               source_address
 *  BEP 15   16  payload below 16 bytes                                              short_request
 *           17  unknown action                                                       action
 *           18  a connect without the magic                                          magic
 *           19  payload too short for its action; more is padding or options         short_request
 *
 * What is left is a well-formed request, and then: banned, connection_id, limited, in this order.
 *
 * Checksums take no part: on veth they may be partial, and on a NIC they are for the hardware to
 * report. A frame that isn't for our ports is the kernel's, however broken it is behind its ports.
 */
/* clang-format on */
#pragma once

#include "wire.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "constants below are as loaded from memory");

#define RULES_INLINE static inline __attribute__((always_inline))

/* Rule 2, and in rule 15: `first` is the first byte of an Ethernet address. */
RULES_INLINE int rules_ethernet_group(uint8_t first)
{
    return first & 1;
}

/* Rule 6. */
RULES_INLINE int rules_ipv4_header_valid(uint8_t version_ihl)
{
    return version_ihl >> 4 == 4 && (version_ihl & 15) >= 5;
}

RULES_INLINE int rules_ipv6_header_valid(uint8_t first)
{
    return first >> 4 == 6;
}

/* Rules 8 and 11; `fragment` in host byte order. */
RULES_INLINE int rules_ipv4_later_fragment(uint16_t fragment)
{
    return (fragment & WIRE_IPV4_FRAGMENT_OFFSET) != 0;
}

RULES_INLINE int rules_ipv4_first_fragment(uint16_t fragment)
{
    return (fragment & (WIRE_IPV4_FRAGMENT_OFFSET | WIRE_IPV4_MORE_FRAGMENTS)) ==
           WIRE_IPV4_MORE_FRAGMENTS;
}

RULES_INLINE int rules_ipv6_later_fragment(uint16_t fragment)
{
    return (fragment & WIRE_IPV6_FRAGMENT_OFFSET) != 0;
}

/* Addresses below are as loaded from the packet, not swapped: the first byte is the lowest. */

/* Rule 10. A wildcard means unicast addresses only: replies bear the address that was asked. */
RULES_INLINE int rules_ipv4_unicast(uint32_t address)
{
    uint8_t first = (uint8_t)address;

    return first != 0 && first != 127 && first < 224;
}

/* ff00::/8 are groups; ::/64 holds unspecified, loopback and IPv4-mapped addresses. */
RULES_INLINE int rules_ipv6_unicast(uint64_t high)
{
    return high != 0 && (uint8_t)high != 0xff;
}

/* Rule 12. `header` and `total` in bytes, from the IP header on; the frame has `available`. */
RULES_INLINE int rules_ip_length_valid(unsigned header, unsigned total, unsigned available)
{
    return total >= header + sizeof(struct wire_udp) && total <= available;
}

/* Rule 13. `payload` is what the IP packet has behind its header. */
RULES_INLINE int rules_udp_length_valid(unsigned length, unsigned payload)
{
    return length >= sizeof(struct wire_udp) && length <= payload;
}

/* Rule 15. A source equal to the destination would have us answer ourselves. */
RULES_INLINE int rules_ipv4_answerable(uint32_t source, uint32_t destination)
{
    return rules_ipv4_unicast(source) && source != destination;
}

RULES_INLINE int rules_ipv6_answerable(uint64_t source_high, uint64_t source_low,
                                       uint64_t destination_high, uint64_t destination_low)
{
    return rules_ipv6_unicast(source_high) &&
           (source_high != destination_high || source_low != destination_low);
}

/* Rules 17 and 19: the payload that `action` (host byte order) needs; 0 for an unknown action. */
RULES_INLINE unsigned rules_request_size(uint32_t action)
{
    switch (action) {
    case BEP15_CONNECT:
        return sizeof(struct bep15_request);
    case BEP15_ANNOUNCE:
        return sizeof(struct bep15_announce);
    case BEP15_SCRAPE:
        return sizeof(struct bep15_request) + BEP15_INFO_HASH_SIZE;
    default:
        return 0;
    }
}

/*
 * The headers of every reply, so that XDP's and the workers' are the same bytes: addresses and
 * ports swapped at each layer, VLAN tags kept, no IPv4 options; nothing of the request's TOS,
 * traffic class or flow label. A reply never exceeds the port's MTU and says so (DF), which makes
 * its id meaningless (RFC 6864). UDP checksums are always given, 0 written as 0xffff (RFC 768).
 */
enum {
    RULES_REPLY_TOS = 0,
    RULES_REPLY_IPV4_ID = 0,
    RULES_REPLY_IPV4_FRAGMENT = WIRE_IPV4_DONT_FRAGMENT,
    RULES_REPLY_TTL = WIRE_TTL, /* and hop limit */
};

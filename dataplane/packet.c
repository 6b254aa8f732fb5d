/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet.h"

#include <endian.h>
#include <smmintrin.h>
#include <stddef.h>
#include <string.h>

#include "../bpf/rules.h"

/* What the layers tell each other while the rules are gone through. */
struct parse {
    const struct listen_table *listen;
    struct request *request;
    const uint8_t *frame;
    unsigned length;    /* of the frame */
    unsigned network;   /* offset of the IP header */
    unsigned transport; /* offset of the UDP header */
    unsigned ip_end;    /* where the IP packet says that it ends, from the frame's start */
    bool fragment;      /* the first one of a datagram */
    bool answerable;    /* the source at layer 3 can be answered */
};

/* True when the frame doesn't reach `size` bytes beyond `offset`. */
static inline bool parse_short(const struct parse *parse, unsigned offset, unsigned size)
{
    return parse->length < offset + size;
}

/* Rules 16 to 19. */
static inline uint8_t parse_bep15(const struct parse *parse, unsigned length)
{
    const struct bep15_request *header =
        (const void *)(parse->frame + parse->transport + sizeof(struct wire_udp));
    uint32_t action;
    unsigned needed;

    parse->request->payload_length = (uint16_t)length;
    if (length < sizeof(*header))
        return COUNTER_DROP_short_request;
    action = be32toh(header->action);
    needed = rules_request_size(action);
    if (needed == 0)
        return COUNTER_DROP_action;
    if (action == BEP15_CONNECT && header->connection_id != htobe64(BEP15_MAGIC))
        return COUNTER_DROP_magic;
    if (length < needed)
        return COUNTER_DROP_short_request;
    return (uint8_t)(REQUEST_CONNECT + action);
}

_Static_assert((unsigned)REQUEST_ANNOUNCE - REQUEST_CONNECT == BEP15_ANNOUNCE &&
                   (unsigned)REQUEST_SCRAPE - REQUEST_CONNECT == BEP15_SCRAPE,
               "verdicts of valid requests are in the order of their actions");

/* Rules 11 to 15, for a datagram to one of our ports. */
static inline uint8_t parse_udp(const struct parse *parse)
{
    const struct wire_eth *eth = (const void *)parse->frame;
    const struct wire_udp *udp = (const void *)(parse->frame + parse->transport);
    unsigned length = be16toh(udp->length);

    if (parse->fragment)
        return COUNTER_DROP_fragment;
    if (!rules_ip_length_valid(parse->transport - parse->network, parse->ip_end - parse->network,
                               parse->length - parse->network))
        return COUNTER_DROP_ip_header;
    if (!rules_udp_length_valid(length, parse->ip_end - parse->transport))
        return COUNTER_DROP_udp_length;
    if (udp->source_port == 0)
        return COUNTER_DROP_source_port;
    if (!parse->answerable || rules_ethernet_group(eth->source[0]))
        return COUNTER_DROP_source_address;

    parse->request->network = (uint8_t)parse->network;
    parse->request->transport = (uint8_t)parse->transport;
    return parse_bep15(parse, length - (unsigned)sizeof(*udp));
}

/* Rules 5 to 10. */
static inline uint8_t parse_ipv4(struct parse *parse)
{
    const struct wire_ipv4 *ipv4 = (const void *)(parse->frame + parse->network);
    const struct wire_udp *udp;
    uint16_t fragment;

    if (parse_short(parse, parse->network, sizeof(*ipv4)))
        return COUNTER_DROP_short_frame;
    if (!rules_ipv4_header_valid(ipv4->version_ihl))
        return COUNTER_DROP_ip_header;
    fragment = be16toh(ipv4->fragment);
    if (ipv4->protocol != WIRE_IPPROTO_UDP || rules_ipv4_later_fragment(fragment))
        return REQUEST_PUNT;
    parse->transport = parse->network + (ipv4->version_ihl & 15u) * 4;
    if (parse_short(parse, parse->transport, sizeof(*udp)))
        return COUNTER_DROP_short_frame;

    udp = (const void *)(parse->frame + parse->transport);
    if (!listen_match_ipv4(parse->listen, ipv4->destination, udp->destination_port))
        return REQUEST_PUNT;
    parse->request->family = SWARMS_IPV4;
    parse->fragment = rules_ipv4_first_fragment(fragment);
    parse->ip_end = parse->network + be16toh(ipv4->total_length);
    parse->answerable = rules_ipv4_answerable(ipv4->source, ipv4->destination);
    return parse_udp(parse);
}

/* Rules 7 and 8 of IPv6 for a fragment header. True when the datagram's first bytes follow it. */
static bool parse_ipv6_fragment(struct parse *parse, uint8_t *verdict)
{
    const struct wire_ipv6_fragment *header = (const void *)(parse->frame + parse->transport);

    if (parse_short(parse, parse->transport, sizeof(*header))) {
        *verdict = COUNTER_DROP_short_frame;
        return false;
    }
    if (header->next_header != WIRE_IPPROTO_UDP ||
        rules_ipv6_later_fragment(be16toh(header->fragment))) {
        *verdict = REQUEST_PUNT;
        return false;
    }
    parse->fragment = true;
    parse->transport += (unsigned)sizeof(*header);
    return true;
}

/* Rules 5 to 10. */
static inline uint8_t parse_ipv6(struct parse *parse)
{
    const struct wire_ipv6 *ipv6 = (const void *)(parse->frame + parse->network);
    const struct wire_udp *udp;
    uint64_t source[2], destination[2];
    uint8_t verdict;

    if (parse_short(parse, parse->network, sizeof(*ipv6)))
        return COUNTER_DROP_short_frame;
    if (!rules_ipv6_header_valid(parse->frame[parse->network]))
        return COUNTER_DROP_ip_header;
    parse->transport = parse->network + (unsigned)sizeof(*ipv6);
    if (ipv6->next_header == WIRE_IPPROTO_IPV6_FRAGMENT) {
        if (!parse_ipv6_fragment(parse, &verdict))
            return verdict;
    } else if (ipv6->next_header != WIRE_IPPROTO_UDP) {
        return REQUEST_PUNT;
    }
    if (parse_short(parse, parse->transport, sizeof(*udp)))
        return COUNTER_DROP_short_frame;

    udp = (const void *)(parse->frame + parse->transport);
    memcpy(source, ipv6->source, sizeof(source));
    memcpy(destination, ipv6->destination, sizeof(destination));
    if (!listen_match_ipv6(parse->listen, destination[0], destination[1], udp->destination_port))
        return REQUEST_PUNT;
    parse->request->family = SWARMS_IPV6;
    parse->ip_end = parse->network + (unsigned)sizeof(*ipv6) + be16toh(ipv6->payload_length);
    parse->answerable = rules_ipv6_answerable(source[0], source[1], destination[0], destination[1]);
    return parse_udp(parse);
}

/* Rules 1 to 4. */
static inline uint8_t parse_ethernet(struct parse *parse)
{
    const struct wire_eth *eth = (const void *)parse->frame;
    uint16_t ethertype;

    if (parse_short(parse, 0, sizeof(*eth)))
        return COUNTER_DROP_short_frame;
    if (rules_ethernet_group(eth->destination[0]))
        return REQUEST_PUNT;
    ethertype = be16toh(eth->ethertype);
    parse->network = sizeof(*eth);
    for (unsigned tags = 0; tags < WIRE_VLAN_TAGS_MAX; tags++) {
        const struct wire_vlan *vlan = (const void *)(parse->frame + parse->network);

        if (ethertype != WIRE_ETHERTYPE_VLAN && ethertype != WIRE_ETHERTYPE_QINQ)
            break;
        if (parse_short(parse, parse->network, sizeof(*vlan)))
            return COUNTER_DROP_short_frame;
        ethertype = be16toh(vlan->ethertype);
        parse->network += (unsigned)sizeof(*vlan);
    }
    if (ethertype == WIRE_ETHERTYPE_IPV4)
        return parse_ipv4(parse);
    if (ethertype == WIRE_ETHERTYPE_IPV6)
        return parse_ipv6(parse);
    return REQUEST_PUNT;
}

static __attribute__((noinline)) void parse_by_rule(const struct listen_table *listen,
                                                    struct request *request)
{
    struct parse parse = {
        .listen = listen,
        .request = request,
        .frame = request->frame,
        .length = request->length,
    };

    request->verdict = parse_ethernet(&parse);
}

/* An announce over IPv4 without VLAN tags and IP options. */
struct ordinary {
    struct wire_eth eth;
    struct wire_ipv4 ipv4;
    struct wire_udp udp;
    struct bep15_announce announce;
} WIRE_PACKED;

/* Bits of its first 32 bytes that say so, by rules 2 to 8, 11 and 15 ... */
static const struct ordinary ordinary_mask = {
    .eth = {.destination = {1}, .source = {1}, .ethertype = 0xffff},
    .ipv4 = {.version_ihl = 0xff,
             .fragment = __builtin_bswap16(0xffff & ~WIRE_IPV4_DONT_FRAGMENT),
             .protocol = 0xff},
};

/* ... and how they are. */
static const struct ordinary ordinary_value = {
    .eth = {.ethertype = __builtin_bswap16(WIRE_ETHERTYPE_IPV4)},
    .ipv4 = {.version_ihl = 0x45, .protocol = WIRE_IPPROTO_UDP},
};

static inline __m128i ordinary_difference(const struct ordinary *frame, unsigned offset)
{
    const char *bytes = (const char *)frame + offset;
    const char *mask = (const char *)&ordinary_mask + offset;
    const char *value = (const char *)&ordinary_value + offset;

    return _mm_xor_si128(_mm_and_si128(_mm_loadu_si128((const __m128i *)bytes),
                                       _mm_loadu_si128((const __m128i *)mask)),
                         _mm_loadu_si128((const __m128i *)value));
}

static inline bool ordinary_headers(const struct ordinary *frame)
{
    __m128i difference =
        _mm_or_si128(ordinary_difference(frame, 0), ordinary_difference(frame, 16));

    return _mm_testz_si128(difference, difference);
}

/* Rules 10 and 12 to 19 for such a frame. */
static inline bool ordinary_contents(const struct listen_table *listen,
                                     const struct ordinary *frame, unsigned length)
{
    unsigned total = be16toh(frame->ipv4.total_length), datagram = be16toh(frame->udp.length);

    return frame->announce.header.action == htobe32(BEP15_ANNOUNCE) &&
           datagram >= sizeof(frame->udp) + sizeof(frame->announce) &&
           total >= sizeof(frame->ipv4) + datagram && length >= sizeof(frame->eth) + total &&
           frame->udp.source_port != 0 &&
           rules_ipv4_answerable(frame->ipv4.source, frame->ipv4.destination) &&
           listen_match_ipv4(listen, frame->ipv4.destination, frame->udp.destination_port);
}

/*
 * Nearly all requests are such announces: they are told by a few compares together. False says
 * nothing: then the rules are gone through one by one.
 */
static inline bool parse_ordinary(const struct listen_table *listen, struct request *request)
{
    const struct ordinary *frame = (const void *)request->frame;

    if (request->length < sizeof(*frame) || !ordinary_headers(frame) ||
        !ordinary_contents(listen, frame, request->length))
        return false;
    request->verdict = REQUEST_ANNOUNCE;
    request->family = SWARMS_IPV4;
    request->network = offsetof(struct ordinary, ipv4);
    request->transport = offsetof(struct ordinary, udp);
    request->payload_length = (uint16_t)(be16toh(frame->udp.length) - sizeof(frame->udp));
    return true;
}

void packet_parse(const struct listen_table *listen, struct request *request)
{
    if (!parse_ordinary(listen, request))
        parse_by_rule(listen, request);
}

bool packet_options(const struct request *request)
{
    const uint8_t *payload = request_payload(request);
    unsigned end = request->payload_length;
    unsigned at = sizeof(struct bep15_announce);

    while (at < end && payload[at] != BEP41_END) {
        unsigned length;

        if (payload[at++] == BEP41_NOP)
            continue;
        if (at == end)
            return false;
        length = payload[at++];
        if (length > end - at)
            return false;
        at += length;
    }
    return true;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From a frame to a BEP 15 request, by the rules of rules.h and in their order. Parsing ends with
 * the verdict that the packet gets if nothing else speaks against it: connect_steered and
 * request_steered are well-formed requests, all else is final.
 *
 * Loads go through aligned types: clang would take packed fields apart byte by byte, and packets
 * may be read unaligned wherever XDP runs.
 */
#pragma once

#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "rules.h"
#include "steering_maps.h"

#define STEERING_INLINE static __always_inline

STEERING_INLINE __u16 load16(const void *p)
{
    return *(const __u16 *)p;
}

STEERING_INLINE __u32 load32(const void *p)
{
    return *(const __u32 *)p;
}

STEERING_INLINE __u64 load64(const void *p)
{
    return *(const __u64 *)p;
}

struct steering_ipv6_address {
    __u64 high, low; /* as loaded */
};

/* Pointers into the frame, and what was read from it. Addresses and ports are as loaded. */
struct steering_packet {
    void *data, *end;
    void *ip;
    struct wire_udp *udp;
    struct bep15_request *request;
    int is_ipv6; /* a constant wherever it is used: each family has its own copy of the code */
    int first_fragment;
    __u32 total; /* bytes from the IP header to the packet's end, as its length field says */
    __u32 source, destination;
    struct steering_ipv6_address source6, destination6;
};

/* Rules 1 to 4: leaves `ip` behind the tags, and the ethertype in *type. */
STEERING_INLINE enum steering_counter parse_ethernet(struct steering_packet *packet, __u16 *type)
{
    struct wire_eth *eth = packet->data;

    if ((void *)(eth + 1) > packet->end)
        return STEERING_short_frame;
    if (rules_ethernet_group(eth->destination[0]))
        return STEERING_not_ours;
    packet->ip = eth + 1;
    *type = load16(&eth->ethertype);
#pragma clang loop unroll(full)
    for (int i = 0; i < WIRE_VLAN_TAGS_MAX; i++) {
        struct wire_vlan *tag = packet->ip;

        if (*type != bpf_htons(WIRE_ETHERTYPE_VLAN) && *type != bpf_htons(WIRE_ETHERTYPE_QINQ))
            break;
        if ((void *)(tag + 1) > packet->end)
            return STEERING_short_frame;
        *type = load16(&tag->ethertype);
        packet->ip = tag + 1;
    }
    return STEERING_request_steered;
}

/* Rules 5 to 9. */
STEERING_INLINE enum steering_counter parse_ipv4(struct steering_packet *packet)
{
    struct wire_ipv4 *ip = packet->ip;
    __u16 fragment;

    if ((void *)(ip + 1) > packet->end)
        return STEERING_short_frame;
    if (!rules_ipv4_header_valid(ip->version_ihl))
        return STEERING_ip_header;
    if (ip->protocol != WIRE_IPPROTO_UDP)
        return STEERING_not_ours;
    fragment = bpf_ntohs(load16(&ip->fragment));
    if (rules_ipv4_later_fragment(fragment))
        return STEERING_not_ours;
    packet->udp = packet->ip + (ip->version_ihl & 15) * 4;
    if ((void *)(packet->udp + 1) > packet->end)
        return STEERING_short_frame;

    packet->first_fragment = rules_ipv4_first_fragment(fragment);
    packet->total = bpf_ntohs(load16(&ip->total_length));
    packet->source = load32(&ip->source);
    packet->destination = load32(&ip->destination);
    return STEERING_request_steered;
}

STEERING_INLINE enum steering_counter parse_ipv6(struct steering_packet *packet)
{
    struct wire_ipv6 *ip = packet->ip;
    struct wire_ipv6_fragment *fragment = (void *)(ip + 1);

    if ((void *)(ip + 1) > packet->end)
        return STEERING_short_frame;
    if (!rules_ipv6_header_valid(*(__u8 *)ip))
        return STEERING_ip_header;
    packet->first_fragment = ip->next_header == WIRE_IPPROTO_IPV6_FRAGMENT;
    packet->udp = (void *)(ip + 1);
    if (packet->first_fragment) {
        if ((void *)(fragment + 1) > packet->end)
            return STEERING_short_frame;
        if (fragment->next_header != WIRE_IPPROTO_UDP ||
            rules_ipv6_later_fragment(bpf_ntohs(load16(&fragment->fragment))))
            return STEERING_not_ours;
        packet->udp = (void *)(fragment + 1);
    } else if (ip->next_header != WIRE_IPPROTO_UDP) {
        return STEERING_not_ours;
    }
    if ((void *)(packet->udp + 1) > packet->end)
        return STEERING_short_frame;

    packet->total = sizeof(*ip) + bpf_ntohs(load16(&ip->payload_length));
    packet->source6.high = load64(ip->source);
    packet->source6.low = load64(ip->source + 8);
    packet->destination6.high = load64(ip->destination);
    packet->destination6.low = load64(ip->destination + 8);
    return STEERING_request_steered;
}

STEERING_INLINE int listens_ipv4(const struct steering_config *config, __u32 address, __u16 port)
{
    if (!rules_ipv4_unicast(address))
        return 0;
#pragma clang loop unroll(disable)
    for (__u32 i = 0; i < STEERING_LISTEN_MAX && i < config->listen_ipv4_count; i++) {
        const struct steering_listen_ipv4 *listen = &config->listen_ipv4[i];

        if (listen->port == port && (listen->address == 0 || listen->address == address))
            return 1;
    }
    return 0;
}

STEERING_INLINE int listens_ipv6(const struct steering_config *config,
                                 const struct steering_ipv6_address *address, __u16 port)
{
    if (!rules_ipv6_unicast(address->high))
        return 0;
#pragma clang loop unroll(disable)
    for (__u32 i = 0; i < STEERING_LISTEN_MAX && i < config->listen_ipv6_count; i++) {
        const struct steering_listen_ipv6 *listen = &config->listen_ipv6[i];

        if (listen->port == port &&
            ((listen->high | listen->low) == 0 ||
             (listen->high == address->high && listen->low == address->low)))
            return 1;
    }
    return 0;
}

/* Rules 10 to 15. */
STEERING_INLINE enum steering_counter parse_udp(struct steering_packet *packet,
                                                const struct steering_config *config)
{
    const struct wire_eth *eth = packet->data;
    __u16 port = load16(&packet->udp->destination_port);
    __u32 header = (void *)packet->udp - packet->ip;
    int answerable;

    if (packet->is_ipv6 ? !listens_ipv6(config, &packet->destination6, port)
                        : !listens_ipv4(config, packet->destination, port))
        return STEERING_not_ours;
    if (packet->first_fragment)
        return STEERING_fragment;
    if (!rules_ip_length_valid(header, packet->total, packet->end - packet->ip))
        return STEERING_ip_header;
    if (!rules_udp_length_valid(bpf_ntohs(load16(&packet->udp->length)), packet->total - header))
        return STEERING_udp_length;
    if (packet->udp->source_port == 0)
        return STEERING_source_port;
    answerable = packet->is_ipv6
                     ? rules_ipv6_answerable(packet->source6.high, packet->source6.low,
                                             packet->destination6.high, packet->destination6.low)
                     : rules_ipv4_answerable(packet->source, packet->destination);
    if (!answerable || rules_ethernet_group(eth->source[0]))
        return STEERING_source_address;
    return STEERING_request_steered;
}

/* Rules 16 to 19. */
STEERING_INLINE enum steering_counter parse_request(struct steering_packet *packet)
{
    __u32 size = bpf_ntohs(load16(&packet->udp->length)) - sizeof(struct wire_udp);
    __u32 action, needed;

    packet->request = (void *)(packet->udp + 1);
    if (size < sizeof(struct bep15_request) || (void *)(packet->request + 1) > packet->end)
        return STEERING_short_request;
    action = bpf_ntohl(load32(&packet->request->action));
    needed = rules_request_size(action);
    if (needed == 0)
        return STEERING_action;
    if (action == BEP15_CONNECT)
        return load64(&packet->request->connection_id) == bpf_cpu_to_be64(BEP15_MAGIC)
                   ? STEERING_connect_steered
                   : STEERING_magic;
    return size < needed ? STEERING_short_request : STEERING_request_steered;
}

/* Rules 5 to 19, behind parse_ethernet(). */
STEERING_INLINE enum steering_counter parse_ip(struct steering_packet *packet,
                                               const struct steering_config *config)
{
    enum steering_counter verdict = packet->is_ipv6 ? parse_ipv6(packet) : parse_ipv4(packet);

    if (verdict != STEERING_request_steered)
        return verdict;
    verdict = parse_udp(packet, config);
    if (verdict != STEERING_request_steered)
        return verdict;
    return parse_request(packet);
}

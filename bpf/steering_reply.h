/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The reply to a connect, written over the request: the very bytes that dataplane/reply.c would
 * send (rules.h says which). Whatever the request had more, IP options or payload, is cut off.
 */
#pragma once

#include "steering_parse.h"

enum {
    REPLY_UDP_SIZE = sizeof(struct wire_udp) + sizeof(struct bep15_connect_reply),
    REPLY_IPV4_SIZE = sizeof(struct wire_ipv4) + REPLY_UDP_SIZE,
    REPLY_IPV6_SIZE = sizeof(struct wire_ipv6) + REPLY_UDP_SIZE,
};

STEERING_INLINE void store16(void *p, __u16 value)
{
    *(__u16 *)p = value;
}

STEERING_INLINE void store32(void *p, __u32 value)
{
    *(__u32 *)p = value;
}

STEERING_INLINE void store64(void *p, __u64 value)
{
    *(__u64 *)p = value;
}

/* Ones' complement sum of two or four 16-bit words, as loaded; byte order doesn't matter. */
STEERING_INLINE __u64 words32(__u32 value)
{
    return value;
}

STEERING_INLINE __u64 words64(__u64 value)
{
    return (value & 0xffffffff) + (value >> 32);
}

STEERING_INLINE __u16 checksum_fold(__u64 sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return ~sum;
}

STEERING_INLINE void reply_ethernet(struct wire_eth *eth)
{
    __u32 destination = load32(eth->destination), source = load32(eth->source);
    __u16 destination_end = load16(eth->destination + 4), source_end = load16(eth->source + 4);

    store32(eth->destination, source);
    store16(eth->destination + 4, source_end);
    store32(eth->source, destination);
    store16(eth->source + 4, destination_end);
}

/* `addresses` is the sum of the pseudo-header's addresses, `ports` both ports of the request. */
STEERING_INLINE void reply_udp(struct wire_udp *udp, __u64 addresses, __u32 ports,
                               __u32 transaction_id, __u64 connection_id)
{
    struct bep15_connect_reply *reply = (void *)(udp + 1);
    __u64 id = bpf_cpu_to_be64(connection_id);
    __u16 checksum =
        checksum_fold(addresses + words32(ports) + bpf_htons(WIRE_IPPROTO_UDP) +
                      2 * (__u64)bpf_htons(REPLY_UDP_SIZE) + words32(transaction_id) + words64(id));

    store32(udp, ports << 16 | ports >> 16);
    store16(&udp->length, bpf_htons(REPLY_UDP_SIZE));
    store16(&udp->checksum, checksum ? checksum : 0xffff);
    store32(&reply->header.action, bpf_htonl(BEP15_CONNECT));
    store32(&reply->header.transaction_id, transaction_id);
    store64(&reply->connection_id, id);
}

STEERING_INLINE void reply_ipv4(struct steering_packet *packet, const struct cookie_state *cookies)
{
    struct wire_ipv4 *ip = packet->ip;
    __u32 transaction_id = load32(&packet->request->transaction_id);
    __u32 ports = load32(packet->udp);
    __u64 addresses = words32(packet->source) + words32(packet->destination);
    __u32 lengths = bpf_htons(0x4500 | RULES_REPLY_TOS) | bpf_htons(REPLY_IPV4_SIZE) << 16;
    __u32 fragment = bpf_htons(RULES_REPLY_IPV4_ID) | bpf_htons(RULES_REPLY_IPV4_FRAGMENT) << 16;
    __u16 ttl = bpf_htons(RULES_REPLY_TTL << 8 | WIRE_IPPROTO_UDP);

    store32(ip, lengths);
    store32(&ip->id, fragment);
    store16(&ip->ttl, ttl);
    store16(&ip->checksum, checksum_fold(addresses + lengths + fragment + ttl));
    store32(&ip->source, packet->destination);
    store32(&ip->destination, packet->source);
    reply_udp((void *)(ip + 1), addresses, ports, transaction_id,
              cookie_ipv4(cookies, cookies->epoch, packet->source));
}

STEERING_INLINE void reply_ipv6(struct steering_packet *packet, const struct cookie_state *cookies)
{
    struct wire_ipv6 *ip = packet->ip;
    const struct steering_ipv6_address *source = &packet->source6;
    const struct steering_ipv6_address *destination = &packet->destination6;
    __u64 addresses = words64(source->high) + words64(source->low) + words64(destination->high) +
                      words64(destination->low);

    store32(ip, bpf_htonl(6 << 28 | RULES_REPLY_TOS << 20));
    store16(&ip->payload_length, bpf_htons(REPLY_UDP_SIZE));
    store16(&ip->next_header, bpf_htons(WIRE_IPPROTO_UDP << 8 | RULES_REPLY_TTL));
    store64(ip->source, destination->high);
    store64(ip->source + 8, destination->low);
    store64(ip->destination, source->high);
    store64(ip->destination + 8, source->low);
    reply_udp(packet->udp, addresses, load32(packet->udp), load32(&packet->request->transaction_id),
              cookie_ipv6(cookies, cookies->epoch, source->high, source->low));
}

/*
 * Returns 0, never in fact, when the frame has no room: parsing made sure, but the verifier wants
 * to see it. Ends the use of the packet's pointers.
 */
STEERING_INLINE int steering_reply(struct xdp_md *ctx, struct steering_packet *packet,
                                   const struct cookie_state *cookies)
{
    __u32 frame = packet->end - packet->data;
    __u32 size = packet->ip - packet->data;

    if (packet->is_ipv6) {
        if (packet->ip + REPLY_IPV6_SIZE > packet->end)
            return 0;
        reply_ipv6(packet, cookies);
        size += REPLY_IPV6_SIZE;
    } else {
        if (packet->ip + REPLY_IPV4_SIZE > packet->end)
            return 0;
        reply_ipv4(packet, cookies);
        size += REPLY_IPV4_SIZE;
    }
    reply_ethernet(packet->data);
    if (frame > size)
        bpf_xdp_adjust_tail(ctx, (int)size - (int)frame);
    return 1;
}

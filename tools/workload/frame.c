/* SPDX-License-Identifier: BSD-3-Clause */
#include "frame.h"

#include <endian.h>
#include <string.h>

uint32_t frame_sum(const void *data, unsigned length, uint32_t sum)
{
    const uint8_t *bytes = data;
    uint16_t word;

    for (; length >= 2; bytes += 2, length -= 2) {
        memcpy(&word, bytes, sizeof(word));
        sum += word;
    }
    return length ? sum + *bytes : sum;
}

uint16_t frame_checksum(uint32_t sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

void frame_templates_init(struct frame_templates *templates, const struct frame_tracker *tracker)
{
    memset(templates, 0, sizeof(*templates));
    for (unsigned family = SWARMS_IPV4; family <= SWARMS_IPV6; family++) {
        struct wire_eth *eth = (void *)templates->headers[family];
        struct wire_ipv4 *ipv4 = (void *)(eth + 1);
        struct wire_ipv6 *ipv6 = (void *)(eth + 1);
        struct wire_udp *udp =
            (void *)(templates->headers[family] + frame_payload(family) - sizeof(*udp));

        memcpy(eth->destination, tracker->ethernet, sizeof(eth->destination));
        memcpy(eth->source, tracker->client_ethernet, sizeof(eth->source));
        udp->destination_port = htobe16(tracker->port);
        if (family == SWARMS_IPV4) {
            eth->ethertype = htobe16(WIRE_ETHERTYPE_IPV4);
            ipv4->version_ihl = 0x45;
            ipv4->fragment = htobe16(WIRE_IPV4_DONT_FRAGMENT);
            ipv4->ttl = WIRE_TTL;
            ipv4->protocol = WIRE_IPPROTO_UDP;
            memcpy(&ipv4->destination, tracker->ipv4, sizeof(ipv4->destination));
            templates->ipv4_sum = frame_sum(ipv4, sizeof(*ipv4), 0);
        } else {
            eth->ethertype = htobe16(WIRE_ETHERTYPE_IPV6);
            ipv6->version_class_flow = htobe32(6u << 28);
            ipv6->next_header = WIRE_IPPROTO_UDP;
            ipv6->hop_limit = WIRE_TTL;
            memcpy(ipv6->destination, tracker->ipv6, sizeof(ipv6->destination));
        }
    }
}

static void finish_ipv4(const struct frame_templates *templates, const struct workload_peer *peer,
                        uint16_t udp_length, struct wire_ipv4 *ipv4, struct wire_udp *udp)
{
    ipv4->total_length = htobe16((uint16_t)(sizeof(*ipv4) + udp_length));
    memcpy(&ipv4->source, peer->address, sizeof(ipv4->source));
    memcpy(&udp->source_port, peer->address + sizeof(ipv4->source), sizeof(udp->source_port));
    ipv4->checksum = frame_checksum(
        frame_sum(&ipv4->source, sizeof(ipv4->source), templates->ipv4_sum + ipv4->total_length));
}

static void finish_ipv6(const struct workload_peer *peer, uint16_t udp_length,
                        struct wire_ipv6 *ipv6, struct wire_udp *udp)
{
    uint32_t sum;

    ipv6->payload_length = htobe16(udp_length);
    memcpy(ipv6->source, peer->address, sizeof(ipv6->source));
    memcpy(&udp->source_port, peer->address + sizeof(ipv6->source), sizeof(udp->source_port));
    sum = frame_sum(ipv6->source, 2 * sizeof(ipv6->source),
                    htobe16(udp_length) + htobe16(WIRE_IPPROTO_UDP));
    udp->checksum = frame_checksum(frame_sum(udp, udp_length, sum));
    if (udp->checksum == 0)
        udp->checksum = 0xffff;
}

/* Where the message goes; the headers are copied in front of it. */
static void *begin(const struct frame_templates *templates, const struct workload_peer *peer,
                   uint8_t *frame)
{
    memcpy(frame, templates->headers[peer->family], FRAME_HEADERS_MAX);
    return frame + frame_payload(peer->family);
}

/* Returns the frame's length. */
static unsigned finish(const struct frame_templates *templates, const struct workload_peer *peer,
                       uint8_t *frame, unsigned payload_length)
{
    unsigned payload = frame_payload(peer->family);
    struct wire_udp *udp = (void *)(frame + payload - sizeof(*udp));
    uint16_t udp_length = (uint16_t)(sizeof(*udp) + payload_length);

    udp->length = htobe16(udp_length);
    if (peer->family == SWARMS_IPV4)
        finish_ipv4(templates, peer, udp_length, (void *)(frame + sizeof(struct wire_eth)), udp);
    else
        finish_ipv6(peer, udp_length, (void *)(frame + sizeof(struct wire_eth)), udp);
    return payload + payload_length;
}

unsigned frame_connect(const struct frame_templates *templates, const struct workload_peer *peer,
                       uint32_t transaction_id, uint8_t *frame)
{
    struct bep15_request *request = begin(templates, peer, frame);

    request->connection_id = htobe64(BEP15_MAGIC);
    request->action = htobe32(BEP15_CONNECT);
    request->transaction_id = transaction_id;
    return finish(templates, peer, frame, sizeof(*request));
}

unsigned frame_announce(const struct frame_templates *templates, const struct workload_peer *peer,
                        const struct frame_announce *announce, uint8_t *frame)
{
    static const char client[8] = "-MU0100-"; /* as BEP 20 writes peer IDs */
    struct bep15_announce *request = begin(templates, peer, frame);

    request->header.connection_id = htobe64(announce->connection_id);
    request->header.action = htobe32(BEP15_ANNOUNCE);
    request->header.transaction_id = announce->transaction_id;
    memcpy(request->info_hash, announce->info_hash, sizeof(request->info_hash));
    memcpy(request->peer_id, client, sizeof(client));
    memcpy(request->peer_id + sizeof(client), peer->address, 12);
    request->downloaded = 0;
    request->left = htobe64(announce->left);
    request->uploaded = 0;
    request->event = htobe32(announce->event);
    request->ip = 0;
    request->key = 0;
    request->num_want = htobe32((uint32_t)announce->numwant);
    memcpy(&request->port, peer->address + (peer->family == SWARMS_IPV4 ? 4 : 16), 2);
    return finish(templates, peer, frame, sizeof(*request));
}

unsigned frame_scrape(const struct frame_templates *templates, const struct workload_peer *peer,
                      uint64_t connection_id, uint32_t transaction_id, const uint32_t torrents[],
                      unsigned count, uint8_t *frame)
{
    struct bep15_request *request = begin(templates, peer, frame);
    uint8_t *hashes = (void *)(request + 1);

    request->connection_id = htobe64(connection_id);
    request->action = htobe32(BEP15_SCRAPE);
    request->transaction_id = transaction_id;
    for (unsigned i = 0; i < count; i++)
        workload_info_hash(torrents[i], hashes + i * BEP15_INFO_HASH_SIZE);
    return finish(templates, peer, frame,
                  (unsigned)sizeof(*request) + count * BEP15_INFO_HASH_SIZE);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "reply.h"

#include <endian.h>
#include <smmintrin.h>
#include <string.h>

#include "../bpf/rules.h"
#include "checksum.h"

/* Every reply begins alike. The transaction ID moves from where a request has it. */
static inline void *reply_begin(struct request *request, enum request_verdict verdict,
                                enum bep15_action action, unsigned payload_length)
{
    void *payload = request_payload(request);
    uint32_t transaction_id = ((const struct bep15_request *)payload)->transaction_id;
    struct bep15_reply *header = payload;

    header->action = htobe32(action);
    header->transaction_id = transaction_id;
    request->verdict = (uint8_t)verdict;
    request->payload_length = (uint16_t)payload_length;
    return payload;
}

void reply_connect(struct request *request, uint64_t connection_id)
{
    struct bep15_connect_reply *reply =
        reply_begin(request, REQUEST_REPLY_CONNECT, BEP15_CONNECT, sizeof(*reply));

    reply->connection_id = htobe64(connection_id);
}

void reply_announce(struct request *request, uint32_t interval)
{
    const struct swarms_announce *announce = &request->announce;
    unsigned peer_size =
        request->family == SWARMS_IPV4 ? BEP15_PEER_IPV4_SIZE : BEP15_PEER_IPV6_SIZE;
    struct bep15_announce_reply *reply =
        reply_begin(request, REQUEST_REPLY_ANNOUNCE, BEP15_ANNOUNCE,
                    (unsigned)sizeof(*reply) + announce->peers_count * peer_size);

    reply->interval = htobe32(interval);
    reply->leechers = htobe32(announce->leechers);
    reply->seeders = htobe32(announce->seeders);
}

void reply_scrape(struct request *request, unsigned rows)
{
    const uint8_t *hashes = request_payload(request) + sizeof(struct bep15_request);
    struct bep15_reply *reply =
        reply_begin(request, REQUEST_REPLY_SCRAPE, BEP15_SCRAPE,
                    (unsigned)(sizeof(*reply) + rows * sizeof(struct bep15_scrape_row)));
    struct bep15_scrape_row *row = (void *)(reply + 1);

    /* A row is shorter than a hash: what is written never overtakes what is still to be read. */
    for (unsigned i = 0; i < rows; i++, row++, hashes += BEP15_INFO_HASH_SIZE)
        memmove(row, hashes, sizeof(*row));
}

void reply_error(struct request *request, const char *message)
{
    unsigned length = (unsigned)strlen(message);
    struct bep15_reply *reply =
        reply_begin(request, REQUEST_REPLY_ERROR, BEP15_ERROR, (unsigned)sizeof(*reply) + length);

    memcpy(reply + 1, message, length);
}

/* Moves the headers up to the UDP header, over the options. */
static void strip_options(struct request *request)
{
    unsigned kept = request->network + (unsigned)sizeof(struct wire_ipv4);
    unsigned options = request->transport - kept;

    memmove(request->frame + options, request->frame, kept);
    request->frame += options;
    request->room = (uint16_t)(request->room - options);
    request->transport = (uint8_t)kept;
}

/* Swaps the two addresses, with 16-byte moves: what lies behind them stays as it is. */
static inline void finish_ethernet(struct wire_eth *eth)
{
    const __m128i turn = _mm_setr_epi8(6, 7, 8, 9, 10, 11, 0, 1, 2, 3, 4, 5, 12, 13, 14, 15);
    __m128i *head = (void *)eth;

    _mm_storeu_si128(head, _mm_shuffle_epi8(_mm_loadu_si128(head), turn));
}

/*
 * The sums of headers are made of what is written, not read back: bytes just stored in one width
 * and loaded in another cost as much as the rest of the reply.
 */

/* UDP's length and checksum. `sum` is that of addresses, ports and payload. */
static inline uint32_t length_and_checksum(unsigned udp_length, uint64_t sum, bool offload)
{
    uint16_t length = htobe16((uint16_t)udp_length), checksum;

    sum += (uint64_t)htobe16(WIRE_IPPROTO_UDP) + length; /* the pseudo-header's */
    if (offload)
        return length | (uint32_t)checksum_fold(sum) << 16;
    checksum = (uint16_t)~checksum_fold(sum + length);
    return length | (uint32_t)(checksum ? checksum : 0xffff) << 16; /* 0 would say: none */
}

/* IPv4's addresses and the ports behind them, in one piece. */
struct ipv4_ends {
    struct wire_ipv4 ipv4;
    struct wire_udp udp;
} WIRE_PACKED;

static inline void finish_ipv4(struct ipv4_ends *headers, unsigned udp_length, uint64_t payload_sum,
                               bool offload)
{
    const __m128i turn = _mm_setr_epi8(4, 5, 6, 7, 0, 1, 2, 3, 10, 11, 8, 9, 12, 13, 14, 15);
    /* Version, header length, TOS; ID and flags; TTL and protocol. */
    const uint64_t begin = 0x45 | RULES_REPLY_TOS << 8 |
                           (uint64_t)htobe16(RULES_REPLY_IPV4_ID) << 32 |
                           (uint64_t)htobe16(RULES_REPLY_IPV4_FRAGMENT) << 48;
    const uint32_t lifetime = RULES_REPLY_TTL | WIRE_IPPROTO_UDP << 8;
    uint64_t total = htobe16((uint16_t)(sizeof(headers->ipv4) + udp_length));
    __m128i *ends = (void *)&headers->ipv4.source;
    __m128i both = _mm_loadu_si128(ends);
    uint64_t addresses = checksum_add((uint64_t)_mm_cvtsi128_si64(both));
    uint64_t sum = addresses + checksum_add(begin) + total + lifetime, first;
    uint32_t ports = (uint32_t)_mm_extract_epi32(both, 2), second, last;

    first = begin | total << 16;
    second = lifetime | (offload ? 0 : (uint32_t)(uint16_t)~checksum_fold(sum) << 16);
    memcpy(&headers->ipv4.version_ihl, &first, sizeof(first));
    memcpy(&headers->ipv4.ttl, &second, sizeof(second));
    _mm_storeu_si128(ends, _mm_shuffle_epi8(both, turn));
    last =
        length_and_checksum(udp_length, addresses + (offload ? 0 : ports + payload_sum), offload);
    memcpy(&headers->udp.length, &last, sizeof(last));
}

/* Returns the sum of the addresses. */
static inline uint64_t turn_ipv6(struct wire_ipv6 *ipv6, unsigned udp_length)
{
    struct {
        uint64_t source[2], destination[2];
    } packet, reply;

    memcpy(&packet, ipv6->source, sizeof(packet));
    memcpy(reply.source, packet.destination, sizeof(reply.source));
    memcpy(reply.destination, packet.source, sizeof(reply.destination));
    ipv6->version_class_flow = htobe32(UINT32_C(6) << 28 | RULES_REPLY_TOS << 20);
    ipv6->payload_length = htobe16((uint16_t)udp_length);
    ipv6->hop_limit = RULES_REPLY_TTL;
    memcpy(ipv6->source, &reply, sizeof(reply));
    return checksum_add(packet.source[0]) + checksum_add(packet.source[1]) +
           checksum_add(packet.destination[0]) + checksum_add(packet.destination[1]);
}

static inline void finish_ipv6(struct wire_ipv6 *ipv6, struct wire_udp *udp, unsigned udp_length,
                               uint64_t payload_sum, bool offload)
{
    uint16_t client = udp->source_port, server = udp->destination_port;
    uint64_t sum = turn_ipv6(ipv6, udp_length);
    uint32_t last;

    udp->source_port = server;
    udp->destination_port = client;
    if (!offload)
        sum += client + (uint64_t)server + payload_sum;
    last = length_and_checksum(udp_length, sum, offload);
    memcpy(&udp->length, &last, sizeof(last));
}

static inline void finish(struct request *request, uint64_t payload_sum)
{
    unsigned udp_length = (unsigned)sizeof(struct wire_udp) + request->payload_length;
    void *network;

    if (request->family == SWARMS_IPV4 &&
        request->transport != request->network + sizeof(struct wire_ipv4))
        strip_options(request);
    finish_ethernet((struct wire_eth *)request->frame);
    network = request->frame + request->network;
    if (request->family == SWARMS_IPV4)
        finish_ipv4(network, udp_length, payload_sum, request->offload);
    else
        finish_ipv6(network, (struct wire_udp *)(request->frame + request->transport), udp_length,
                    payload_sum, request->offload);
    request->length = (uint16_t)(request->transport + udp_length);
}

void reply_finish(struct request *const requests[], unsigned count)
{
    uint64_t payload_sums[SWARMS_BURST_MAX];

    checksum_payloads(requests, count, payload_sums);
    for (unsigned i = 0; i < count; i++)
        finish(requests[i], payload_sums[i]);
}

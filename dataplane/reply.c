/* SPDX-License-Identifier: BSD-3-Clause */
#include "reply.h"

#include <endian.h>
#include <smmintrin.h>
#include <string.h>

#include "../bpf/rules.h"

/*
 * The sum of RFC 1071 over bytes in the order of memory: such a sum needs no swapping on either
 * side. 32 bits at a time into lanes of 64: there are no carries to follow.
 */
static inline uint64_t sum_bytes(const void *data, unsigned length)
{
    const __m128i zero = _mm_setzero_si128();
    const uint8_t *bytes = data;
    __m128i low = zero, high = zero;
    uint64_t sum;
    uint32_t word = 0;
    uint16_t half = 0;

    for (; length >= 16; bytes += 16, length -= 16) {
        __m128i block = _mm_loadu_si128((const __m128i *)bytes);

        low = _mm_add_epi64(low, _mm_unpacklo_epi32(block, zero));
        high = _mm_add_epi64(high, _mm_unpackhi_epi32(block, zero));
    }
    low = _mm_add_epi64(low, high);
    sum = (uint64_t)_mm_cvtsi128_si64(low) + (uint64_t)_mm_extract_epi64(low, 1);
    for (; length >= sizeof(word); bytes += sizeof(word), length -= (unsigned)sizeof(word)) {
        memcpy(&word, bytes, sizeof(word));
        sum += word;
    }
    if (length >= sizeof(half)) {
        memcpy(&half, bytes, sizeof(half));
        sum += half;
        bytes += sizeof(half);
    }
    return sum + (length & 1 ? *bytes : 0);
}

static inline uint16_t sum_fold(uint64_t sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

/* Of the pseudo-header, all but the addresses. */
static inline uint64_t sum_pseudo(unsigned udp_length)
{
    return (uint64_t)htobe16(WIRE_IPPROTO_UDP) + htobe16((uint16_t)udp_length);
}

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

static inline void finish_ethernet(struct wire_eth *eth)
{
    uint8_t client[sizeof(eth->source)];

    memcpy(client, eth->source, sizeof(client));
    memcpy(eth->source, eth->destination, sizeof(client));
    memcpy(eth->destination, client, sizeof(client));
}

/* Returns the sum of the addresses; so does finish_ipv6(). */
static inline uint64_t finish_ipv4(struct wire_ipv4 *ipv4, unsigned udp_length, bool offload)
{
    uint32_t client = ipv4->source;

    ipv4->version_ihl = 0x45;
    ipv4->tos = RULES_REPLY_TOS;
    ipv4->total_length = htobe16((uint16_t)(sizeof(*ipv4) + udp_length));
    ipv4->id = htobe16(RULES_REPLY_IPV4_ID);
    ipv4->fragment = htobe16(RULES_REPLY_IPV4_FRAGMENT);
    ipv4->ttl = RULES_REPLY_TTL;
    ipv4->checksum = 0;
    ipv4->source = ipv4->destination;
    ipv4->destination = client;
    if (!offload)
        ipv4->checksum = (uint16_t)~sum_fold(sum_bytes(ipv4, sizeof(*ipv4)));
    return (uint64_t)ipv4->source + ipv4->destination;
}

static inline uint64_t finish_ipv6(struct wire_ipv6 *ipv6, unsigned udp_length)
{
    uint8_t client[sizeof(ipv6->source)];

    ipv6->version_class_flow = htobe32(UINT32_C(6) << 28);
    ipv6->payload_length = htobe16((uint16_t)udp_length);
    ipv6->hop_limit = RULES_REPLY_TTL;
    memcpy(client, ipv6->source, sizeof(client));
    memcpy(ipv6->source, ipv6->destination, sizeof(client));
    memcpy(ipv6->destination, client, sizeof(client));
    return sum_bytes(ipv6->source, 2 * sizeof(client));
}

/* `sum` is that of the pseudo-header. */
static inline void finish_udp(struct wire_udp *udp, unsigned udp_length, uint64_t sum, bool offload)
{
    uint16_t client = udp->source_port;
    uint16_t checksum;

    udp->source_port = udp->destination_port;
    udp->destination_port = client;
    udp->length = htobe16((uint16_t)udp_length);
    udp->checksum = 0;
    if (offload) {
        udp->checksum = sum_fold(sum);
        return;
    }
    checksum = (uint16_t)~sum_fold(sum + sum_bytes(udp, udp_length));
    udp->checksum = checksum ? checksum : 0xffff; /* 0 would say that there is none */
}

void reply_finish(struct request *request)
{
    unsigned udp_length = (unsigned)sizeof(struct wire_udp) + request->payload_length;
    void *network;
    uint64_t sum;

    if (request->family == SWARMS_IPV4 &&
        request->transport != request->network + sizeof(struct wire_ipv4))
        strip_options(request);
    finish_ethernet((struct wire_eth *)request->frame);
    network = request->frame + request->network;
    sum = request->family == SWARMS_IPV4 ? finish_ipv4(network, udp_length, request->offload)
                                         : finish_ipv6(network, udp_length);
    finish_udp((struct wire_udp *)(request->frame + request->transport), udp_length,
               sum + sum_pseudo(udp_length), request->offload);
    request->length = (uint16_t)(request->transport + udp_length);
}

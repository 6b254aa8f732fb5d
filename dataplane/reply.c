/* SPDX-License-Identifier: BSD-3-Clause */
#include "reply.h"

#include <endian.h>
#include <string.h>

#include "../bpf/rules.h"

/*
 * Sums of RFC 1071 over bytes in the order of memory, which need no swapping on either side: 32
 * bits at a time into 64, so that there are no carries to follow.
 */
static inline uint64_t sum_words(uint64_t words)
{
    return (words & 0xffffffff) + (words >> 32);
}

static uint64_t sum_bytes(const uint8_t *bytes, unsigned length)
{
    uint64_t sum = 0, word;

    for (; length >= sizeof(word); bytes += sizeof(word), length -= (unsigned)sizeof(word)) {
        memcpy(&word, bytes, sizeof(word));
        sum += sum_words(word);
    }
    if (length > 0) {
        word = 0;
        memcpy(&word, bytes, length);
        sum += sum_words(word);
    }
    return sum;
}

typedef uint64_t vector __attribute__((vector_size(16)));

enum { SUM_BLOCK = 64 };

/* One block, but for the bytes that `mask` clears. */
static inline vector sum_block(const uint8_t *bytes, const uint8_t *mask)
{
    vector sum = {0};

    for (unsigned i = 0; i < SUM_BLOCK / sizeof(vector); i++) {
        vector part, keep;

        memcpy(&part, bytes + i * sizeof(part), sizeof(part));
        memcpy(&keep, mask + i * sizeof(keep), sizeof(keep));
        part &= keep;
        sum += (part & 0xffffffff) + (part >> 32);
    }
    return sum;
}

/*
 * The same sum, by whole blocks: a loop that goes as often as the reply has cache lines, about, is
 * easier to predict than one that goes as often as it has peers, and a wrong guess costs as much as
 * a whole sum. Up to SUM_BLOCK - 1 bytes behind the end are read, and masked out.
 */
static inline uint64_t sum_blocks(const uint8_t *bytes, unsigned length)
{
    static const uint8_t masks[2 * SUM_BLOCK] = {[0 ... SUM_BLOCK - 1] = 0xff};
    vector sum = {0};

    for (; length > SUM_BLOCK; bytes += SUM_BLOCK, length -= SUM_BLOCK)
        sum += sum_block(bytes, masks);
    sum += sum_block(bytes, masks + SUM_BLOCK - length);
    return sum[0] + sum[1];
}

static inline uint16_t sum_fold(uint64_t sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
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

/*
 * The sums of headers are made of what is written, not read back: bytes just stored in one width
 * and loaded in another cost as much as the rest of the reply.
 */

/* Returns the sum of the addresses; so does finish_ipv6(). */
static inline uint64_t finish_ipv4(struct wire_ipv4 *ipv4, unsigned udp_length, bool offload)
{
    const uint16_t begin = htobe16(0x4500 | RULES_REPLY_TOS);
    const uint16_t id = htobe16(RULES_REPLY_IPV4_ID);
    const uint16_t fragment = htobe16(RULES_REPLY_IPV4_FRAGMENT);
    const uint16_t lifetime = htobe16(RULES_REPLY_TTL << 8 | WIRE_IPPROTO_UDP);
    uint16_t total = htobe16((uint16_t)(sizeof(*ipv4) + udp_length));
    uint32_t client = ipv4->source, server = ipv4->destination;
    uint64_t addresses = (uint64_t)client + server;

    memcpy(&ipv4->version_ihl, &begin, sizeof(begin));
    ipv4->total_length = total;
    ipv4->id = id;
    ipv4->fragment = fragment;
    memcpy(&ipv4->ttl, &lifetime, sizeof(lifetime));
    ipv4->checksum =
        offload ? 0 : (uint16_t)~sum_fold(addresses + begin + total + id + fragment + lifetime);
    ipv4->source = server;
    ipv4->destination = client;
    return addresses;
}

static inline uint64_t finish_ipv6(struct wire_ipv6 *ipv6, unsigned udp_length)
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
    return sum_words(packet.source[0]) + sum_words(packet.source[1]) +
           sum_words(packet.destination[0]) + sum_words(packet.destination[1]);
}

/* `sum` is that of the addresses; `room` is what there is from the payload on. */
static inline void finish_udp(struct wire_udp *udp, unsigned udp_length, unsigned room,
                              uint64_t sum, bool offload)
{
    const uint8_t *payload = (const uint8_t *)(udp + 1);
    unsigned payload_length = udp_length - (unsigned)sizeof(*udp);
    uint16_t client = udp->source_port, server = udp->destination_port;
    uint16_t length = htobe16((uint16_t)udp_length), checksum;

    udp->source_port = server;
    udp->destination_port = client;
    udp->length = length;
    sum += (uint64_t)htobe16(WIRE_IPPROTO_UDP) + length;
    if (offload) {
        udp->checksum = sum_fold(sum);
        return;
    }
    sum += (uint64_t)client + server + length;
    sum += payload_length + SUM_BLOCK <= room ? sum_blocks(payload, payload_length)
                                              : sum_bytes(payload, payload_length);
    checksum = (uint16_t)~sum_fold(sum);
    udp->checksum = checksum ? checksum : 0xffff; /* 0 would say that there is none */
}

void reply_finish(struct request *request)
{
    unsigned udp_length = (unsigned)sizeof(struct wire_udp) + request->payload_length;
    unsigned payload;
    void *network;
    uint64_t sum;

    if (request->family == SWARMS_IPV4 &&
        request->transport != request->network + sizeof(struct wire_ipv4))
        strip_options(request);
    finish_ethernet((struct wire_eth *)request->frame);
    network = request->frame + request->network;
    sum = request->family == SWARMS_IPV4 ? finish_ipv4(network, udp_length, request->offload)
                                         : finish_ipv6(network, udp_length);
    payload = request->transport + (unsigned)sizeof(struct wire_udp);
    finish_udp((struct wire_udp *)(request->frame + request->transport), udp_length,
               request->room - payload, sum, request->offload);
    request->length = (uint16_t)(request->transport + udp_length);
}

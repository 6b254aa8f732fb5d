/* SPDX-License-Identifier: BSD-3-Clause */
#include "steering_fixture.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xdp/xsk.h>

#include "tests/unit/frame.h"

static void need(bool well, const char *what)
{
    if (well)
        return;
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

static int map_of(const struct fixture *fixture, const char *name)
{
    int fd = bpf_object__find_map_fd_by_name(fixture->object, name);

    need(fd >= 0, name);
    return fd;
}

static void load(struct fixture *fixture)
{
    struct bpf_map *map;

    fixture->object = bpf_object__open_file(STEERING_OBJECT, NULL);
    need(fixture->object != NULL, STEERING_OBJECT);
    bpf_object__for_each_map(map, fixture->object) bpf_map__set_pin_path(map, NULL);
    need(bpf_object__load(fixture->object) == 0, "load");
    fixture->program = bpf_program__fd(bpf_object__next_program(fixture->object, NULL));
    fixture->slot = map_of(fixture, STEERING_MAP_NAME(config));
    fixture->counters = map_of(fixture, STEERING_MAP_NAME(counters));
    fixture->bans_ipv4 = map_of(fixture, STEERING_MAP_NAME(bans_ipv4));
    fixture->bans_ipv6 = map_of(fixture, STEERING_MAP_NAME(bans_ipv6));
    fixture->limiter = map_of(fixture, STEERING_MAP_NAME(limiter));
    fixture->sockets = map_of(fixture, "xsks_map");
    fixture->config_map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "config", sizeof(uint32_t),
                                         sizeof(fixture->config), 1, NULL);
    need(fixture->config_map >= 0, "config map");
}

/* Test runs come in on the loopback's queue 0: here, of a network namespace of our own. */
static void open_socket(struct fixture *fixture)
{
    const struct xsk_socket_config config = {.rx_size = 64,
                                             .tx_size = 64,
                                             .libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
                                             .bind_flags = XDP_COPY};
    const size_t size = 64 * XSK_UMEM__DEFAULT_FRAME_SIZE;
    struct ifreq up = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    int control = socket(AF_INET, SOCK_DGRAM, 0);
    static struct xsk_ring_prod fill, tx;
    static struct xsk_ring_cons completion, rx;

    need(ioctl(control, SIOCSIFFLAGS, &up) == 0, "lo up");
    close(control);
    fixture->frames = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    need(fixture->frames != MAP_FAILED, "mmap");
    need(xsk_umem__create(&fixture->umem, fixture->frames, size, &fill, &completion, NULL) == 0,
         "umem");
    need(xsk_socket__create(&fixture->socket, "lo", 0, fixture->umem, &rx, &tx, &config) == 0,
         "AF_XDP socket");
}

void fixture_open(struct fixture *fixture)
{
    memset(fixture, 0, sizeof(*fixture));
    if (geteuid() != 0) {
        fprintf(stderr, "skipped: loading a BPF program needs root\n");
        exit(FIXTURE_SKIP);
    }
    need(unshare(CLONE_NEWNET) == 0, "network namespace");
    load(fixture);
    open_socket(fixture);
    fixture_connect_socket(fixture, true);
    fixture_defaults(fixture);
}

void fixture_close(struct fixture *fixture)
{
    xsk_socket__delete(fixture->socket);
    xsk_umem__delete(fixture->umem);
    close(fixture->config_map);
    bpf_object__close(fixture->object);
}

void fixture_defaults(struct fixture *fixture)
{
    struct steering_config *config = &fixture->config;

    memset(config, 0, sizeof(*config));
    config->cookies.epoch = 29000001;
    config->cookies.current =
        (struct cookie_key){UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908), 29000000};
    config->cookies.previous = (struct cookie_key){1, 2, 0};
    for (unsigned i = 0; i < 3; i++)
        config->limiter.secret[i] = UINT64_C(0x9e3779b97f4a7c15) * (i + 1);
    config->answer_connect = 1;
    config->listen_ipv4_count = config->listen_ipv6_count = 1;
    memcpy(&config->listen_ipv4[0].address, FRAME_SERVER_IPV4, 4);
    config->listen_ipv4[0].port = __builtin_bswap16(FRAME_SERVER_PORT);
    memcpy(&config->listen_ipv6[0].high, FRAME_SERVER_IPV6, 8);
    memcpy(&config->listen_ipv6[0].low, FRAME_SERVER_IPV6 + 8, 8);
    config->listen_ipv6[0].port = __builtin_bswap16(FRAME_SERVER_PORT);
    fixture_publish(fixture);
}

void fixture_publish(struct fixture *fixture)
{
    const uint32_t zero = 0;

    need(bpf_map_update_elem(fixture->config_map, &zero, &fixture->config, BPF_ANY) == 0,
         "configuration");
    need(bpf_map_update_elem(fixture->slot, &zero, &fixture->config_map, BPF_ANY) == 0, "slot");
}

void fixture_connect_socket(struct fixture *fixture, bool connected)
{
    const uint32_t queue = 0;
    int fd = xsk_socket__fd(fixture->socket);

    if (connected)
        need(bpf_map_update_elem(fixture->sockets, &queue, &fd, BPF_ANY) == 0, "xsks_map");
    else
        bpf_map_delete_elem(fixture->sockets, &queue);
}

void fixture_clear_limiter(struct fixture *fixture)
{
    const struct limiter_line zeros = {{0}};

    for (uint32_t line = 0; line < LIMITER_LINES; line++)
        need(bpf_map_update_elem(fixture->limiter, &line, &zeros, BPF_ANY) == 0, "limiter");
}

static void read_counters(const struct fixture *fixture, uint64_t counts[STEERING_COUNTERS])
{
    static struct steering_counters each[1024];
    const uint32_t zero = 0;
    int cpus = libbpf_num_possible_cpus();

    need(cpus > 0 && cpus <= 1024, "CPUs");
    need(bpf_map_lookup_elem(fixture->counters, &zero, each) == 0, "counters");
    memset(counts, 0, STEERING_COUNTERS * sizeof(counts[0]));
    for (int cpu = 0; cpu < cpus; cpu++)
        for (unsigned i = 0; i < STEERING_COUNTERS; i++)
            counts[i] += each[cpu].counts[i];
}

void fixture_run(struct fixture *fixture, const void *frame, uint32_t length,
                 struct steered *steered)
{
    LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = length,
                .data_out = steered->bytes, .data_size_out = sizeof(steered->bytes), .repeat = 1);
    uint64_t before[STEERING_COUNTERS], after[STEERING_COUNTERS];
    unsigned counted = 0;

    read_counters(fixture, before);
    need(bpf_prog_test_run_opts(fixture->program, &run) == 0, "test run");
    read_counters(fixture, after);

    steered->action = run.retval;
    steered->length = run.data_size_out;
    steered->would_limit = after[STEERING_would_limit] != before[STEERING_would_limit];
    steered->verdict = STEERING_COUNTERS;
    for (unsigned i = 0; i < STEERING_would_limit; i++) {
        counted += (unsigned)(after[i] - before[i]);
        if (after[i] != before[i])
            steered->verdict = (enum steering_counter)i;
    }
    if (counted != 1)
        steered->verdict = STEERING_COUNTERS;
}

uint32_t fixture_time(struct fixture *fixture, const void *frame, uint32_t length, uint32_t repeat,
                      uint32_t *action)
{
    LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = length,
                .repeat = (int)repeat);

    need(bpf_prog_test_run_opts(fixture->program, &run) == 0, "test run");
    *action = run.retval;
    return run.duration;
}

const char *fixture_verdict_name(enum steering_counter verdict)
{
    static const char *const names[] = {
#define NAME(name, help) #name,
        STEERING_VERDICTS(NAME) STEERING_EVENTS(NAME)
#undef NAME
    };

    return verdict < STEERING_COUNTERS ? names[verdict] : "none or several";
}

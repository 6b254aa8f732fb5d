/* SPDX-License-Identifier: BSD-3-Clause */
#include "steering_rig.h"

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

enum { CPUS_MAX = 1024 };

void steering_rig_need(bool well, const char *what)
{
    if (well)
        return;
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

static int map_of(const struct steering_rig *rig, const char *name)
{
    int fd = bpf_object__find_map_fd_by_name(rig->object, name);

    steering_rig_need(fd >= 0, name);
    return fd;
}

static void load(struct steering_rig *rig, const char *object)
{
    struct bpf_map *map;

    rig->object = bpf_object__open_file(object, NULL);
    steering_rig_need(rig->object != NULL, object);
    bpf_object__for_each_map(map, rig->object) bpf_map__set_pin_path(map, NULL);
    steering_rig_need(bpf_object__load(rig->object) == 0, object);
    rig->program = bpf_program__fd(bpf_object__next_program(rig->object, NULL));
    rig->slot = map_of(rig, STEERING_MAP_NAME(config));
    rig->counters = map_of(rig, STEERING_MAP_NAME(counters));
    rig->bans_ipv4 = map_of(rig, STEERING_MAP_NAME(bans_ipv4));
    rig->bans_ipv6 = map_of(rig, STEERING_MAP_NAME(bans_ipv6));
    rig->limiter = map_of(rig, STEERING_MAP_NAME(limiter));
    rig->sockets = map_of(rig, "xsks_map");
    rig->inner = bpf_map_create(BPF_MAP_TYPE_ARRAY, "config", sizeof(uint32_t), sizeof(rig->config),
                                1, NULL);
    steering_rig_need(rig->inner >= 0, "a map for the configuration");
}

/* The kernel has test runs come in on the loopback's queue 0. */
static void open_socket(struct steering_rig *rig)
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

    steering_rig_need(ioctl(control, SIOCSIFFLAGS, &up) == 0, "the loopback interface");
    close(control);
    rig->frames = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    steering_rig_need(rig->frames != MAP_FAILED, "memory");
    steering_rig_need(
        xsk_umem__create(&rig->umem, rig->frames, size, &fill, &completion, NULL) == 0, "UMEM");
    steering_rig_need(xsk_socket__create(&rig->socket, "lo", 0, rig->umem, &rx, &tx, &config) == 0,
                      "AF_XDP socket");
}

void steering_rig_open(struct steering_rig *rig, const char *object)
{
    memset(rig, 0, sizeof(*rig));
    if (geteuid() != 0) {
        fprintf(stderr, "loading a BPF program needs root\n");
        exit(STEERING_RIG_SKIP);
    }
    steering_rig_need(unshare(CLONE_NEWNET) == 0, "a network namespace");
    load(rig, object);
    open_socket(rig);
    steering_rig_connect(rig, true);
}

void steering_rig_close(struct steering_rig *rig)
{
    xsk_socket__delete(rig->socket);
    xsk_umem__delete(rig->umem);
    close(rig->inner);
    bpf_object__close(rig->object);
}

/* Tests run one packet at a time: there is nobody for whom to keep the old configuration. */
void steering_rig_publish(struct steering_rig *rig)
{
    const uint32_t zero = 0;

    steering_rig_need(bpf_map_update_elem(rig->inner, &zero, &rig->config, BPF_ANY) == 0,
                      "the configuration");
    steering_rig_need(bpf_map_update_elem(rig->slot, &zero, &rig->inner, BPF_ANY) == 0,
                      "the configuration's slot");
}

void steering_rig_connect(struct steering_rig *rig, bool connected)
{
    const uint32_t queue = 0;
    int fd = xsk_socket__fd(rig->socket);

    if (connected)
        steering_rig_need(bpf_map_update_elem(rig->sockets, &queue, &fd, BPF_ANY) == 0, "xsks_map");
    else
        bpf_map_delete_elem(rig->sockets, &queue);
}

void steering_rig_ban(struct steering_rig *rig, unsigned family, const void *address,
                      unsigned length, uint64_t until)
{
    struct steering_ban_ipv4 ipv4 = {.prefix_length = length};
    struct steering_ban_ipv6 ipv6 = {.prefix_length = length};
    const struct steering_ban ban = {.until = until};
    const void *key = family == 4 ? (void *)&ipv4 : (void *)&ipv6;
    int map = family == 4 ? rig->bans_ipv4 : rig->bans_ipv6;

    memcpy(ipv4.address, address, sizeof(ipv4.address));
    if (family == 6)
        memcpy(ipv6.address, address, sizeof(ipv6.address));
    if (until != 0)
        steering_rig_need(bpf_map_update_elem(map, key, &ban, BPF_ANY) == 0, "a ban");
    else
        steering_rig_need(bpf_map_delete_elem(map, key) == 0, "lifting a ban");
}

void steering_rig_clear_limiter(struct steering_rig *rig)
{
    const size_t size = LIMITER_LINES * sizeof(struct limiter_line);
    void *table = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, rig->limiter, 0);

    steering_rig_need(table != MAP_FAILED, "the limiter's table");
    memset(table, 0, size);
    munmap(table, size);
}

void steering_rig_counters(const struct steering_rig *rig, uint64_t counts[STEERING_COUNTERS])
{
    static struct steering_counters each[CPUS_MAX];
    const uint32_t zero = 0;
    int cpus = libbpf_num_possible_cpus();

    steering_rig_need(cpus > 0 && cpus <= CPUS_MAX, "CPUs");
    steering_rig_need(bpf_map_lookup_elem(rig->counters, &zero, each) == 0, "the counters");
    memset(counts, 0, STEERING_COUNTERS * sizeof(counts[0]));
    for (int cpu = 0; cpu < cpus; cpu++)
        for (unsigned i = 0; i < STEERING_COUNTERS; i++)
            counts[i] += each[cpu].counts[i];
}

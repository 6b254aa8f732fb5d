/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "controlplane/steering.h"
#include "fake_dataplane.h"

struct fake_dataplane fake_dataplane;

enum { MAILBOX = 8 };

/* Of each worker, the last one first. */
static struct dataplane_job *finished[DATAPLANE_WORKERS_MAX][MAILBOX];
static unsigned finished_count[DATAPLANE_WORKERS_MAX];

void fake_dataplane_fill(void)
{
    fake_dataplane = (struct fake_dataplane){.workers = 2, .ports = 2, .swarms_count = 2};
    for (unsigned worker = 0; worker < 2; worker++) {
        struct dataplane_worker_info *info = &fake_dataplane.worker[worker];

        info->core = worker + 2;
        info->alive = true;
        info->swarms = (struct swarms_counters){
            .torrents = {412000, 61000},
            .peers = {1310000, 204000},
            .seeders = {786000, 131000},
            .peers_expired = 52000,
            .torrents_expired = 8100,
            .completed = 23400,
            .memory_used = 61 << 20,
            .memory_reserved = 128 << 20,
        };
    }
    for (unsigned port = 0; port < 2; port++) {
        fake_dataplane.port[port] = (struct dataplane_port_info){
            .name = port == 0 ? "enp3s0f0" : "we\"ird\\name",
            .driver = "net_af_xdp",
            .link_up = true,
            .queues = 2,
            .mtu = 1500,
            .mbufs_free = 14000,
            .mbufs_total = 16384,
        };
    }
    for (unsigned i = 0; i < 2; i++) {
        fake_dataplane.swarms[i] = (struct inspect_swarm){
            .seeders = 700 >> i,
            .leechers = 300 >> i,
            .completed = 4100 >> i,
            .announces_per_min = 33 >> i,
        };
        memset(fake_dataplane.swarms[i].info_hash, 0xa1 + (int)i, 20);
    }
    fake_dataplane_advance(100, 10000);
}

static void advance_worker(struct dataplane_worker_info *info, double requests, double seconds)
{
    uint64_t *counters = info->counters;

    counters[COUNTER_received] += (uint64_t)requests;
    counters[COUNTER_connects] += (uint64_t)(requests * 0.40);
    counters[COUNTER_announces_ipv4] += (uint64_t)(requests * 0.45);
    counters[COUNTER_announces_ipv6] += (uint64_t)(requests * 0.09);
    counters[COUNTER_scrapes] += (uint64_t)(requests * 0.01);
    counters[COUNTER_peers_sent] += (uint64_t)(requests * 9.3);
    counters[COUNTER_bytes_sent] += (uint64_t)(requests * 96);
    counters[COUNTER_handed_off] += (uint64_t)(requests * 0.25);
    counters[COUNTER_DROP_connection_id] += (uint64_t)(requests * 0.03);
    counters[COUNTER_DROP_limited] += (uint64_t)(requests * 0.015);
    counters[COUNTER_DROP_short_request] += (uint64_t)(requests * 0.005);
    info->burst_packets += (uint64_t)(requests * 0.9);
    info->burst_cycles += (uint64_t)(requests * 300);
    info->burst_sizes[2] += (uint64_t)(requests / 8);
    info->burst_sizes[3] += (uint64_t)(requests / 16);
    for (unsigned bucket = 1; bucket < 8; bucket++)
        info->service_times[bucket] += (uint64_t)(requests / 16) >> (bucket > 3 ? bucket - 3 : 0);
    info->cycles_total += (uint64_t)(seconds * FAKE_CYCLES_PER_SECOND);
    info->cycles_busy += (uint64_t)(requests * 400);
}

void fake_dataplane_advance(double seconds, double rate)
{
    double requests = seconds * rate / fake_dataplane.workers;

    for (unsigned worker = 0; worker < fake_dataplane.workers; worker++)
        advance_worker(&fake_dataplane.worker[worker], requests * (1 + worker % 3 * 0.1), seconds);
    fake_dataplane.xdp[STEERING_connect_answered] += (uint64_t)(seconds * rate * 0.8);
    fake_dataplane.xdp[STEERING_request_steered] += (uint64_t)(seconds * rate);
    fake_dataplane.xdp[STEERING_connection_id] += (uint64_t)(seconds * rate * 0.2);
    fake_dataplane.xdp[STEERING_banned] += (uint64_t)(seconds * rate * 0.04);
    for (unsigned port = 0; port < fake_dataplane.ports; port++) {
        struct dataplane_port_info *info = &fake_dataplane.port[port];

        info->rx_packets += (uint64_t)requests;
        info->rx_bytes += (uint64_t)(requests * 122);
        info->tx_packets += (uint64_t)(requests * 0.95);
        info->tx_bytes += (uint64_t)(requests * 96);
    }
}

int steering_counters(const struct steering *steering, uint64_t counts[STEERING_COUNTERS])
{
    memcpy(counts, fake_dataplane.xdp, sizeof(fake_dataplane.xdp));
    return 0;
}

const char *steering_mode_of(const struct steering *steering, const char *interface)
{
    return "native";
}

uint64_t dataplane_cycles_per_second(const struct dataplane *dataplane)
{
    return FAKE_CYCLES_PER_SECOND;
}

unsigned dataplane_workers(const struct dataplane *dataplane)
{
    return fake_dataplane.workers;
}

unsigned dataplane_ports(const struct dataplane *dataplane)
{
    return fake_dataplane.ports;
}

void dataplane_worker_info(struct dataplane *dataplane, unsigned worker,
                           struct dataplane_worker_info *info)
{
    *info = fake_dataplane.worker[worker];
}

int dataplane_port_info(struct dataplane *dataplane, unsigned port,
                        struct dataplane_port_info *info)
{
    *info = fake_dataplane.port[port];
    return 0;
}

unsigned dataplane_owner(const struct dataplane *dataplane, const uint8_t *info_hash)
{
    return info_hash[0] % fake_dataplane.workers;
}

/* Jobs: done at once. */

static void fill_top(unsigned worker, struct inspect_top *top)
{
    for (unsigned i = 0; i < fake_dataplane.swarms_count && top->count < top->want; i++) {
        if (dataplane_owner(NULL, fake_dataplane.swarms[i].info_hash) == worker)
            top->rows[top->count++] = fake_dataplane.swarms[i];
    }
    for (unsigned class = 0; class < 14; class ++)
        top->sizes[class] = 200000 >> class;
    top->done = true;
}

static void fill_show(struct inspect_show *show)
{
    for (unsigned i = 0; i < fake_dataplane.swarms_count; i++) {
        const struct inspect_swarm *swarm = &fake_dataplane.swarms[i];

        if (memcmp(swarm->info_hash, show->info_hash, 20) != 0 || swarm->family != show->family)
            continue;
        show->found = true;
        show->swarm = *swarm;
        show->memory = 14000;
        show->peers_count = 2;
        memcpy(show->peers[0].peer, (uint8_t[]){192, 0, 2, 1, 0x1a, 0xe1}, 6);
        memcpy(show->peers[1].peer, (uint8_t[]){198, 51, 100, 7, 0xc8, 0xd5}, 6);
        show->peers[0].seeder = true;
        show->peers[1].age = 612;
    }
}

static void fill_clients(struct inspect_clients *clients)
{
    static const char prefixes[][9] = {"-qB4650-", "-TR4060-", "-lt0D80-", "M7-10-0-",
                                       "\x01\xff\"<&>\n\\"};

    clients->sampled_of = 16;
    clients->others = 11;
    for (clients->count = 0; clients->count < 5; clients->count++) {
        memcpy(clients->rows[clients->count].prefix, prefixes[clients->count], 8);
        clients->rows[clients->count].announces = 1000 >> clients->count;
    }
}

int dataplane_submit(struct dataplane *dataplane, unsigned worker, struct dataplane_job *job)
{
    if (finished_count[worker] == MAILBOX || fake_dataplane.busy)
        return -EAGAIN;
    job->error = 0;
    if (job->kind == DATAPLANE_JOB_TOP)
        fill_top(worker, job->top);
    else if (job->kind == DATAPLANE_JOB_SHOW)
        fill_show(job->show);
    else if (job->kind == DATAPLANE_JOB_CLIENTS)
        fill_clients(job->clients);
    finished[worker][finished_count[worker]++] = job;
    return 0;
}

struct dataplane_job *dataplane_collect(struct dataplane *dataplane, unsigned worker)
{
    return finished_count[worker] > 0 ? finished[worker][--finished_count[worker]] : NULL;
}

unsigned dataplane_deltas(struct dataplane *dataplane, unsigned worker, struct delta *into,
                          unsigned most, uint64_t *lost)
{
    *lost = 0;
    return 0;
}

void dataplane_want_only_stops(struct dataplane *dataplane, unsigned worker, bool only_stops)
{
}

uint32_t dataplane_now(const struct dataplane *dataplane)
{
    return 1;
}

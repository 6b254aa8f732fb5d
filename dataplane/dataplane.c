/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_mempool.h>

#include "eal.h"
#include "lost_port.h"
#include "worker.h"

struct dataplane {
    struct dataplane_config config;
    char *xdp_program;
    struct listen_table listen;
    struct clock clock;
    bool eal;

    struct port ports[DATAPLANE_PORTS_MAX];
    unsigned ports_started;
    struct worker *workers[DATAPLANE_WORKERS_MAX];
    unsigned workers_running;
    uint64_t loops_seen[DATAPLANE_WORKERS_MAX]; /* by dataplane_worker_info() */
    uint64_t rest;                              /* as worker.h's rest_wanted */

    struct settings settings;
};

/* Returns `code`. */
__attribute__((format(printf, 4, 5))) static int complain(char *error, size_t size, int code,
                                                          const char *format, ...)
{
    va_list list;

    va_start(list, format);
    vsnprintf(error, size, format, list);
    va_end(list);
    return code;
}

/* Settings ------------------------------------------------------------------------------------ */

int dataplane_configure(struct dataplane *dataplane, const struct dataplane_settings *settings)
{
    dataplane_settled(dataplane); /* frees what it can */
    return settings_publish(&dataplane->settings, settings);
}

bool dataplane_settled(struct dataplane *dataplane)
{
    uint64_t latest = settings_latest(&dataplane->settings)->generation;

    for (unsigned i = 0; i < dataplane->workers_running; i++)
        if (atomic_load_explicit(&dataplane->workers[i]->generation, memory_order_acquire) !=
            latest)
            return false;
    settings_free_older(&dataplane->settings);
    return true;
}

/* Start --------------------------------------------------------------------------------------- */

static int check_config(struct dataplane *dataplane, char *error, size_t size)
{
    const struct dataplane_config *config = &dataplane->config;

    if (config->workers < 1 || config->workers > DATAPLANE_WORKERS_MAX)
        return complain(error, size, -EINVAL, "%u workers; expected 1 to %d", config->workers,
                        DATAPLANE_WORKERS_MAX);
    if (config->ports_count < 1 || config->ports_count > DATAPLANE_PORTS_MAX)
        return complain(error, size, -EINVAL, "%u ports; expected 1 to %d", config->ports_count,
                        DATAPLANE_PORTS_MAX);
    for (unsigned i = 0; i < config->ports_count; i++)
        if (config->ports[i].queues < 1 || config->ports[i].queues > config->workers)
            return complain(error, size, -EINVAL,
                            "port %s: %u queues; expected 1 to %u, one a worker",
                            config->ports[i].device, config->ports[i].queues, config->workers);
    if (listen_init(&dataplane->listen, config->listen, config->listen_count))
        return complain(error, size, -EINVAL,
                        "listen: expected up to %d unicast addresses with a port",
                        DATAPLANE_LISTEN_MAX);
    return 0;
}

/* The worker that polls a queue. Queues of all ports are dealt out in turn. */
static unsigned worker_of(const struct dataplane_config *config, unsigned port, unsigned queue)
{
    unsigned before = 0;

    for (unsigned i = 0; i < port; i++)
        before += config->ports[i].queues;
    return (before + queue) % config->workers;
}

/* Packets that workers may hold outside of a port's rings: at hand, arriving, in the rings between
 * them, and in each core's cache of the pool. */
static unsigned in_flight(const struct dataplane_config *config)
{
    unsigned rings = config->workers > 1 ? 2 * WORKER_RING_SLOTS : 0;

    return rings +
           config->workers * (SWARMS_BURST_MAX + WORKER_TAKE_MAX + RTE_MEMPOOL_CACHE_MAX_SIZE);
}

static int open_port(struct dataplane *dataplane, unsigned index, char *error, size_t size)
{
    const struct dataplane_config *config = &dataplane->config;
    const struct dataplane_port_config *port = &config->ports[index];
    struct port_memory memory = {.in_flight = in_flight(config)};

    for (unsigned queue = 0; queue < port->queues; queue++)
        memory.sockets[queue] =
            (int)rte_lcore_to_socket_id(eal_lcore(worker_of(config, index, queue)));
    return port_open(&dataplane->ports[index], port, index, dataplane->xdp_program, &memory, error,
                     size);
}

static struct worker *make_worker(struct dataplane *dataplane, unsigned index)
{
    const struct dataplane_config *config = &dataplane->config;
    int socket = (int)rte_lcore_to_socket_id(eal_lcore(index));
    struct worker *worker =
        rte_zmalloc_socket("worker", sizeof(*worker), RTE_CACHE_LINE_SIZE, socket);

    if (!worker)
        return NULL;
    worker->pipeline = (struct pipeline){
        .listen = &dataplane->listen,
        .secret = &config->secret,
        .worker = index,
        .workers = config->workers,
        .counters = worker->report.counters,
    };
    worker->clock = &dataplane->clock;
    worker->secret = &config->secret;
    worker->core = config->cores[index];
    worker->huge_pages = config->huge_pages;
    worker->deltas_slots = config->deltas;
    worker->settings = &dataplane->settings;
    worker->ports_count = config->ports_count;
    for (unsigned port = 0; port < config->ports_count; port++)
        worker->transmits[port].port = PORT_NONE;
    worker->swarms_limits.torrents =
        (uint32_t)((config->torrents_max + (uint64_t)config->workers - 1) / config->workers);
    worker->swarms_limits.peers = (config->peers_max + config->workers - 1) / config->workers;
    handoff_share(index, config->workers, &worker->swarms_limits);
    return worker;
}

/* A ring on the node of the one who waits at it. */
static struct handoff_ring *make_ring(unsigned slots, unsigned lcore)
{
    struct handoff_ring *ring = rte_malloc_socket(
        "ring", handoff_ring_size(slots), RTE_CACHE_LINE_SIZE, (int)rte_lcore_to_socket_id(lcore));

    if (ring)
        handoff_ring_init(ring, slots);
    return ring;
}

static int make_rings(struct dataplane *dataplane)
{
    unsigned workers = dataplane->config.workers;

    for (unsigned to = 0; to < workers; to++) {
        struct worker *worker = dataplane->workers[to];

        worker->jobs.submitted = make_ring(JOBS_SLOTS, eal_lcore(to));
        worker->jobs.finished = make_ring(JOBS_SLOTS, eal_lcore(to));
        if (!worker->jobs.submitted || !worker->jobs.finished)
            return -ENOMEM;
        for (unsigned from = 0; from < workers; from++) {
            if (from == to)
                continue;
            worker->in[from] = make_ring(WORKER_RING_SLOTS, eal_lcore(to));
            if (!worker->in[from])
                return -ENOMEM;
            dataplane->workers[from]->out[to] = worker->in[from];
        }
    }
    return 0;
}

static void assign_queue(struct dataplane *dataplane, unsigned index, unsigned queue)
{
    const struct port *port = &dataplane->ports[index];
    unsigned owner = worker_of(&dataplane->config, index, queue);
    struct worker *worker = dataplane->workers[owner];

    worker->queues_used++;
    worker->queues[worker->queues_count++] = (struct worker_queue){
        .port = port->id,
        .queue = (uint16_t)queue,
        .exception = port->exception,
        .received =
            {
                .mtu = port->mtu,
                .port = (uint8_t)index,
                .home = (uint8_t)owner,
                .offload = port->offload,
                .screened =
                    port->config->kind == DATAPLANE_AF_XDP && dataplane->xdp_program != NULL,
            },
    };
    worker->transmits[index].port = port->id;
    worker->transmits[index].queue = (uint16_t)queue;
}

static int make_workers(struct dataplane *dataplane, char *error, size_t size)
{
    const struct dataplane_config *config = &dataplane->config;

    for (unsigned i = 0; i < config->workers; i++)
        if (!(dataplane->workers[i] = make_worker(dataplane, i)))
            goto no_memory;
    if (make_rings(dataplane))
        goto no_memory;
    for (unsigned port = 0; port < config->ports_count; port++)
        for (unsigned queue = 0; queue < config->ports[port].queues; queue++)
            assign_queue(dataplane, port, queue);
    return 0;
no_memory:
    return complain(error, size, -ENOMEM, "no memory for %u workers and their rings",
                    config->workers);
}

/* Each worker lays out its tables on its own core, all at once. */
static int prepare_workers(struct dataplane *dataplane, char *error, size_t size)
{
    unsigned workers = dataplane->config.workers;
    int code = 0;

    for (unsigned i = 0; i < workers; i++)
        rte_eal_remote_launch(worker_prepare, dataplane->workers[i], eal_lcore(i));
    for (unsigned i = 0; i < workers; i++) {
        int result = rte_eal_wait_lcore(eal_lcore(i));

        if (result && !code)
            code = result;
    }
    if (code)
        complain(error, size, code, "tables for %u torrents and %llu peers: %s",
                 dataplane->config.torrents_max, (unsigned long long)dataplane->config.peers_max,
                 code == -ENOMEM ? "not enough memory (memory.torrents, memory.peers)"
                                 : "limits that make no sense");
    return code;
}

static int start_ports(struct dataplane *dataplane, char *error, size_t size)
{
    for (unsigned i = 0; i < dataplane->config.ports_count; i++) {
        struct port *port = &dataplane->ports[i];
        int code = port_start(port, error, size);

        if (code && !port_connects_again(port))
            return code;
        dataplane->ports_started++;
    }
    return 0;
}

static void run_workers(struct dataplane *dataplane)
{
    dataplane_tend(dataplane);
    for (unsigned i = 0; i < dataplane->config.workers; i++)
        rte_eal_remote_launch(worker_run, dataplane->workers[i], eal_lcore(i));
    dataplane->workers_running = dataplane->config.workers;
}

static size_t packet_memory(const struct dataplane_config *config)
{
    size_t bytes = 0;

    for (unsigned i = 0; i < config->ports_count; i++)
        bytes += port_memory_size(&config->ports[i], in_flight(config));
    bytes += config->workers * sizeof(struct worker);
    return bytes + config->workers * config->workers * handoff_ring_size(WORKER_RING_SLOTS);
}

static int start(struct dataplane *dataplane, const struct dataplane_settings *settings,
                 char *error, size_t size)
{
    const struct dataplane_config *config = &dataplane->config;
    int code;

    if ((code = check_config(dataplane, error, size)))
        return code;
    if ((code = settings_publish(&dataplane->settings, settings)))
        return complain(error, size, code, "settings: %s", strerror(-code));
    if ((code = eal_start(config, packet_memory(config), error, size)))
        return code;
    dataplane->eal = true;
    clock_start(&dataplane->clock, rte_rdtsc(), rte_get_tsc_hz());
    for (unsigned i = 0; i < config->ports_count; i++)
        if ((code = open_port(dataplane, i, error, size)))
            return code;
    if ((code = make_workers(dataplane, error, size)) ||
        (code = prepare_workers(dataplane, error, size)) ||
        (code = start_ports(dataplane, error, size)))
        return code;
    run_workers(dataplane);
    return 0;
}

int dataplane_start(const struct dataplane_config *config,
                    const struct dataplane_settings *settings, struct dataplane **dataplane,
                    char *error, size_t error_size)
{
    struct dataplane *made = calloc(1, sizeof(*made));
    int code;

    snprintf(error, error_size, "out of memory");
    if (!made)
        return -ENOMEM;
    made->config = *config;
    for (unsigned i = 0; i < DATAPLANE_PORTS_MAX; i++)
        made->ports[i].id = made->ports[i].exception = PORT_NONE;
    if (config->xdp_program && !(made->xdp_program = strdup(config->xdp_program)))
        code = -ENOMEM;
    else
        code = start(made, settings, error, error_size);
    if (code) {
        dataplane_stop(made);
        return code;
    }
    *dataplane = made;
    return 0;
}

/* Ports that are lost ------------------------------------------------------------------------- */

static bool all_heed(const struct dataplane *dataplane)
{
    for (unsigned i = 0; i < dataplane->workers_running; i++)
        if (atomic_load_explicit(&dataplane->workers[i]->rest_heeded, memory_order_acquire) !=
            dataplane->rest)
            return false;
    return true;
}

static void tell_rest(struct dataplane *dataplane, uint64_t ports)
{
    dataplane->rest = ((dataplane->rest >> DATAPLANE_PORTS_MAX) + 1) << DATAPLANE_PORTS_MAX | ports;
    for (unsigned i = 0; i < dataplane->config.workers; i++)
        atomic_store_explicit(&dataplane->workers[i]->rest_wanted, dataplane->rest,
                              memory_order_release);
}

void dataplane_tend(struct dataplane *dataplane)
{
    uint64_t resting = dataplane->rest & ((UINT64_C(1) << DATAPLANE_PORTS_MAX) - 1);
    uint64_t wanted = resting;
    bool heeded = all_heed(dataplane);

    for (unsigned i = 0; i < dataplane->config.ports_count; i++) {
        struct port *port = &dataplane->ports[i];
        uint64_t bit = UINT64_C(1) << i;

        if (!(resting & bit))
            wanted |= port_is_lost(port) ? bit : 0;
        else if (heeded && port_recover(port))
            wanted &= ~bit;
    }
    if (wanted != resting)
        tell_rest(dataplane, wanted);
}

/* Stop ---------------------------------------------------------------------------------------- */

static void free_worker(struct worker *worker, unsigned workers)
{
    if (!worker)
        return;
    for (unsigned from = 0; from < workers; from++)
        rte_free(worker->in[from]);
    rte_free(worker->jobs.submitted);
    rte_free(worker->jobs.finished);
    worker_release(worker);
    rte_free(worker);
}

void dataplane_stop(struct dataplane *dataplane)
{
    for (unsigned i = 0; i < dataplane->workers_running; i++)
        atomic_store_explicit(&dataplane->workers[i]->stop, true, memory_order_relaxed);
    for (unsigned i = 0; i < dataplane->workers_running; i++)
        rte_eal_wait_lcore(eal_lcore(i));
    for (unsigned i = 0; i < dataplane->ports_started; i++)
        port_stop(&dataplane->ports[i]);
    for (unsigned i = 0; i < DATAPLANE_PORTS_MAX; i++)
        port_close(&dataplane->ports[i]);
    for (unsigned i = 0; i < DATAPLANE_WORKERS_MAX; i++)
        free_worker(dataplane->workers[i], dataplane->config.workers);
    if (dataplane->eal)
        eal_stop();
    settings_free(&dataplane->settings);
    free(dataplane->xdp_program);
    free(dataplane);
}

/* Observation --------------------------------------------------------------------------------- */

uint64_t dataplane_cycles_per_second(const struct dataplane *dataplane)
{
    return rte_get_tsc_hz();
}

unsigned dataplane_workers(const struct dataplane *dataplane)
{
    return dataplane->config.workers;
}

unsigned dataplane_ports(const struct dataplane *dataplane)
{
    return dataplane->config.ports_count;
}

void dataplane_worker_info(struct dataplane *dataplane, unsigned worker,
                           struct dataplane_worker_info *info)
{
    const struct worker *from = dataplane->workers[worker];
    struct worker_report report;

    worker_read_report(from, &report);
    *info = (struct dataplane_worker_info){
        .core = from->core,
        .numa_node = rte_lcore_to_socket_id(eal_lcore(worker)),
        .alive = report.loops != dataplane->loops_seen[worker],
        .huge_pages = from->tables.huge,
        .cycles_busy = report.cycles_busy,
        .cycles_total = report.cycles_total,
        .burst_packets = report.burst_packets,
        .burst_cycles = report.burst_cycles,
        .swarms = report.swarms,
    };
    dataplane->loops_seen[worker] = report.loops;
    memcpy(info->counters, report.counters, sizeof(info->counters));
    memcpy(info->burst_sizes, report.burst_sizes, sizeof(info->burst_sizes));
    memcpy(info->service_times, report.service_times, sizeof(info->service_times));
}

int dataplane_port_info(struct dataplane *dataplane, unsigned port,
                        struct dataplane_port_info *info)
{
    return port_info(&dataplane->ports[port], info);
}

uint32_t dataplane_now(const struct dataplane *dataplane)
{
    return clock_seconds(&dataplane->clock, rte_rdtsc());
}

unsigned dataplane_owner(const struct dataplane *dataplane, const uint8_t *info_hash)
{
    return handoff_owner(swarms_hash(&dataplane->config.secret, info_hash),
                         dataplane->config.workers);
}

unsigned dataplane_deltas(struct dataplane *dataplane, unsigned worker, struct delta *into,
                          unsigned most, uint64_t *lost)
{
    struct deltas *deltas = dataplane->workers[worker]->pipeline.deltas;

    *lost = 0;
    return deltas ? deltas_take(deltas, into, most, lost) : 0;
}

void dataplane_want_only_stops(struct dataplane *dataplane, unsigned worker, bool only_stops)
{
    struct deltas *deltas = dataplane->workers[worker]->pipeline.deltas;

    if (deltas)
        deltas_want_only_stops(deltas, only_stops);
}

/* Jobs ---------------------------------------------------------------------------------------- */

int dataplane_submit(struct dataplane *dataplane, unsigned worker, struct dataplane_job *job)
{
    return jobs_put(&dataplane->workers[worker]->jobs, job);
}

struct dataplane_job *dataplane_collect(struct dataplane *dataplane, unsigned worker)
{
    return jobs_collect(&dataplane->workers[worker]->jobs);
}

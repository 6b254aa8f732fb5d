/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <time.h>

#include "observation.h"
#include "steering.h"

/* All that the data plane tells, at one moment. */
struct reading {
    double time; /* monotonic, seconds; 0: none yet */
    struct dataplane_worker_info workers[DATAPLANE_WORKERS_MAX];
    struct dataplane_port_info ports[DATAPLANE_PORTS_MAX];
    struct observation_totals totals;
};

struct observation {
    struct dataplane *dataplane;
    struct steering *steering;
    unsigned workers, ports;

    struct reading now;                  /* of the last refresh */
    struct reading tick, previous;       /* the ends of the last second */
    double alive[DATAPLANE_WORKERS_MAX]; /* monotonic: when a worker was last seen alive */

    struct observation_rates history[OBSERVATION_HISTORY];
    unsigned latest; /* index into history */
};

static double seconds(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void add_array(uint64_t *sum, const uint64_t *values, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        sum[i] += values[i];
}

static void add_swarms(struct swarms_counters *sum, const struct swarms_counters *swarms)
{
    for (unsigned family = 0; family < 2; family++) {
        sum->torrents[family] += swarms->torrents[family];
        sum->peers[family] += swarms->peers[family];
        sum->seeders[family] += swarms->seeders[family];
    }
    sum->torrents_evicted += swarms->torrents_evicted;
    sum->peers_refused += swarms->peers_refused;
    sum->peers_expired += swarms->peers_expired;
    sum->torrents_expired += swarms->torrents_expired;
    sum->completed += swarms->completed;
    sum->memory_used += swarms->memory_used;
    sum->memory_reserved += swarms->memory_reserved;
}

static void add_worker(struct observation_totals *totals, const struct dataplane_worker_info *info)
{
    add_array(totals->counters, info->counters, COUNTERS);
    add_array(totals->burst_sizes, info->burst_sizes, HISTOGRAM_BURST);
    add_array(totals->service_times, info->service_times, HISTOGRAM_SERVICE);
    add_swarms(&totals->swarms, &info->swarms);
}

void observation_refresh(struct observation *observation)
{
    struct reading *now = &observation->now;

    now->time = seconds(CLOCK_MONOTONIC);
    now->totals = (struct observation_totals){0};
    for (unsigned worker = 0; worker < observation->workers; worker++) {
        dataplane_worker_info(observation->dataplane, worker, &now->workers[worker]);
        add_worker(&now->totals, &now->workers[worker]);
        if (now->workers[worker].alive)
            observation->alive[worker] = now->time;
    }
    for (unsigned port = 0; port < observation->ports; port++)
        dataplane_port_info(observation->dataplane, port, &now->ports[port]);
    if (observation->steering)
        steering_counters(observation->steering, now->totals.xdp);
}

/* What `end - begin` is a second. Counters that are someone else's (a driver's) may start anew. */
static double rate(uint64_t end, uint64_t begin, double elapsed)
{
    return end > begin && elapsed > 0 ? (double)(end - begin) / elapsed : 0;
}

static double elapsed(const struct observation *observation)
{
    return observation->previous.time > 0 ? observation->tick.time - observation->previous.time : 0;
}

static double load(const struct dataplane_worker_info *end,
                   const struct dataplane_worker_info *begin)
{
    uint64_t total = end->cycles_total - begin->cycles_total;
    uint64_t busy = end->cycles_busy - begin->cycles_busy;

    return total > 0 && busy <= total ? (double)busy / (double)total : 0;
}

double observation_service_quantile(const uint64_t service_times[HISTOGRAM_SERVICE], double share)
{
    double total = 0, below = 0, lower = 0;

    for (unsigned bucket = 0; bucket < HISTOGRAM_SERVICE; bucket++)
        total += (double)service_times[bucket];
    for (unsigned bucket = 0; bucket < HISTOGRAM_SERVICE && total > 0; bucket++) {
        double upper = (double)(UINT64_C(1) << bucket) * 1e-6;
        double count = (double)service_times[bucket];

        if (count > 0 && below + count >= share * total)
            return lower + (upper - lower) * (share * total - below) / count;
        below += count;
        lower = upper;
    }
    return 0;
}

static void service_growth(const uint64_t *end, const uint64_t *begin, uint64_t *growth)
{
    for (unsigned bucket = 0; bucket < HISTOGRAM_SERVICE; bucket++)
        growth[bucket] = end[bucket] - begin[bucket];
}

static double sum_rates(const uint64_t *end, const uint64_t *begin, unsigned first, unsigned last,
                        double time)
{
    double sum = 0;

    for (unsigned counter = first; counter <= last; counter++)
        sum += rate(end[counter], begin[counter], time);
    return sum;
}

static double sent(const uint64_t *end, const uint64_t *begin, double time)
{
    return rate(end[COUNTER_connects], begin[COUNTER_connects], time) +
           rate(end[COUNTER_announces_ipv4], begin[COUNTER_announces_ipv4], time) +
           rate(end[COUNTER_announces_ipv6], begin[COUNTER_announces_ipv6], time) +
           rate(end[COUNTER_scrapes], begin[COUNTER_scrapes], time) +
           rate(end[COUNTER_errors_sent], begin[COUNTER_errors_sent], time);
}

static double dropped(const uint64_t *end, const uint64_t *begin, double time)
{
    return sum_rates(end, begin, 0, COUNTERS_DROP_KINDS - 1, time);
}

/* What XDP kept from the workers. */
static void add_xdp_rates(const uint64_t *end, const uint64_t *begin, double time,
                          struct observation_rates *rates)
{
    double answered = rate(end[STEERING_connect_answered], begin[STEERING_connect_answered], time);
    double lost = 0;

#define ADD_DROP(name, help) lost += rate(end[STEERING_##name], begin[STEERING_##name], time);
    STEERING_DROPS(ADD_DROP)
#undef ADD_DROP
    rates->received += answered + lost;
    rates->sent += answered;
    rates->connects += answered;
    rates->dropped += lost;
}

static void rate_loads(const struct observation *observation, struct observation_rates *rates)
{
    for (unsigned worker = 0; worker < observation->workers; worker++) {
        double share =
            load(&observation->tick.workers[worker], &observation->previous.workers[worker]);

        rates->load = share > rates->load ? share : rates->load;
        rates->load_mean += share / observation->workers;
    }
}

/* The second between the last two ticks. */
static struct observation_rates rate_second(const struct observation *observation)
{
    const struct observation_totals *totals = &observation->tick.totals;
    const uint64_t *end = totals->counters, *begin = observation->previous.totals.counters;
    const struct swarms_counters *swarms = &totals->swarms;
    double time = elapsed(observation);
    uint64_t service[HISTOGRAM_SERVICE];
    struct observation_rates rates = {
        .time = seconds(CLOCK_REALTIME),
        .received = rate(end[COUNTER_received], begin[COUNTER_received], time),
        .sent = sent(end, begin, time),
        .bytes_sent = rate(end[COUNTER_bytes_sent], begin[COUNTER_bytes_sent], time),
        .connects = rate(end[COUNTER_connects], begin[COUNTER_connects], time),
        .announces_ipv4 = rate(end[COUNTER_announces_ipv4], begin[COUNTER_announces_ipv4], time),
        .announces_ipv6 = rate(end[COUNTER_announces_ipv6], begin[COUNTER_announces_ipv6], time),
        .scrapes = rate(end[COUNTER_scrapes], begin[COUNTER_scrapes], time),
        .errors = rate(end[COUNTER_errors_sent], begin[COUNTER_errors_sent], time),
        .dropped = dropped(end, begin, time),
        .torrents = swarms->torrents[0] + swarms->torrents[1],
        .peers = swarms->peers[0] + swarms->peers[1],
        .seeders = swarms->seeders[0] + swarms->seeders[1],
    };

    add_xdp_rates(totals->xdp, observation->previous.totals.xdp, time, &rates);
    rate_loads(observation, &rates);
    service_growth(totals->service_times, observation->previous.totals.service_times, service);
    rates.service_p50 = observation_service_quantile(service, 0.5);
    rates.service_p99 = observation_service_quantile(service, 0.99);
    return rates;
}

void observation_tick(struct observation *observation)
{
    observation_refresh(observation);
    observation->previous = observation->tick;
    observation->tick = observation->now;
    if (observation->previous.time == 0)
        return;
    observation->latest = (observation->latest + 1) % OBSERVATION_HISTORY;
    observation->history[observation->latest] = rate_second(observation);
}

struct observation *observation_new(struct dataplane *dataplane, struct steering *steering)
{
    struct observation *observation = calloc(1, sizeof(*observation));

    if (!observation)
        return NULL;
    observation->dataplane = dataplane;
    observation->steering = steering;
    observation->workers = dataplane_workers(dataplane);
    observation->ports = dataplane_ports(dataplane);
    for (unsigned worker = 0; worker < observation->workers; worker++)
        observation->alive[worker] = seconds(CLOCK_MONOTONIC);
    observation_refresh(observation);
    return observation;
}

void observation_free(struct observation *observation)
{
    free(observation);
}

const struct observation_rates *observation_rates(const struct observation *observation,
                                                  unsigned ago)
{
    static const struct observation_rates none;

    if (ago >= OBSERVATION_HISTORY)
        return &none;
    return &observation
                ->history[(observation->latest + OBSERVATION_HISTORY - ago) % OBSERVATION_HISTORY];
}

unsigned observation_workers(const struct observation *observation)
{
    return observation->workers;
}

unsigned observation_ports(const struct observation *observation)
{
    return observation->ports;
}

const struct observation_totals *observation_totals(const struct observation *observation)
{
    return &observation->now.totals;
}

const struct dataplane_worker_info *observation_worker(const struct observation *observation,
                                                       unsigned worker)
{
    return &observation->now.workers[worker];
}

const struct dataplane_port_info *observation_port(const struct observation *observation,
                                                   unsigned port)
{
    return &observation->now.ports[port];
}

double observation_counter_rate(const struct observation *observation, unsigned counter)
{
    return rate(observation->tick.totals.counters[counter],
                observation->previous.totals.counters[counter], elapsed(observation));
}

double observation_xdp_rate(const struct observation *observation, unsigned counter)
{
    return rate(observation->tick.totals.xdp[counter], observation->previous.totals.xdp[counter],
                elapsed(observation));
}

uint64_t observation_received(const struct observation *observation)
{
    const struct observation_totals *totals = &observation->now.totals;
    uint64_t received = totals->counters[COUNTER_received] + totals->xdp[STEERING_connect_answered];

#define ADD_DROP(name, help) received += totals->xdp[STEERING_##name];
    STEERING_DROPS(ADD_DROP)
#undef ADD_DROP
    return received;
}

static bool is_alive(const struct observation *observation, unsigned worker)
{
    return observation->now.time - observation->alive[worker] < OBSERVATION_STUCK_SECONDS;
}

struct observation_worker_rates observation_worker_rates(const struct observation *observation,
                                                         unsigned worker)
{
    const struct dataplane_worker_info *end = &observation->tick.workers[worker];
    const struct dataplane_worker_info *begin = &observation->previous.workers[worker];
    double time = elapsed(observation), bursts = 0;
    uint64_t service[HISTOGRAM_SERVICE];
    struct observation_worker_rates rates = {
        .alive = is_alive(observation, worker),
        .load = time > 0 ? load(end, begin) : 0,
        .received = rate(end->counters[COUNTER_received], begin->counters[COUNTER_received], time),
        .sent = sent(end->counters, begin->counters, time),
        .dropped = dropped(end->counters, begin->counters, time),
    };

    for (unsigned bucket = 0; bucket < HISTOGRAM_BURST; bucket++)
        bursts += rate(end->burst_sizes[bucket], begin->burst_sizes[bucket], time);
    rates.burst_mean =
        bursts > 0 ? rate(end->burst_packets, begin->burst_packets, time) / bursts : 0;
    service_growth(end->service_times, begin->service_times, service);
    rates.service_p50 = observation_service_quantile(service, 0.5);
    rates.service_p99 = observation_service_quantile(service, 0.99);
    return rates;
}

struct observation_port_rates observation_port_rates(const struct observation *observation,
                                                     unsigned port)
{
    const struct dataplane_port_info *end = &observation->tick.ports[port];
    const struct dataplane_port_info *begin = &observation->previous.ports[port];
    double time = elapsed(observation);

    return (struct observation_port_rates){
        .rx_packets = rate(end->rx_packets, begin->rx_packets, time),
        .rx_bytes = rate(end->rx_bytes, begin->rx_bytes, time),
        .rx_lost = rate(end->rx_missed + end->rx_errors + end->rx_no_mbuf,
                        begin->rx_missed + begin->rx_errors + begin->rx_no_mbuf, time),
        .tx_packets = rate(end->tx_packets, begin->tx_packets, time),
        .tx_bytes = rate(end->tx_bytes, begin->tx_bytes, time),
    };
}

int observation_stuck_worker(const struct observation *observation)
{
    for (unsigned worker = 0; worker < observation->workers; worker++) {
        if (!is_alive(observation, worker))
            return (int)worker;
    }
    return -1;
}

double observation_cycles_per_second(const struct observation *observation)
{
    return (double)dataplane_cycles_per_second(observation->dataplane);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "../steering.h"
#include "console_state.h"
#include "health.h"
#include "survey.h"
#include "views.h"

/* A column of observation_rates: X(name, type of JSON number). */
#define RATE_COLUMNS(X)                                                                            \
    X(received, json_real)                                                                         \
    X(sent, json_real)                                                                             \
    X(bytes_sent, json_real)                                                                       \
    X(connects, json_real)                                                                         \
    X(announces_ipv4, json_real)                                                                   \
    X(announces_ipv6, json_real)                                                                   \
    X(scrapes, json_real)                                                                          \
    X(errors, json_real)                                                                           \
    X(dropped, json_real)                                                                          \
    X(load, json_real)                                                                             \
    X(load_mean, json_real)                                                                        \
    X(service_p50, json_real)                                                                      \
    X(service_p99, json_real)                                                                      \
    X(torrents, json_integer)                                                                      \
    X(peers, json_integer)                                                                         \
    X(seeders, json_integer)

const char *const view_families[2] = {"ipv4", "ipv6"};

static json_t *integer(uint64_t number)
{
    return json_integer((json_int_t)number);
}

json_t *view_health(const struct console *console)
{
    char reason[256];
    enum health health = health_of(console, reason, sizeof(reason));

    return json_pack("{s:s, s:s}", "status", health_name(health), "reason", reason);
}

json_t *view_rates(const struct observation_rates *rates)
{
    json_t *view = json_object();

#define SET_COLUMN(name, type) json_object_set_new(view, #name, type(rates->name));
    RATE_COLUMNS(SET_COLUMN)
#undef SET_COLUMN
    return view;
}

json_t *view_tables(const struct console *console)
{
    const struct swarms_counters *swarms = &observation_totals(console->observation)->swarms;
    const struct dataplane_config *config = &console->controlplane->config.dataplane;
    uint64_t torrents = swarms->torrents[0] + swarms->torrents[1];
    uint64_t peers_room = swarms->peers[0] + 2 * swarms->peers[1];
    json_t *view = json_object();

    json_object_set_new(view, "torrents", integer(torrents));
    json_object_set_new(view, "torrents_ipv4", integer(swarms->torrents[0]));
    json_object_set_new(view, "torrents_ipv6", integer(swarms->torrents[1]));
    json_object_set_new(view, "torrents_limit", integer(config->torrents_max));
    json_object_set_new(view, "torrents_fill",
                        json_real((double)torrents / (double)config->torrents_max));
    json_object_set_new(view, "peers", integer(swarms->peers[0] + swarms->peers[1]));
    json_object_set_new(view, "peers_ipv4", integer(swarms->peers[0]));
    json_object_set_new(view, "peers_ipv6", integer(swarms->peers[1]));
    json_object_set_new(view, "peers_limit", integer(config->peers_max));
    json_object_set_new(view, "peers_fill",
                        json_real((double)peers_room / (double)config->peers_max));
    json_object_set_new(view, "seeders", integer(swarms->seeders[0] + swarms->seeders[1]));
    json_object_set_new(view, "completed", integer(swarms->completed));
    json_object_set_new(view, "torrents_evicted", integer(swarms->torrents_evicted));
    json_object_set_new(view, "torrents_expired", integer(swarms->torrents_expired));
    json_object_set_new(view, "peers_refused", integer(swarms->peers_refused));
    json_object_set_new(view, "peers_expired", integer(swarms->peers_expired));
    json_object_set_new(view, "memory_used", integer(swarms->memory_used));
    json_object_set_new(view, "memory_reserved", integer(swarms->memory_reserved));
    return view;
}

static json_t *view_worker(const struct console *console, unsigned worker)
{
    const struct dataplane_worker_info *info = observation_worker(console->observation, worker);
    struct observation_worker_rates rates = observation_worker_rates(console->observation, worker);
    json_t *view = json_object();

    json_object_set_new(view, "worker", integer(worker));
    json_object_set_new(view, "core", integer(info->core));
    json_object_set_new(view, "numa_node", integer(info->numa_node));
    json_object_set_new(view, "alive", json_boolean(rates.alive));
    json_object_set_new(view, "load", json_real(rates.load));
    json_object_set_new(view, "received", json_real(rates.received));
    json_object_set_new(view, "sent", json_real(rates.sent));
    json_object_set_new(view, "dropped", json_real(rates.dropped));
    json_object_set_new(view, "handed_off", integer(info->counters[COUNTER_handed_off]));
    json_object_set_new(view, "burst_mean", json_real(rates.burst_mean));
    json_object_set_new(view, "service_p50", json_real(rates.service_p50));
    json_object_set_new(view, "service_p99", json_real(rates.service_p99));
    json_object_set_new(view, "torrents",
                        integer(info->swarms.torrents[0] + info->swarms.torrents[1]));
    json_object_set_new(view, "peers", integer(info->swarms.peers[0] + info->swarms.peers[1]));
    json_object_set_new(view, "memory_used", integer(info->swarms.memory_used));
    return view;
}

json_t *view_workers(const struct console *console)
{
    json_t *view = json_array();

    for (unsigned worker = 0; worker < observation_workers(console->observation); worker++)
        json_array_append_new(view, view_worker(console, worker));
    return view;
}

/* How the XDP program runs in front of the port; null where there is none. */
static json_t *view_xdp_mode(const struct console *console, const struct dataplane_port_info *info)
{
    const struct steering *steering = console->controlplane->steering;

    return steering ? json_string(steering_mode_of(steering, info->name)) : json_null();
}

static json_t *view_port(const struct console *console, unsigned port)
{
    const struct dataplane_port_info *info = observation_port(console->observation, port);
    struct observation_port_rates rates = observation_port_rates(console->observation, port);
    json_t *view = json_object();

    json_object_set_new(view, "name", json_string(info->name));
    json_object_set_new(view, "driver", json_string(info->driver));
    json_object_set_new(view, "xdp", view_xdp_mode(console, info));
    json_object_set_new(view, "link_up", json_boolean(info->link_up));
    json_object_set_new(view, "queues", integer(info->queues));
    json_object_set_new(view, "mtu", integer(info->mtu));
    json_object_set_new(view, "rx_packets", integer(info->rx_packets));
    json_object_set_new(view, "rx_bytes", integer(info->rx_bytes));
    json_object_set_new(view, "rx_missed", integer(info->rx_missed));
    json_object_set_new(view, "rx_errors", integer(info->rx_errors));
    json_object_set_new(view, "rx_no_mbuf", integer(info->rx_no_mbuf));
    json_object_set_new(view, "tx_packets", integer(info->tx_packets));
    json_object_set_new(view, "tx_bytes", integer(info->tx_bytes));
    json_object_set_new(view, "tx_errors", integer(info->tx_errors));
    json_object_set_new(view, "mbufs_free", integer(info->mbufs_free));
    json_object_set_new(view, "mbufs_total", integer(info->mbufs_total));
    json_object_set_new(view, "rx_rate", json_real(rates.rx_packets));
    json_object_set_new(view, "rx_bytes_rate", json_real(rates.rx_bytes));
    json_object_set_new(view, "rx_lost_rate", json_real(rates.rx_lost));
    json_object_set_new(view, "tx_rate", json_real(rates.tx_packets));
    json_object_set_new(view, "tx_bytes_rate", json_real(rates.tx_bytes));
    return view;
}

json_t *view_ports(const struct console *console)
{
    json_t *view = json_array();

    for (unsigned port = 0; port < observation_ports(console->observation); port++)
        json_array_append_new(view, view_port(console, port));
    return view;
}

/* Counters --------------------------------------------------------------------------------- */

struct named {
    const char *name, *help;
};

static const struct named counter_names[COUNTERS] = {
#define NAMED(name, help) {#name, help},
    COUNTERS_DROPS(NAMED) COUNTERS_EVENTS(NAMED)
#undef NAMED
};

static const struct named xdp_names[STEERING_COUNTERS] = {
#define NAMED(name, help) {#name, help},
    STEERING_VERDICTS(NAMED) STEERING_EVENTS(NAMED)
#undef NAMED
};

static void append_counter(json_t *view, const struct named *named, uint64_t total, double rate,
                           bool moving_only)
{
    if (rate > 0 || !moving_only)
        json_array_append_new(view, json_pack("{s:s, s:o, s:f, s:s}", "name", named->name, "total",
                                              integer(total), "rate", rate, "help", named->help));
}

json_t *view_counters(const struct console *console, bool moving_only)
{
    const struct observation *observation = console->observation;
    const uint64_t *counters = observation_totals(observation)->counters;
    json_t *view = json_array();

    for (unsigned counter = COUNTERS_DROP_KINDS; counter < COUNTERS; counter++)
        append_counter(view, &counter_names[counter], counters[counter],
                       observation_counter_rate(observation, counter), moving_only);
    return view;
}

json_t *view_xdp(const struct console *console, bool moving_only)
{
    const struct observation *observation = console->observation;
    const uint64_t *counters = observation_totals(observation)->xdp;
    json_t *view;

    if (!console->controlplane->steering)
        return json_null();
    view = json_array();
    for (unsigned counter = 0; counter < STEERING_COUNTERS; counter++)
        append_counter(view, &xdp_names[counter], counters[counter],
                       observation_xdp_rate(observation, counter), moving_only);
    return view;
}

struct drop {
    const char *where;
    const struct named *reason;
    uint64_t total;
    double rate;
};

static int busier_first(const void *a, const void *b)
{
    const struct drop *left = a, *right = b;

    if (left->rate != right->rate)
        return left->rate < right->rate ? 1 : -1;
    return (left->total < right->total) - (left->total > right->total);
}

static unsigned worker_drops(const struct console *console, struct drop *drops)
{
    const uint64_t *counters = observation_totals(console->observation)->counters;

    for (unsigned reason = 0; reason < COUNTERS_DROP_KINDS; reason++) {
        drops[reason] = (struct drop){
            .where = "worker",
            .reason = &counter_names[reason],
            .total = counters[reason],
            .rate = observation_counter_rate(console->observation, reason),
        };
    }
    return COUNTERS_DROP_KINDS;
}

static unsigned xdp_drops(const struct console *console, struct drop *drops)
{
    const struct observation *observation = console->observation;
    const uint64_t *counters = observation_totals(observation)->xdp;
    unsigned count = 0;

    if (!console->controlplane->steering)
        return 0;
#define SET_DROP(reason_name, help)                                                                \
    drops[count++] = (struct drop){                                                                \
        .where = "xdp",                                                                            \
        .reason = &xdp_names[STEERING_##reason_name],                                              \
        .total = counters[STEERING_##reason_name],                                                 \
        .rate = observation_xdp_rate(observation, STEERING_##reason_name),                         \
    };
    STEERING_DROPS(SET_DROP)
#undef SET_DROP
    return count;
}

json_t *view_drops(const struct console *console, bool all)
{
    struct drop drops[COUNTERS_DROP_KINDS + STEERING_COUNTERS];
    unsigned count = xdp_drops(console, drops);
    json_t *view = json_array();

    count += worker_drops(console, drops + count);
    qsort(drops, count, sizeof(drops[0]), busier_first);
    for (unsigned i = 0; i < count; i++) {
        if (!all && drops[i].total == 0)
            continue;
        json_array_append_new(view, json_pack("{s:s, s:s, s:o, s:f, s:s}", "where", drops[i].where,
                                              "reason", drops[i].reason->name, "total",
                                              integer(drops[i].total), "rate", drops[i].rate,
                                              "help", drops[i].reason->help));
    }
    return view;
}

/* Swarms ----------------------------------------------------------------------------------- */

enum { HASH_SIZE = 20, HASH_PREFIX = 4 }; /* bytes */

/* `hash` in hexadecimal, `size` bytes of it. */
static json_t *view_hash(const uint8_t *hash, unsigned size)
{
    char text[2 * HASH_SIZE + 1];

    for (unsigned i = 0; i < size; i++)
        sprintf(text + 2 * i, "%02x", hash[i]);
    return json_string(text);
}

static json_t *view_swarm_by(const struct inspect_swarm *swarm, unsigned hash_size)
{
    return json_pack("{s:o, s:s, s:I, s:I, s:I, s:I}", "info_hash",
                     view_hash(swarm->info_hash, hash_size), "family", view_families[swarm->family],
                     "seeders", (json_int_t)swarm->seeders, "leechers", (json_int_t)swarm->leechers,
                     "completed", (json_int_t)swarm->completed, "announces_per_minute",
                     (json_int_t)swarm->announces_per_min);
}

json_t *view_swarm(const struct inspect_swarm *swarm)
{
    return view_swarm_by(swarm, HASH_SIZE);
}

/* Up to the largest class that has any; the last one has no upper end. */
static json_t *view_sizes(const uint64_t sizes[INSPECT_SIZES])
{
    json_t *view = json_array();
    unsigned classes = INSPECT_SIZES;

    while (classes > 0 && sizes[classes - 1] == 0)
        classes--;
    for (unsigned class = 0; class < classes; class ++) {
        json_t *peers = class + 1 < INSPECT_SIZES ? integer(UINT64_C(1) << class) : json_null();

        json_array_append_new(
            view, json_pack("{s:o, s:o}", "peers", peers, "swarms", integer(sizes[class])));
    }
    return view;
}

json_t *view_survey(const struct console *console)
{
    struct survey_result result;
    json_t *top;

    if (!survey_look(console->survey, &result))
        return json_null();
    top = json_array();
    for (unsigned i = 0; i < result.count; i++)
        json_array_append_new(top, view_swarm_by(&result.top[i], HASH_PREFIX));
    return json_pack("{s:f, s:o, s:o}", "age", result.age, "top", top, "sizes",
                     view_sizes(result.sizes));
}

/* The appliance ----------------------------------------------------------------------------- */

/* Oldest first, `time` in milliseconds since the epoch; seconds before the start aren't sent. */
static json_t *view_history(const struct observation *observation, unsigned seconds)
{
    json_t *view = json_object();
    json_t *times = json_array();

    while (seconds > 0 && observation_rates(observation, seconds - 1)->time == 0)
        seconds--;
    for (unsigned ago = seconds; ago-- > 0;)
        json_array_append_new(
            times, json_integer((json_int_t)(observation_rates(observation, ago)->time * 1000)));
    json_object_set_new(view, "time", times);
#define SEND_COLUMN(name, type)                                                                    \
    do {                                                                                           \
        json_t *column = json_array();                                                             \
        for (unsigned ago = seconds; ago-- > 0;)                                                   \
            json_array_append_new(column, type(observation_rates(observation, ago)->name));        \
        json_object_set_new(view, #name, column);                                                  \
    } while (0);
    RATE_COLUMNS(SEND_COLUMN)
#undef SEND_COLUMN
    return view;
}

json_t *view_appliance(const struct console *console)
{
    const struct controlplane *controlplane = console->controlplane;
    const struct observation *observation = console->observation;
    char hostname[256] = "";
    json_t *view = json_object();

    gethostname(hostname, sizeof(hostname) - 1);
    json_object_set_new(view, "version", json_string(MUSTER_VERSION));
    json_object_set_new(view, "hostname", json_string(hostname));
    json_object_set_new(view, "started", integer((uint64_t)controlplane->started));
    json_object_set_new(view, "uptime", integer((uint64_t)(time(NULL) - controlplane->started)));
    json_object_set_new(view, "health", view_health(console));
    json_object_set_new(view, "interval", integer(controlplane->interval));
    json_object_set_new(view, "interval_base", integer(controlplane->config.settings.interval));
    json_object_set_new(view, "now", view_rates(observation_rates(observation, 0)));
    json_object_set_new(view, "tables", view_tables(console));
    json_object_set_new(view, "workers", view_workers(console));
    json_object_set_new(view, "ports", view_ports(console));
    json_object_set_new(view, "drops", view_drops(console, false));
    return view;
}

json_t *view_live(const struct console *console, unsigned seconds)
{
    json_t *view = view_appliance(console);

    json_object_set_new(view, "swarms", view_survey(console));
    json_object_set_new(view, "history", view_history(console->observation, seconds));
    return view;
}

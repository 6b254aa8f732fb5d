/* SPDX-License-Identifier: BSD-3-Clause */
/* What no key can be told to be wrong about on its own. */
#include <string.h>

#include "../bpf/rules.h"
#include "config.h"
#include "config_report.h"
#include "store/redis_address.h"

static void check_cores(const struct config *config, struct config_report *report)
{
    const struct dataplane_config *dataplane = &config->dataplane;

    for (unsigned i = 0; i < dataplane->workers; i++)
        for (unsigned j = 0; j < i; j++)
            if (dataplane->cores[i] == dataplane->cores[j])
                config_complain(report, "workers.cores", i + 1,
                                "expected each core once, found %u again", dataplane->cores[i]);
}

static void check_ports(const struct config *config, struct config_report *report)
{
    const struct dataplane_config *dataplane = &config->dataplane;

    if (dataplane->ports_count == 0)
        config_complain(report, "ports", 0, "expected at least one port, found none");
    for (unsigned i = 0; i < dataplane->ports_count; i++) {
        const struct dataplane_port_config *port = &dataplane->ports[i];

        if (port->kind == DATAPLANE_AF_XDP && strlen(port->device) > 15)
            config_complain(report, "ports", i + 1,
                            "expected an interface's name (up to 15 characters), found \"%s\"",
                            port->device);
        if (port->queues > dataplane->workers)
            config_complain(report, "ports", i + 1,
                            "expected as many queues as there are workers.cores at most, %u, "
                            "found %u",
                            dataplane->workers, port->queues);
        for (unsigned j = 0; j < i; j++)
            if (dataplane->ports[j].kind == port->kind &&
                strcmp(dataplane->ports[j].device, port->device) == 0)
                config_complain(report, "ports", i + 1, "expected each port once, found %s again",
                                port->device);
    }
}

/* Zero-copy needs the driver, which generic mode goes without. */
static void check_xdp(const struct config *config, struct config_report *report)
{
    const struct dataplane_config *dataplane = &config->dataplane;

    for (unsigned i = 0; i < dataplane->ports_count; i++)
        if (config->xdp.mode == STEERING_GENERIC && dataplane->ports[i].kind == DATAPLANE_AF_XDP &&
            !dataplane->ports[i].force_copy)
            config_complain(report, "ports", i + 1,
                            "expected force_copy: true for xdp.mode generic, found false");
}

static bool same_address(const struct dataplane_address *a, const struct dataplane_address *b)
{
    return a->family == b->family && a->port == b->port &&
           memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static bool is_wildcard(const struct dataplane_address *address)
{
    static const uint8_t zero[sizeof(address->bytes)];

    return memcmp(address->bytes, zero, address->family == 4 ? 4 : sizeof(zero)) == 0;
}

/* Requests to it have replies, which come from it. */
static bool is_unicast(const struct dataplane_address *address)
{
    uint32_t ipv4;
    uint64_t high;

    memcpy(&ipv4, address->bytes, sizeof(ipv4));
    memcpy(&high, address->bytes, sizeof(high));
    return address->family == 4 ? rules_ipv4_unicast(ipv4) : rules_ipv6_unicast(high);
}

static void check_listen(const struct config *config, struct config_report *report)
{
    const struct dataplane_config *dataplane = &config->dataplane;

    for (unsigned i = 0; i < dataplane->listen_count; i++) {
        if (!is_wildcard(&dataplane->listen[i]) && !is_unicast(&dataplane->listen[i]))
            config_complain(report, "listen", i + 1,
                            "expected an address of this machine's, or 0.0.0.0 or [::], found a "
                            "loopback, multicast or reserved one");
        for (unsigned j = 0; j < i; j++)
            if (same_address(&dataplane->listen[i], &dataplane->listen[j]))
                config_complain(report, "listen", i + 1,
                                "expected each address once, found item %u again", j);
    }
}

static void check_tracker(const struct config *config, struct config_report *report)
{
    const struct dataplane_settings *settings = &config->settings;
    uint32_t longest = config->adaptive_interval.maximum + settings->interval_jitter;

    if (settings->interval_jitter >= settings->interval)
        config_complain(report, "tracker.interval_jitter", 0,
                        "expected less than tracker.interval, %us, found %us", settings->interval,
                        settings->interval_jitter);
    if (config->adaptive_interval.maximum < settings->interval)
        config_complain(report, "tracker.interval_max", 0,
                        "expected at least tracker.interval, %us, found %us", settings->interval,
                        config->adaptive_interval.maximum);
    if (settings->timeouts.peer <= longest)
        config_complain(report, "tracker.peer_timeout", 0,
                        "expected more than tracker.interval_max and tracker.interval_jitter "
                        "together, %us, found %us",
                        longest, settings->timeouts.peer);
    if (settings->numwant_default > settings->numwant_max)
        config_complain(report, "tracker.numwant_default", 0,
                        "expected at most tracker.numwant_max, %u, found %u", settings->numwant_max,
                        settings->numwant_default);
}

static void check_access(const struct config *config, struct config_report *report)
{
    if (config->settings.access_mode == DATAPLANE_ACCESS_ALLOW && !*config->access.file)
        config_complain(report, "access.file", 0,
                        "expected a list for access.mode allow, found nothing");
}

static void check_redis(const struct config *config, struct config_report *report)
{
    const struct persistence_settings *persistence = &config->persistence;
    struct redis_address address;

    for (unsigned i = 0; i < persistence->redis.nodes_count; i++) {
        const char *node = persistence->redis.nodes[i];

        if (redis_address_parse(&address, node, strlen(node)) != 0)
            config_complain(report, "redis.nodes", i + 1, "expected host:port, found \"%s\"", node);
    }
    if (persistence->redis.expiry <= persistence->refresh)
        config_complain(report, "redis.expiry", 0,
                        "expected more than store.refresh, %us, found %us", persistence->refresh,
                        persistence->redis.expiry);
}

static void check_store(const struct config *config, struct config_report *report)
{
    const struct persistence_settings *persistence = &config->persistence;

    if (persistence->refresh < persistence->interval)
        config_complain(report, "store.refresh", 0,
                        "expected at least store.interval, %us, found %us", persistence->interval,
                        persistence->refresh);
    if (persistence->fleet.enabled && persistence->kind != PERSISTENCE_REDIS)
        config_complain(report, "fleet.enabled", 0, "expected store.type redis with a fleet");
    /* Whoever starts finds everything in snapshots or in streams. */
    if (persistence->fleet.enabled && persistence->fleet.retention < 2 * persistence->interval)
        config_complain(report, "fleet.retention", 0,
                        "expected at least twice store.interval, %us, found %us",
                        2 * persistence->interval, persistence->fleet.retention);
}

void config_check(const struct config *config, struct config_report *report)
{
    check_cores(config, report);
    check_ports(config, report);
    check_xdp(config, report);
    check_listen(config, report);
    check_tracker(config, report);
    check_access(config, report);
    check_store(config, report);
    check_redis(config, report);
}

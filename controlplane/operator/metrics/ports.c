/* SPDX-License-Identifier: BSD-3-Clause */
/* What ports count. */
#include <event2/buffer.h>

#include "../console_state.h"
#include "sample.h"

#define EACH_PORT(observation, port, info)                                                         \
    const struct dataplane_port_info *info;                                                        \
    for (unsigned port = 0; port < observation_ports(observation) &&                               \
                            (info = observation_port(observation, port)) != NULL;                  \
         port++)

static void sample_port(const struct metric_writer *writer, const struct dataplane_port_info *info,
                        double value)
{
    char name[600];

    metric_escape(info->name, name, sizeof(name));
    metric_sample_labelled(writer, "port", name, value);
}

static void port_info(const struct metric_writer *writer, size_t offset)
{
    char name[600];

    EACH_PORT(writer->console->observation, port, info)
    {
        metric_escape(info->name, name, sizeof(name));
        evbuffer_add_printf(writer->out,
                            "%s{port=\"%s\",driver=\"%s\",queues=\"%u\",mtu=\"%u\"} 1\n",
                            writer->metric->name, name, info->driver, info->queues, info->mtu);
    }
}

static void port_gone(const struct metric_writer *writer, size_t offset)
{
    EACH_PORT(writer->console->observation, port, info)
    {
        sample_port(writer, info, info->gone);
    }
}

static void port_up(const struct metric_writer *writer, size_t offset)
{
    EACH_PORT(writer->console->observation, port, info)
    {
        sample_port(writer, info, info->link_up);
    }
}

static void port_number(const struct metric_writer *writer, size_t offset)
{
    EACH_PORT(writer->console->observation, port, info)
    {
        sample_port(writer, info, (double)*(const uint64_t *)((const char *)info + offset));
    }
}

static void port_level(const struct metric_writer *writer, size_t offset)
{
    EACH_PORT(writer->console->observation, port, info)
    {
        sample_port(writer, info, *(const unsigned *)((const char *)info + offset));
    }
}

#define PORT(member) offsetof(struct dataplane_port_info, member)

const struct metric_source metric_sources_ports[METRICS_COUNT] = {
    [METRIC_port_info] = {port_info, 0},
    [METRIC_port_up] = {port_up, 0},
    [METRIC_port_gone] = {port_gone, 0},
    [METRIC_port_rx_packets] = {port_number, PORT(rx_packets)},
    [METRIC_port_rx_bytes] = {port_number, PORT(rx_bytes)},
    [METRIC_port_rx_missed] = {port_number, PORT(rx_missed)},
    [METRIC_port_rx_errors] = {port_number, PORT(rx_errors)},
    [METRIC_port_rx_no_mbuf] = {port_number, PORT(rx_no_mbuf)},
    [METRIC_port_tx_packets] = {port_number, PORT(tx_packets)},
    [METRIC_port_tx_bytes] = {port_number, PORT(tx_bytes)},
    [METRIC_port_tx_errors] = {port_number, PORT(tx_errors)},
    [METRIC_port_mbufs] = {port_level, PORT(mbufs_total)},
    [METRIC_port_mbufs_free] = {port_level, PORT(mbufs_free)},
};

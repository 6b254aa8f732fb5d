/* SPDX-License-Identifier: BSD-3-Clause */
#include "port.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "errand.h"
#include "lost_port.h"
#include "port_device.h"
#include "request.h"

enum {
    /* net_af_xdp makes its fill ring twice as long, whatever is asked for. */
    AF_XDP_FILL_RING = 2 * PORT_DESCRIPTORS_AF_XDP,

    /* Of an mbuf: the longest request (two tags, IPv4 options, 74 info-hashes), rounded up. */
    FRAME_BYTES_MIN = 2048,
    /* A frame of AF_XDP, mbuf and all, must not exceed a page. */
    FRAME_BYTES_AF_XDP = 3072,
    /* What a frame has around layer 3, and what the tables may write behind a reply. */
    FRAME_OVERHEAD = sizeof(struct wire_eth) + WIRE_VLAN_TAGS_MAX * sizeof(struct wire_vlan) +
                     SWARMS_REPLY_SLACK,

    /* Mbufs that a worker keeps of a pool for itself, so that few go through the shared ring. */
    POOL_CACHE = 256,
};

static unsigned frame_bytes_of(const struct dataplane_port_config *config)
{
    unsigned bytes = RTE_ALIGN_CEIL(config->mtu + FRAME_OVERHEAD, RTE_CACHE_LINE_SIZE);

    if (config->kind == DATAPLANE_AF_XDP && bytes > FRAME_BYTES_AF_XDP)
        return FRAME_BYTES_AF_XDP;
    return RTE_MAX(bytes, (unsigned)FRAME_BYTES_MIN);
}

/* Mbufs of a queue: what its rings and the workers may hold, and what their caches keep. */
static unsigned mbufs_of(const struct dataplane_port_config *config, unsigned in_flight)
{
    unsigned held = 2 * port_descriptors(config) + in_flight + 2 * POOL_CACHE;

    if (config->kind == DATAPLANE_AF_XDP)
        held += AF_XDP_FILL_RING;
    if (config->kind == DATAPLANE_MEMIF && !config->memif_server)
        held += 2 * port_descriptors(config); /* lost with the first server, see lost_port.h */
    return rte_align32pow2(held + 1) - 1;     /* what the pool's ring holds best */
}

size_t port_memory_size(const struct dataplane_port_config *config, unsigned in_flight)
{
    size_t mbuf = sizeof(struct rte_mbuf) + sizeof(struct request) + RTE_PKTMBUF_HEADROOM +
                  frame_bytes_of(config) + 2 * RTE_CACHE_LINE_SIZE;

    return config->queues * mbufs_of(config, in_flight) * mbuf;
}

/* Queues -------------------------------------------------------------------------------------- */

static int make_pools(struct port *port, unsigned index, const struct port_memory *memory)
{
    for (unsigned queue = 0; queue < port->queues; queue++) {
        char name[RTE_MEMPOOL_NAMESIZE];

        snprintf(name, sizeof(name), "port%u_queue%u", index, queue);
        port->pools[queue] = rte_pktmbuf_pool_create(
            name, mbufs_of(port->config, memory->in_flight), POOL_CACHE, sizeof(struct request),
            (uint16_t)(RTE_PKTMBUF_HEADROOM + frame_bytes_of(port->config)),
            memory->sockets[queue]);
        if (!port->pools[queue])
            return -rte_errno;
    }
    return 0;
}

/* Spreads flows over the queues, as far as the port can. */
static void want_rss(struct rte_eth_conf *conf, const struct rte_eth_dev_info *info,
                     unsigned queues)
{
    uint64_t flows = (RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP) & info->flow_type_rss_offloads;

    if (queues == 1 || flows == 0)
        return;
    conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    conf->rx_adv_conf.rss_conf.rss_hf = flows;
}

static void want_checksums(struct rte_eth_conf *conf, const struct rte_eth_dev_info *info)
{
    const uint64_t rx = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
    const uint64_t tx = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM;

    /*
     * NICs check both. What would check UDP alone is a hypervisor's device: asked to, it passes on
     * frames of neighbours with checksums yet to be computed, and the exception port's kernel would
     * throw them away.
     */
    if ((info->rx_offload_capa & rx) == rx)
        conf->rxmode.offloads |= rx;
    if ((info->tx_offload_capa & tx) == tx)
        conf->txmode.offloads |= tx;
}

/* `own`: a port of ours; else the exception port, which shares its queues' pools. */
static int make_queues(struct port *port, uint16_t id, bool own)
{
    struct rte_eth_conf conf = {0};
    struct rte_eth_dev_info info;
    uint16_t rx = (uint16_t)port_descriptors(port->config), tx = rx;
    int error = rte_eth_dev_info_get(id, &info);

    if (error)
        return error;
    if (own) {
        want_rss(&conf, &info, port->queues);
        if (port->config->kind == DATAPLANE_PCI)
            want_checksums(&conf, &info);
        port->offload = conf.txmode.offloads != 0;
    }
    if ((error = rte_eth_dev_configure(id, port->queues, port->queues, &conf)) ||
        (error = rte_eth_dev_adjust_nb_rx_tx_desc(id, &rx, &tx)))
        return error;
    for (uint16_t queue = 0; queue < port->queues; queue++) {
        int socket = port->pools[queue]->socket_id;

        if ((error = rte_eth_rx_queue_setup(id, queue, rx, (unsigned)socket, NULL,
                                            port->pools[queue])) ||
            (error = rte_eth_tx_queue_setup(id, queue, tx, (unsigned)socket, NULL)))
            return error;
    }
    return 0;
}

int port_remake_memif(struct port *port)
{
    int error = port_memif_remake(port);

    return error ? error : make_queues(port, port->id, true);
}

/* The MTU of replies: what was configured, or less if the port has less. */
static void find_mtu(struct port *port)
{
    uint16_t mtu = (uint16_t)port->config->mtu, device;

    if (port->config->kind == DATAPLANE_PCI)
        rte_eth_dev_set_mtu(port->id, mtu);
    if (rte_eth_dev_get_mtu(port->id, &device) == 0 && device < mtu)
        mtu = device;
    port->mtu = (uint16_t)RTE_MIN(mtu, frame_bytes_of(port->config) - FRAME_OVERHEAD);
}

static int check_queues(const struct port *port, char *error, size_t size)
{
    struct rte_eth_dev_info info;
    int code = rte_eth_dev_info_get(port->id, &info);
    unsigned most = RTE_MIN(info.max_rx_queues, info.max_tx_queues);

    if (code)
        return port_complain(error, size, code, port->config->device, "asking the driver");
    if (port->queues <= most)
        return 0;
    snprintf(error, size, "port %s: %u queues are configured, the port has %u",
             port->config->device, port->queues, most);
    return -EINVAL;
}

int port_open(struct port *port, const struct dataplane_port_config *config, unsigned index,
              const char *xdp_program, const struct port_memory *memory, char *error,
              size_t error_size)
{
    int code;

    *port = (struct port){.config = config, .id = PORT_NONE, .exception = PORT_NONE};
    port->queues = (uint16_t)config->queues;
    if ((code = port_device_make(port, index, xdp_program, error, error_size)))
        goto fail;
    lost_port_watch(port);
    if ((code = check_queues(port, error, error_size)))
        goto fail;
    if (config->kind == DATAPLANE_PCI && config->exception[0] &&
        (code = port_exception_make(port, index, error, error_size)))
        goto fail;
    if ((code = make_pools(port, index, memory))) {
        port_complain(error, error_size, code, config->device,
                      "no memory for packet buffers; are there enough huge pages?");
        goto fail;
    }
    if ((code = make_queues(port, port->id, true)) ||
        (port->exception != PORT_NONE && (code = make_queues(port, port->exception, false)))) {
        port_complain(
            error, error_size, code, config->device,
            config->kind == DATAPLANE_AF_XDP
                ? "its queues can't be set up; is another XDP program attached (ip link), "
                  "or another process at its queues?"
                : "its queues can't be set up");
        goto fail;
    }
    find_mtu(port);
    return 0;
fail:
    port_close(port);
    return code;
}

int port_start(struct port *port, char *error, size_t error_size)
{
    int code = rte_eth_dev_start(port->id);

    port_note_start(port, code == 0);
    if (code)
        return port_complain(error, error_size, code, port->config->device, "can't be started");
    if (port->exception == PORT_NONE)
        return 0;
    rte_eth_allmulticast_enable(port->id); /* the kernel's neighbour discovery */
    rte_eth_dev_set_mtu(port->exception, port->mtu);
    code = rte_eth_dev_start(port->exception);
    if (code)
        rte_eth_dev_stop(port->id);
    return code
               ? port_complain(error, error_size, code, port->config->exception, "can't be started")
               : 0;
}

void port_stop(struct port *port)
{
    if (port->exception != PORT_NONE)
        rte_eth_dev_stop(port->exception);
    if (port->id == PORT_NONE)
        return;
    if (port->config->kind == DATAPLANE_MEMIF)
        errand_run(rte_eth_dev_stop, port->id);
    else
        rte_eth_dev_stop(port->id);
}

void port_close(struct port *port)
{
    lost_port_give_back(port);
    lost_port_unwatch(port);
    if (port->exception != PORT_NONE)
        rte_eth_dev_close(port->exception);
    if (port->id != PORT_NONE && port->config->kind == DATAPLANE_MEMIF)
        errand_run(rte_eth_dev_close, port->id);
    else if (port->id != PORT_NONE)
        rte_eth_dev_close(port->id);
    for (unsigned queue = 0; queue < port->queues; queue++)
        rte_mempool_free(port->pools[queue]);
    *port = (struct port){.id = PORT_NONE, .exception = PORT_NONE};
}

/*
 * The kernel keeps the interface, and DPDK's driver says "up" whatever happens to it. False when it
 * is gone.
 */
static bool ask_interface(const struct port *port, bool *up)
{
    struct ifreq request = {0};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool there = true;

    *up = false;
    if (fd < 0)
        return there;
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%.*s", IFNAMSIZ - 1,
             port->config->device);
    if (ioctl(fd, SIOCGIFINDEX, &request) != 0)
        there = errno != ENODEV;
    else if ((unsigned)request.ifr_ifindex != port->interface)
        there = false;
    else if (ioctl(fd, SIOCGIFFLAGS, &request) == 0)
        *up = request.ifr_flags & IFF_UP && request.ifr_flags & IFF_RUNNING;
    close(fd);
    return there;
}

static void find_link(const struct port *port, struct dataplane_port_info *info)
{
    struct rte_eth_link link;

    if (port->config->kind == DATAPLANE_AF_XDP) {
        info->gone = !ask_interface(port, &info->link_up);
    } else {
        info->gone = port->asked_for || rte_eth_dev_is_removed(port->id) == 1;
        info->link_up =
            !info->gone && rte_eth_link_get_nowait(port->id, &link) == 0 && link.link_status;
    }
}

int port_info(const struct port *port, struct dataplane_port_info *info)
{
    struct rte_eth_dev_info device;
    struct rte_eth_stats stats;
    int error;

    *info = (struct dataplane_port_info){
        .name = port->config->device, .driver = "", .queues = port->queues, .mtu = port->mtu};
    for (unsigned queue = 0; queue < port->queues; queue++) {
        info->mbufs_free += rte_mempool_avail_count(port->pools[queue]);
        info->mbufs_total += port->pools[queue]->size;
    }
    if (port->id == PORT_NONE) { /* it was given back */
        info->gone = true;
        return 0;
    }
    find_link(port, info);
    if ((error = rte_eth_dev_info_get(port->id, &device)))
        return error;
    info->driver = device.driver_name;
    if ((error = rte_eth_stats_get(port->id, &stats)))
        return error;
    info->rx_packets = stats.ipackets;
    info->rx_bytes = stats.ibytes;
    info->rx_missed = stats.imissed;
    info->rx_errors = stats.ierrors;
    info->rx_no_mbuf = stats.rx_nombuf;
    info->tx_packets = stats.opackets;
    info->tx_bytes = stats.obytes;
    info->tx_errors = stats.oerrors;
    return 0;
}

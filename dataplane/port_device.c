/* SPDX-License-Identifier: BSD-3-Clause */
#include "port_device.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_eal_memconfig.h>
#include <rte_ethdev.h>

#include "errand.h"
#include "memif.h"

/* Packets that a queue holds while its worker is elsewhere: 100 us at 10 M/s. */
enum { DESCRIPTORS_DEFAULT = 1024 };

unsigned port_descriptors(const struct dataplane_port_config *config)
{
    unsigned wanted = config->descriptors > 0 ? rte_align32pow2(config->descriptors) : 0;

    if (config->kind == DATAPLANE_AF_XDP)
        return RTE_MAX(wanted, (unsigned)PORT_DESCRIPTORS_AF_XDP);
    return wanted > 0 ? wanted : DESCRIPTORS_DEFAULT;
}

int port_complain(char *error, size_t size, int code, const char *device, const char *what)
{
    snprintf(error, size, "port %s: %s: %s", device, what, strerror(-code));
    return code;
}

static int make_vdev(const char *name, const char *args, uint16_t *id)
{
    int error = rte_eal_hotplug_add("vdev", name, args);

    if (error)
        return error;
    error = rte_eth_dev_get_port_by_name(name, id);
    if (error)
        rte_eal_hotplug_remove("vdev", name);
    return error;
}

static int make_af_xdp(struct port *port, unsigned index, const char *program, char *error,
                       size_t size)
{
    const struct dataplane_port_config *config = port->config;
    char args[1024];
    int code;

    port->interface = if_nametoindex(config->device);
    if (port->interface == 0)
        return port_complain(error, size, -errno, config->device,
                             "no such network interface (ip link shows them)");
    if (program && access(program, R_OK) != 0)
        return port_complain(error, size, -errno, program,
                             "XDP program can't be read (xdp.program)");
    snprintf(port->name, sizeof(port->name), "net_af_xdp%u", index);
    snprintf(args, sizeof(args), "iface=%s,start_queue=0,queue_count=%u,busy_budget=%u%s%s%s",
             config->device, config->queues, config->busy_budget,
             config->force_copy ? ",force_copy=1" : "", program ? ",xdp_prog=" : "",
             program ? program : "");
    code = make_vdev(port->name, args, &port->id);
    return code ? port_complain(error, size, code, config->device,
                                "AF_XDP doesn't work on this interface; has it that many queues "
                                "(ethtool -l)?")
                : 0;
}

static int make_memif_vdev(struct port *port)
{
    const struct dataplane_port_config *config = port->config;
    const char *role = config->memif_server ? "server"
                       : port->shares       ? "client,zero-copy=yes"
                                            : "client";
    char args[512];

    snprintf(args, sizeof(args), "role=%s,socket=%s,socket-abstract=no,rsize=%u", role,
             config->device, rte_log2_u32(port_descriptors(config)));
    return make_vdev(port->name, args, &port->id);
}

static int make_memif(struct port *port, unsigned index, char *error, size_t size)
{
    const struct dataplane_port_config *config = port->config;
    int code;

    if (config->memif_server && unlink(config->device) != 0 && errno != ENOENT)
        return port_complain(error, size, -errno, config->device,
                             "a stale socket can't be removed");
    snprintf(port->name, sizeof(port->name), "net_memif%u", index);
    /* Packet buffers that the other side can map needn't be copied into shared memory. */
    port->shares = !config->memif_server && rte_mcfg_get_single_file_segments();
    code = memif_init();
    if (!code)
        code = make_memif_vdev(port);
    return code ? port_complain(error, size, code, config->device, "memif can't be made") : 0;
}

int port_memif_remake(struct port *port)
{
    uint16_t id = port->id;
    int error;

    errand_run(rte_eth_dev_close, id);
    rte_eal_hotplug_remove("vdev", port->name);
    port->shares = port->shared = false;
    error = make_memif_vdev(port);
    return !error && port->id != id ? -EEXIST : error;
}

static int make_raw(struct port *port, char *error, size_t size)
{
    const char *device = port->config->device, *comma = strchr(device, ',');
    size_t length = comma ? (size_t)(comma - device) : strlen(device);
    int code;

    if (length >= sizeof(port->name))
        return port_complain(error, size, -ENAMETOOLONG, device, "name of the device");
    memcpy(port->name, device, length);
    port->name[length] = '\0';
    code = make_vdev(port->name, comma ? comma + 1 : "", &port->id);
    return code ? port_complain(error, size, code, device, "device can't be made") : 0;
}

static int find_pci(struct port *port, char *error, size_t size)
{
    int code = rte_eth_dev_get_port_by_name(port->config->device, &port->id);

    return code ? port_complain(error, size, code, port->config->device,
                                "DPDK has no driver for it, or it isn't bound to vfio-pci "
                                "(driverctl, dpdk-devbind.py)")
                : 0;
}

int port_exception_make(struct port *port, unsigned index, char *error, size_t size)
{
    const struct dataplane_port_config *config = port->config;
    struct rte_ether_addr address;
    char args[128], text[RTE_ETHER_ADDR_FMT_SIZE];
    int code = rte_eth_macaddr_get(port->id, &address);

    if (!code) {
        rte_ether_format_addr(text, sizeof(text), &address);
        snprintf(port->exception_name, sizeof(port->exception_name), "net_tap_exception%u", index);
        snprintf(args, sizeof(args), "iface=%s,mac=%s", config->exception, text);
        code = make_vdev(port->exception_name, args, &port->exception);
    }
    return code ? port_complain(
                      error, size, code, config->exception,
                      "the exception port can't be made; is there such an interface already?")
                : 0;
}

int port_device_make(struct port *port, unsigned index, const char *xdp_program, char *error,
                     size_t size)
{
    switch (port->config->kind) {
    case DATAPLANE_AF_XDP:
        return make_af_xdp(port, index, xdp_program, error, size);
    case DATAPLANE_PCI:
        return find_pci(port, error, size);
    case DATAPLANE_MEMIF:
        return make_memif(port, index, error, size);
    case DATAPLANE_VDEV:
        return make_raw(port, error, size);
    }
    return -EINVAL;
}

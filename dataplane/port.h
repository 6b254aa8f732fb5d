/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ethernet ports of DPDK, whichever way they were come by: an interface that the kernel keeps
 * (AF_XDP), a NIC on a PCI bus with an exception port beside it, shared memory, or any virtual
 * device.
 *
 * Opened and closed by the control thread; between port_start() and port_stop() the workers use the
 * queues, each only those that are its own.
 *
 * Source: DPDK 22.11 programmer's guide; NIC drivers af_xdp, memif, tap.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane.h"

enum {
    PORT_NONE = UINT16_MAX,
    /* A memif client that was started shakes hands with its server in the background. */
    PORT_CONNECT_SECONDS = 3,
};

struct rte_mempool;

struct port {
    const struct dataplane_port_config *config;
    char name[32];           /* DPDK's, of the device that we made; "" for one found on a bus */
    char exception_name[32]; /* likewise */
    uint16_t id;             /* ethdev's, or PORT_NONE */
    uint16_t exception;      /* the exception port's, or PORT_NONE */
    unsigned interface;      /* af_xdp: the kernel's index of the interface */
    uint16_t queues;
    uint16_t mtu;           /* bytes at layer 3 that a reply may have */
    bool offload;           /* the port computes checksums of what is sent */
    bool shares;            /* memif: the other side may map the packet buffers */
    bool shared;            /* and did: it was connected */
    uint8_t patience;       /* memif: seconds that a client's connecting may take yet */
    _Atomic bool asked_for; /* pci: the kernel wants its device back; see lost_port.h */
    struct rte_mempool *pools[DATAPLANE_WORKERS_MAX]; /* by queue; mbufs with a struct request */
};

/* What a queue's packet buffers need to know. */
struct port_memory {
    int sockets[DATAPLANE_WORKERS_MAX]; /* by queue: the NUMA node of its worker */
    unsigned in_flight; /* mbufs that the workers may hold besides the queues' descriptors */
};

/*
 * Makes the device and its queues; config->queues of them. 0, or a negative errno with an
 * explanation in `error`, and then nothing is left. `index` is the port's place in the
 * configuration; `config` must stay.
 */
int port_open(struct port *port, const struct dataplane_port_config *config, unsigned index,
              const char *xdp_program, const struct port_memory *memory, char *error,
              size_t error_size);

int port_start(struct port *port, char *error, size_t error_size);

/* What follows for a memif client from its device being started, or failing to. */
static inline void port_note_start(struct port *port, bool started)
{
    port->shared = port->shares && started;
    port->patience = started ? PORT_CONNECT_SECONDS : 0;
}

/* Both do nothing to a port that isn't started, or open. */
void port_stop(struct port *port);
void port_close(struct port *port);

/* A memif client anew, under the same number of ethdev's, that shares no packet buffers; not
 * started. */
int port_remake_memif(struct port *port);

int port_info(const struct port *port, struct dataplane_port_info *info);

/* Bytes of packet buffers that port_open() takes. */
size_t port_memory_size(const struct dataplane_port_config *config, unsigned in_flight);

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where a port's device comes from, by kind: an interface of the kernel's, a NIC on a bus, shared
 * memory, or what DPDK makes by name.
 *
 * Source: DPDK 22.11, NIC drivers af_xdp, memif, tap.
 */
#pragma once

#include "port.h"

/*
 * net_af_xdp gives the kernel so many frames, whatever is asked for. With a shorter ring what is
 * lost isn't counted: the driver looks at frames that were wanting, not at rings that were full.
 */
enum { PORT_DESCRIPTORS_AF_XDP = 2048 };

/* Descriptors of a queue: a power of two, since AF_XDP and memif have no other rings. */
unsigned port_descriptors(const struct dataplane_port_config *config);

/* Makes or finds the device of port->config. 0, or a negative errno with an explanation. */
int port_device_make(struct port *port, unsigned index, const char *xdp_program, char *error,
                     size_t size);

/* The kernel's side of a PCI port: an interface of the same address. As port_device_make(). */
int port_exception_make(struct port *port, unsigned index, char *error, size_t size);

/*
 * The device of a memif client anew, under the same number of ethdev's, without queues. It shares
 * no packet buffers. 0 or a negative errno.
 */
int port_memif_remake(struct port *port);

/* Writes "port DEVICE: WHAT: reason" and returns `code`, a negative errno. */
int port_complain(char *error, size_t size, int code, const char *device, const char *what);

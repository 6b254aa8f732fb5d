/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ports that are lost while it runs, and what can be done about them. A lost port is first taken
 * out of the workers' hands (dataplane_tend()).
 *
 * pci: when its driver is unbound or the NIC unplugged, the kernel asks for the device, and whoever
 * did that waits until it is given back. Other ports go on.
 *
 * memif, as a client: when the server went, its driver doesn't look for another one. Here it is
 * asked to, once a second. What a client has shared it can't share a second time, for the driver
 * closes EAL's own files of that memory and forgets the buffers that lie in its rings: from the
 * second connection on packets are copied.
 *
 * Source: DPDK 22.11, bus/pci (pci_vfio_req_handler), net/memif (memif_connect,
 * memif_init_queues).
 */
#pragma once

#include <stdbool.h>

#include "port.h"

/* From port_open() to port_close(): hears of it when the kernel asks for the device. */
void lost_port_watch(struct port *port);
void lost_port_unwatch(struct port *port);

/*
 * Gives a device back that was asked for; else does nothing. Nobody polls it any more. The packet
 * buffers stay: workers may hold some.
 */
void lost_port_give_back(struct port *port);

/* True when workers must let go of it. To be asked once a second. */
bool port_is_lost(struct port *port);

/* True for a port that may be without its other side at start, and finds it later. */
bool port_connects_again(const struct port *port);

/*
 * Once a second, while a port is lost and no worker uses it: gives its device back, or looks for
 * its other side. True when workers may use it again.
 */
bool port_recover(struct port *port);

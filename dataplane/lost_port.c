/* SPDX-License-Identifier: BSD-3-Clause */
#define ALLOW_EXPERIMENTAL_API /* rte_dev_event_callback_register() */

#include "lost_port.h"

#include <rte_dev.h>
#include <rte_ethdev.h>

#include "errand.h"

/* PCI ----------------------------------------------------------------------------------------- */

/* In EAL's interrupt thread. */
static void on_device_event(const char *name, enum rte_dev_event_type event, void *argument)
{
    struct port *port = argument;

    if (event == RTE_DEV_EVENT_REMOVE)
        port->asked_for = true;
}

void lost_port_watch(struct port *port)
{
    if (port->config->kind == DATAPLANE_PCI)
        rte_dev_event_callback_register(port->config->device, on_device_event, port);
}

void lost_port_unwatch(struct port *port)
{
    if (port->config && port->config->kind == DATAPLANE_PCI)
        rte_dev_event_callback_unregister(port->config->device, on_device_event, port);
}

static int remove_device(uint16_t port)
{
    struct rte_eth_dev_info info;
    int error = rte_eth_dev_info_get(port, &info);

    return error ? error : rte_dev_remove(info.device);
}

/*
 * EAL's interrupt thread hears of the request over and over until the device is removed, and so it
 * has to do that itself.
 */
void lost_port_give_back(struct port *port)
{
    if (!port->asked_for || port->id == PORT_NONE)
        return;
    port_stop(port);
    if (port->exception != PORT_NONE)
        rte_eth_dev_close(port->exception);
    errand_run(remove_device, port->id);
    port->id = port->exception = PORT_NONE;
}

/* memif --------------------------------------------------------------------------------------- */

static bool is_connected(const struct port *port)
{
    struct rte_eth_link link;

    return rte_eth_link_get_nowait(port->id, &link) == 0 && link.link_status;
}

static bool connect_again(struct port *port)
{
    bool connects;

    errand_run(rte_eth_dev_stop, port->id);
    if (port->shared && port_remake_memif(port))
        return false;
    connects = errand_run(rte_eth_dev_start, port->id) == 0;
    port_note_start(port, connects);
    return connects;
}

/* Both ---------------------------------------------------------------------------------------- */

bool port_connects_again(const struct port *port)
{
    return port->config->kind == DATAPLANE_MEMIF && !port->config->memif_server;
}

bool port_is_lost(struct port *port)
{
    if (!port_connects_again(port))
        return port->asked_for;
    if (is_connected(port))
        port->patience = 0;
    else if (port->patience == 0)
        return true;
    else
        port->patience--;
    return false;
}

bool port_recover(struct port *port)
{
    if (port_connects_again(port))
        return connect_again(port);
    lost_port_give_back(port);
    return false;
}

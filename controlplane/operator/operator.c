/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "commands/commands.h"
#include "control_socket.h"
#include "http.h"
#include "operator.h"
#include "operator_state.h"

static int open_control(struct operator* operator, char * error, size_t error_size)
{
    const struct controlplane *controlplane = operator->controlplane;
    const struct call_service service = {.table = command_table,
                                         .handlers = command_handlers,
                                         .count = COMMANDS_COUNT,
                                         .context = operator, };

    return control_socket_open(controlplane->events, controlplane->config.control.socket,
                               controlplane->config.control.group, &service, &operator->control,
                               error, error_size);
}

static int open_http(struct operator* operator, char * error, size_t error_size)
{
    const struct controlplane *controlplane = operator->controlplane;
    const struct dataplane_address *address = &controlplane->config.metrics.address;

    if (address->family == 0)
        return 0;
    return http_open(controlplane->events, address, operator, & operator->http, error, error_size);
}

int operator_start(struct controlplane *controlplane, struct operator** started, char *error,
                   size_t error_size)
{
    struct operator* operator= calloc(1, sizeof(*operator));
    int status = -ENOMEM;

    snprintf(error, error_size, "out of memory");
    if (operator== NULL)
        return status;
    operator->controlplane = controlplane;
    operator->observation = observation_new(controlplane->dataplane, controlplane->steering);
    if (operator->observation != NULL)
        status = open_control(operator, error, error_size);
    if (status == 0)
        status = open_http(operator, error, error_size);
    if (status != 0) {
        operator_stop(operator);
        return status;
    }
    *started = operator;
    return 0;
}

void operator_tick(struct operator* operator)
{
    observation_tick(operator->observation);
}

const struct observation *operator_observation(const struct operator* operator)
{
    return operator->observation;
}

void operator_stop(struct operator* operator)
{
    if (operator== NULL)
        return;
    http_close(operator->http);
    control_socket_close(operator->control);
    observation_free(operator->observation);
    free(operator);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "commands/commands.h"
#include "console.h"
#include "console_state.h"
#include "control_socket.h"
#include "http.h"
#include "survey.h"

static int open_control(struct console *console, char *error, size_t error_size)
{
    const struct controlplane *controlplane = console->controlplane;
    const struct call_service service = {
        .table = command_table,
        .handlers = command_handlers,
        .count = COMMANDS_COUNT,
        .context = console,
    };

    return control_socket_open(controlplane->events, controlplane->config.control.socket,
                               controlplane->config.control.group, &service, &console->control,
                               error, error_size);
}

static int open_http(struct console *console, char *error, size_t error_size)
{
    const struct controlplane *controlplane = console->controlplane;
    const struct dataplane_address *address = &controlplane->config.metrics.address;

    if (address->family == 0)
        return 0;
    return http_open(controlplane->events, address, console, &console->http, error, error_size);
}

int console_start(struct controlplane *controlplane, struct console **started, char *error,
                  size_t error_size)
{
    struct console *console = calloc(1, sizeof(*console));
    int status = -ENOMEM;

    snprintf(error, error_size, "out of memory");
    if (!console)
        return status;
    console->controlplane = controlplane;
    console->observation = controlplane->observation;
    console->survey = survey_new(controlplane->dataplane, controlplane->jobs);
    if (console->survey)
        status = open_control(console, error, error_size);
    if (status == 0)
        status = open_http(console, error, error_size);
    if (status != 0) {
        console_stop(console);
        return status;
    }
    *started = console;
    return 0;
}

void console_stop(struct console *console)
{
    if (!console)
        return;
    http_close(console->http);
    control_socket_close(console->control);
    survey_free(console->survey);
    free(console);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* What the appliance as a whole tells, and is told. */
#include <string.h>
#include <unistd.h>

#include "../../log.h"
#include "../views.h"
#include "commands.h"

void command_status(struct call *call)
{
    const struct console *console = call_context(call);
    json_t *status;

    observation_refresh(console->observation);
    status = view_appliance(console);
    json_object_set_new(status, "pid", json_integer(getpid()));
    json_object_set_new(status, "config", json_string(command_controlplane(call)->config_path));
    call_result(call, status);
}

void command_stats(struct call *call)
{
    const struct console *console = call_context(call);
    bool moving_only = call_flag(call, "rate");

    observation_refresh(console->observation);
    call_result(call,
                json_pack("{s:o, s:o, s:o, s:o}", "rates",
                          view_rates(observation_rates(console->observation, 0)), "tables",
                          view_tables(console), "counters", view_counters(console, moving_only),
                          "xdp", view_xdp(console, moving_only)));
}

void command_drops(struct call *call)
{
    const struct console *console = call_context(call);

    observation_refresh(console->observation);
    call_result(call, json_pack("{s:I, s:o}", "received",
                                (json_int_t)observation_received(console->observation), "drops",
                                view_drops(console, call_flag(call, "all"))));
}

void command_workers(struct call *call)
{
    const struct console *console = call_context(call);

    observation_refresh(console->observation);
    call_result(call, json_pack("{s:o}", "workers", view_workers(console)));
}

void command_ports(struct call *call)
{
    const struct console *console = call_context(call);

    observation_refresh(console->observation);
    call_result(call, json_pack("{s:o}", "ports", view_ports(console)));
}

void command_top(struct call *call)
{
    call_result(call, view_live(call_context(call), (unsigned)call_number(call, "history", 60)));
}

static void drain(struct call *call, bool draining)
{
    int error = controlplane_drain(command_controlplane(call), draining);

    if (error != 0)
        call_error(call, JSON_RPC_REFUSED, "see the log", "the data plane would not take it: %s",
                   strerror(-error));
    else
        call_result(call, json_pack("{s:b}", "draining", draining));
}

void command_drain(struct call *call)
{
    drain(call, true);
}

void command_undrain(struct call *call)
{
    drain(call, false);
}

void command_shutdown(struct call *call)
{
    log_info("console", "shutdown was asked for over the control socket");
    call_result(call, json_pack("{s:b}", "stopping", true));
    controlplane_shutdown(command_controlplane(call));
}

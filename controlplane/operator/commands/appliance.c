/* SPDX-License-Identifier: BSD-3-Clause */
/* What the appliance as a whole tells, and is told. */
#include <string.h>
#include <unistd.h>

#include "../../log.h"
#include "../operator_state.h"
#include "../views.h"
#include "commands.h"

void command_status(struct call *call)
{
    const struct operator* operator= call_context(call);
    const struct controlplane *controlplane = operator->controlplane;
    json_t *status;

    observation_refresh(operator->observation);
    status = view_live(operator, 0);
    json_object_del(status, "history");
    json_object_set_new(status, "pid", json_integer(getpid()));
    json_object_set_new(status, "config", json_string(controlplane->config_path));
    call_result(call, status);
}

void command_stats(struct call *call)
{
    const struct operator* operator= call_context(call);

    observation_refresh(operator->observation);
    call_result(call, json_pack("{s:o, s:o, s:o}", "rates",
                                view_rates(observation_rates(operator->observation, 0)), "tables",
                                view_tables(operator), "counters",
                                view_counters(operator, call_flag(call, "rate"))));
}

void command_drops(struct call *call)
{
    const struct operator* operator= call_context(call);
    const uint64_t *counters = observation_totals(operator->observation)->counters;

    observation_refresh(operator->observation);
    call_result(call, json_pack("{s:I, s:o}", "received", (json_int_t)counters[COUNTER_received],
                                "drops", view_drops(operator, call_flag(call, "all"))));
}

void command_workers(struct call *call)
{
    const struct operator* operator= call_context(call);

    observation_refresh(operator->observation);
    call_result(call, json_pack("{s:o}", "workers", view_workers(operator)));
}

void command_ports(struct call *call)
{
    const struct operator* operator= call_context(call);

    observation_refresh(operator->observation);
    call_result(call, json_pack("{s:o}", "ports", view_ports(operator)));
}

void command_top(struct call *call)
{
    call_result(call, view_live(call_context(call), (unsigned)call_number(call, "history", 60)));
}

static void drain(struct call *call, bool draining)
{
    const struct operator* operator= call_context(call);
    int error = controlplane_drain(operator->controlplane, draining);

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
    const struct operator* operator= call_context(call);

    log_info("operator", "shutdown was asked for over the control socket");
    call_result(call, json_pack("{s:b}", "stopping", true));
    controlplane_shutdown(operator->controlplane);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "commands.h"

call_handler *const command_handlers[COMMANDS_COUNT] = {
#define COMMAND_ENTRY(name) [COMMAND_##name] = command_##name,
    COMMANDS(COMMAND_ENTRY)
#undef COMMAND_ENTRY
};

struct controlplane *command_controlplane(const struct call *call)
{
    const struct console *console = call_context(call);

    return console->controlplane;
}

void command_no_inspection(struct call *call, int error)
{
    if (error == -ENOMEM)
        call_error(call, JSON_RPC_INTERNAL_ERROR, NULL, "out of memory");
    else
        call_error(call, JSON_RPC_BUSY, "try again in a moment",
                   "a worker couldn't look into its table: %s", strerror(-error));
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "commands.h"

call_handler *const command_handlers[COMMANDS_COUNT] = {
#define COMMAND_ENTRY(name) [COMMAND_##name] = command_##name,
    COMMANDS(COMMAND_ENTRY)
#undef COMMAND_ENTRY
};

/* SPDX-License-Identifier: BSD-3-Clause */
/* The handlers of the commands in command_table.h; their context is a struct console. */
#pragma once

#include "../call.h"
#include "../console_state.h"

#define COMMAND_HANDLER(name) call_handler command_##name;
COMMANDS(COMMAND_HANDLER)
#undef COMMAND_HANDLER

/* What the call is about. */
struct controlplane *command_controlplane(const struct call *call);

/* Ends the call: the workers couldn't be asked, or one had no answer. */
void command_no_inspection(struct call *call, int error);

extern call_handler *const command_handlers[COMMANDS_COUNT];

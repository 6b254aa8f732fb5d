/* SPDX-License-Identifier: BSD-3-Clause */
#include "render.h"

renderer *const renderers[COMMANDS_COUNT] = {
#define COMMAND_ENTRY(name) [COMMAND_##name] = render_##name,
    COMMANDS(COMMAND_ENTRY)
#undef COMMAND_ENTRY
};

/* SPDX-License-Identifier: BSD-3-Clause */
/* The commands' results for people. One renderer a command; --json does without. */
#pragma once

#include <jansson.h>
#include <stdio.h>

#include "controlplane/operator/command_table.h"

typedef void renderer(const json_t *result, FILE *out);

#define COMMAND_RENDERER(name) renderer render_##name;
COMMANDS(COMMAND_RENDERER)
#undef COMMAND_RENDERER

extern renderer *const renderers[COMMANDS_COUNT];

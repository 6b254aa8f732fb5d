/* SPDX-License-Identifier: BSD-3-Clause */
/* From words that somebody typed to a command and its parameters. */
#pragma once

#include "controlplane/operator/command_table.h"

struct command_line {
    const struct command *command;
    json_t *params; /* an object, by name; the caller's to release */
    bool json;      /* --json was among the words */
};

/* False when the words make no command; `error` then says why, and what would. */
bool command_line_parse(char *const words[], unsigned count, struct command_line *line, char *error,
                        size_t error_size);

/*
 * Splits a line at blanks, minding quotes and backslashes as a shell does; changes it. Returns the
 * number of words, or -1 when there are more than `max` or a quote is left open.
 */
int command_line_split(char *line, char *words[], unsigned max);

/* What could stand next after `words`, beginning with `prefix`: calls `offer` for each. */
void command_line_complete(char *const words[], unsigned count, const char *prefix,
                           void (*offer)(void *user, const char *candidate), void *user);

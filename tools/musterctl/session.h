/* SPDX-License-Identifier: BSD-3-Clause */
/* One command, from words to what is on the screen. */
#pragma once

#include <stdbool.h>

#include "client.h"
#include "help.h"

struct session {
    const char *socket;
    struct client *client; /* NULL: not connected yet */
    bool json;             /* --json stood before the command */
};

/* Runs the words. */
enum musterctl_exit session_run(struct session *session, char *const words[], unsigned count);

/* Calls a method, connecting first where needed. *reply is the result, a new reference. */
enum musterctl_exit session_call(struct session *session, const char *method, json_t *params,
                                 json_t **reply);

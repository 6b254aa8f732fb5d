/* SPDX-License-Identifier: BSD-3-Clause */
/* The connection to the daemon that commands of one run share. */
#pragma once

#include <stdbool.h>

#include "client.h"
#include "help.h"

struct session {
    const char *socket;
    struct client *client; /* NULL: not connected yet */
    bool json;             /* --json stood before the command */
};

/* Calls a method, connecting first where needed. *reply is the result, a new reference. */
enum musterctl_exit session_call(struct session *session, const char *method, json_t *params,
                                 json_t **reply);

/* SPDX-License-Identifier: BSD-3-Clause */
/* The daemon's control socket, from the other end: one request at a time, waiting for the reply. */
#pragma once

#include <jansson.h>

#define CLIENT_DEFAULT_SOCKET "/run/muster/control.sock"

struct client;

/* NULL, with why and what to do on stderr. */
struct client *client_connect(const char *path);
void client_free(struct client *client);

enum client_status {
    CLIENT_OK,
    CLIENT_REFUSED, /* the daemon answered with an error */
    CLIENT_LOST,    /* it didn't answer, or not in our language */
};

/*
 * `params` is stolen. *reply is a new reference: the result, the error object, or NULL when lost
 * (what went wrong is then on stderr).
 */
enum client_status client_call(struct client *client, const char *method, json_t *params,
                               json_t **reply);

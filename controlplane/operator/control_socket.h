/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control socket: a Unix stream socket that speaks JSON-RPC 2.0, one request or batch a line,
 * one reply a line. Who may write to the socket's file may do everything; its group is the
 * operators'.
 */
#pragma once

#include <stddef.h>

#include "call.h"

enum {
    CONTROL_SOCKET_REQUEST_MAX = 64 * 1024, /* bytes of a line */
    CONTROL_SOCKET_BATCH_MAX = 64,          /* requests in one batch */
    CONTROL_SOCKET_CLIENTS_MAX = 64,
    CONTROL_SOCKET_MODE = 0660,
};

struct control_socket;
struct event_base;

/*
 * Listens at `path`, for members of `group` ("" the process's own). A file that a dead daemon left
 * is replaced; -EADDRINUSE when a live one answers there, -EEXIST when something else is in the
 * way. `error` gets one line that says what to do.
 */
int control_socket_open(struct event_base *base, const char *path, const char *group,
                        const struct call_service *service, struct control_socket **socket,
                        char *error, size_t error_size);

/* Hangs up on everybody and removes the file. */
void control_socket_close(struct control_socket *socket);

/* Clients connected now, for the metrics. */
unsigned control_socket_clients(const struct control_socket *socket);

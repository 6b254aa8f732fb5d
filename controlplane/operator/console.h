/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the operator meets: the control socket, metrics, the page. main() starts and stops it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct controlplane;
struct console;

/*
 * Opens the control socket and the HTTP address of the configuration, while privileges for it are
 * still there, and answers from then on. 0, or a negative errno with one line of explanation in
 * `error`: -EADDRINUSE when another live daemon has the socket.
 */
int console_start(struct controlplane *controlplane, struct console **started, char *error,
                  size_t error_size);

/* Closes everything, removes the socket's file. */
void console_stop(struct console *console);

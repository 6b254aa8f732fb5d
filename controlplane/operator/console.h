/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the operator meets: the control socket, metrics, the page. main() starts it, ticks it, stops
 * it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct controlplane;
struct observation;
struct console;

/*
 * Opens the control socket and the HTTP address of the configuration, while privileges for it are
 * still there, and answers from then on. 0, or a negative errno with one line of explanation in
 * `error`: -EADDRINUSE when another live daemon has the socket.
 */
int console_start(struct controlplane *controlplane, struct console **started, char *error,
                  size_t error_size);

/* Once a second: reads the data plane (console_observation()). */
void console_tick(struct console *console);

/* What the last tick saw: load for the announce interval, stuck workers for the watchdog. */
const struct observation *console_observation(const struct console *console);

/* Closes everything, removes the socket's file. */
void console_stop(struct console *console);

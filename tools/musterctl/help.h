/* SPDX-License-Identifier: BSD-3-Clause */
/* What musterctl says of itself and of its commands. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

/* The options, X(option, value or "", help): for help, manual and completion. */
#define MUSTERCTL_OPTIONS(X)                                                                       \
    X("socket", "PATH",                                                                            \
      "the daemon's control socket; else $MUSTER_SOCKET, else "                                    \
      "/run/muster/control.sock")                                                                  \
    X("json", "", "print the result as JSON, for scripts")                                         \
    X("help", "", "print this")                                                                    \
    X("version", "", "print the version")

enum musterctl_exit {
    MUSTERCTL_OK,
    MUSTERCTL_REFUSED,     /* the daemon said no */
    MUSTERCTL_USAGE,       /* the words make no command */
    MUSTERCTL_UNREACHABLE, /* no daemon answered */
};

/* X(number, meaning) */
#define MUSTERCTL_EXITS(X)                                                                         \
    X(0, "done")                                                                                   \
    X(1, "the daemon said no, or a checked file is invalid")                                       \
    X(2, "the words make no command")                                                              \
    X(3, "no daemon answered")

void help_print(FILE *out);

/* Of all commands that begin with these words. False when there are none. */
bool help_print_command(const char *noun, const char *verb, FILE *out);

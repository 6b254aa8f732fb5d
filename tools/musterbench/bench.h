/* SPDX-License-Identifier: BSD-3-Clause */
/* The subcommands. Each gets argv from its own name on, and returns the exit status. */
#pragma once

int bench_table(int argc, char **argv);
int bench_handoff(int argc, char **argv);
int bench_flood(int argc, char **argv);
int bench_xdp(int argc, char **argv);

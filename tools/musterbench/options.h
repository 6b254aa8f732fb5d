/* SPDX-License-Identifier: BSD-3-Clause */
/* Options of the subcommands: a table that says where each value goes. */
#pragma once

#include <stdbool.h>

#include "machine.h"

struct bench_option {
    const char *name; /* without the dashes; NULL ends the table */
    bool *flag;       /* where the value goes, one of these; a flag takes none */
    unsigned *number;
    double *seconds;
    const char **text;
    enum machine_pages *pages;
};

enum { BENCH_OPTIONS_HELP = 1 };

/*
 * Reads what is in the table, and --help. 0, with `words` other arguments from argv[optind] on;
 * BENCH_OPTIONS_HELP; or -1 for nonsense.
 */
int bench_options(int argc, char **argv, const struct bench_option *table, int words);

/* SPDX-License-Identifier: BSD-3-Clause */
/* A tool's options: a table that says where each value goes. */
#pragma once

#include <stdbool.h>

struct option_row {
    const char *name; /* without the dashes; NULL ends the table */

    /* Where the value goes, one of these; a flag takes none. */
    bool *flag;
    unsigned *number;
    double *seconds;
    const char **text;
    int (*parse)(char *text, void *into); /* 0, or -1 for nonsense; may change the text */
    void *into;
};

enum { OPTION_TABLE_HELP = 1 };

/*
 * Reads what is in the table, and --help. 0, with `words` other arguments from argv[optind] on;
 * OPTION_TABLE_HELP; or -1 for nonsense.
 */
int option_table_read(int argc, char **argv, const struct option_row *table, int words);

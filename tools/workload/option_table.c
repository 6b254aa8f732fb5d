/* SPDX-License-Identifier: BSD-3-Clause */
#include "option_table.h"

#include <getopt.h>
#include <limits.h>
#include <stdlib.h>

enum { ROWS_MAX = 32, HELP = 256, FIRST };

static bool read_number(const char *text, unsigned *number)
{
    char *end;
    unsigned long long value = strtoull(text, &end, 0);

    *number = (unsigned)value;
    return end != text && *end == '\0' && value <= UINT_MAX;
}

static bool read_seconds(const char *text, double *seconds)
{
    char *end;

    *seconds = strtod(text, &end);
    return end != text && *end == '\0';
}

static bool read_value(const struct option_row *row, char *text)
{
    if (row->number)
        return read_number(text, row->number);
    if (row->seconds)
        return read_seconds(text, row->seconds);
    if (row->parse)
        return row->parse(text, row->into) == 0;
    if (row->flag)
        *row->flag = true;
    else
        *row->text = text;
    return true;
}

int option_table_read(int argc, char **argv, const struct option_row *table, int words)
{
    struct option names[ROWS_MAX + 2] = {{"help", no_argument, NULL, HELP}};
    int chosen;

    for (int i = 0; i < ROWS_MAX && table[i].name; i++)
        names[i + 1] = (struct option){
            table[i].name, table[i].flag ? no_argument : required_argument, NULL, FIRST + i};
    while ((chosen = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (chosen == HELP)
            return OPTION_TABLE_HELP;
        if (chosen < FIRST || !read_value(&table[chosen - FIRST], optarg))
            return -1;
    }
    return optind == argc - words ? 0 : -1;
}

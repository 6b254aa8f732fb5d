/* SPDX-License-Identifier: BSD-3-Clause */
#include "options.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

enum { OPTIONS_MAX = 24, HELP = 256, FIRST };

static bool read_pages(const char *text, enum machine_pages *pages)
{
    static const char *const names[] = {"1g", "2m", "4k"};

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(text, names[i]) != 0)
            continue;
        *pages = (enum machine_pages)i;
        return true;
    }
    return false;
}

static bool read_value(const struct bench_option *option, const char *text)
{
    char *end = "";

    if (option->flag)
        *option->flag = true;
    else if (option->number)
        *option->number = (unsigned)strtoul(text, &end, 0);
    else if (option->seconds)
        *option->seconds = strtod(text, &end);
    else if (option->text)
        *option->text = text;
    else
        return read_pages(text, option->pages);
    return *end == '\0' && end != text;
}

int bench_options(int argc, char **argv, const struct bench_option *table, int words)
{
    struct option names[OPTIONS_MAX + 2] = {{"help", no_argument, NULL, HELP}};
    int chosen;

    for (int i = 0; i < OPTIONS_MAX && table[i].name; i++)
        names[i + 1] = (struct option){
            table[i].name, table[i].flag ? no_argument : required_argument, NULL, FIRST + i};
    while ((chosen = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (chosen == HELP)
            return BENCH_OPTIONS_HELP;
        if (chosen < FIRST || !read_value(&table[chosen - FIRST], optarg))
            return -1;
    }
    return optind == argc - words ? 0 : -1;
}

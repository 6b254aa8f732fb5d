/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/workload/option_table.h"

enum { ARGUMENTS_MAX = 16 };

static bool flag;
static unsigned number;
static double seconds;
static const char *text;
static char parsed[16];

static int take_even(char *given, void *into)
{
    snprintf(into, sizeof(parsed), "%s", given);
    return strlen(given) % 2 == 0 ? 0 : -1;
}

static const struct option_row table[] = {
    {"flag", .flag = &flag},
    {"number", .number = &number},
    {"seconds", .seconds = &seconds},
    {"text", .text = &text},
    {"even", .parse = take_even, .into = parsed},
    {0},
};

/* A command line's options, with one word expected behind them. */
static int read_line(const char *line)
{
    static char copy[256];
    char *arguments[ARGUMENTS_MAX] = {"tool"}, *rest = copy;
    int count = 1;

    snprintf(copy, sizeof(copy), "%s", line);
    while (count < ARGUMENTS_MAX - 1 && (arguments[count] = strsep(&rest, " ")))
        count++;
    optind = 0;
    opterr = 0;
    return option_table_read(count, arguments, table, 1);
}

static void values_go_where_the_table_says(void **state)
{
    flag = false;
    assert_int_equal(read_line("--number 0x10 --seconds 0.5 --text a --even four --flag word"), 0);
    assert_true(flag);
    assert_int_equal(number, 16);
    assert_true(seconds == 0.5);
    assert_string_equal(text, "a");
    assert_string_equal(parsed, "four");
}

static void what_is_not_given_stays(void **state)
{
    number = 7;
    assert_int_equal(read_line("word"), 0);
    assert_int_equal(number, 7);
}

static void nonsense_is_refused(void **state)
{
    static const char *const wrong[] = {
        "--number 5x word",    "--number word",   "--number 4294967296 word",
        "--seconds soon word", "--even odd word", "--flag=1 word",
        "--strange word",      "--text",          "two words",
    };

    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (read_line(wrong[i]) != -1)
            fail_msg("taken: %s", wrong[i]);
}

static void help_is_told_from_nonsense(void **state)
{
    assert_int_equal(read_line("--help"), OPTION_TABLE_HELP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_go_where_the_table_says),
        cmocka_unit_test(what_is_not_given_stays),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(help_is_told_from_nonsense),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

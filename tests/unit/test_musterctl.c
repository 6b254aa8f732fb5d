/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/musterctl/command_line.h"
#include "tools/musterctl/table.h"
#include "tools/musterctl/text.h"

enum { WORDS_MAX = 16 };

/* The parameters of a line as compact JSON, or the error; static. */
static const char *parse(const char *text)
{
    static char result[1024];
    char copy[256], *words[WORDS_MAX];
    struct command_line line;
    int count;

    snprintf(copy, sizeof(copy), "%s", text);
    count = command_line_split(copy, words, WORDS_MAX);
    assert_true(count > 0);
    if (!command_line_parse(words, (unsigned)count, &line, result, sizeof(result)))
        return result;
    result[json_dumpb(line.params, result, sizeof(result) - 1, JSON_COMPACT | JSON_SORT_KEYS)] =
        '\0';
    json_decref(line.params);
    return result;
}

static void words_become_parameters(void **state)
{
    assert_string_equal(parse("status"), "{}");
    assert_string_equal(parse("swarms top --by rate --limit=5"), "{\"by\":\"rate\",\"limit\":5}");
    assert_string_equal(parse("drops --all --json"), "{\"all\":true}");
    assert_string_equal(parse("config set tracker.interval '30 m'"),
                        "{\"key\":\"tracker.interval\",\"value\":\"30 m\"}");
    assert_string_equal(parse("config set -- key --json"),
                        "{\"key\":\"key\",\"value\":\"--json\"}");
    assert_string_equal(parse("access load /a/b"), "{\"file\":\"/a/b\"}");
}

static void paths_are_made_absolute(void **state)
{
    const char *json = parse("access load list");

    assert_non_null(strstr(json, "\"/"));
    assert_non_null(strstr(json, "/list\""));
}

static void wrong_words_are_explained(void **state)
{
    assert_string_equal(parse("swarms"), "swarms: which one? top, show");
    assert_string_equal(parse("swarms bottom"), "swarms: which one? top, show");
    assert_string_equal(parse("nothing"), "there is no command \"nothing\": try help");
    assert_string_equal(parse("stat"), "there is no command \"stat\": did you mean stats?");
    assert_string_equal(parse("swamrs top"),
                        "there is no command \"swamrs\": did you mean swarms?");
    assert_non_null(strstr(parse("swarms top --by size"), "by must be one of peers|rate"));
    assert_non_null(strstr(parse("swarms top --limit 0"), "from 1 to 100"));
    assert_non_null(strstr(parse("swarms top --limit x"), "whole number"));
    assert_non_null(strstr(parse("swarms top --limit"), "--limit needs a value"));
    assert_non_null(strstr(parse("swarms top --lim 3"), "there is no option --lim"));
    assert_non_null(strstr(parse("drops --all=yes"), "--all takes no value"));
    assert_non_null(strstr(parse("status now"), "\"now\" is one word too many"));
    assert_non_null(strstr(parse("config set key"), "value is missing"));
    assert_non_null(strstr(parse("config set key"), "usage: config set KEY VALUE"));
}

static void lines_are_split_as_a_shell_does(void **state)
{
    char line[] = "  one 'two  three' fo\"u\"r \"f\\\"ive\" s\\ ix  ";
    char open[] = "one 'two", many[] = "1 2 3 4 5";
    char *words[WORDS_MAX];

    assert_int_equal(command_line_split(line, words, WORDS_MAX), 5);
    assert_string_equal(words[0], "one");
    assert_string_equal(words[1], "two  three");
    assert_string_equal(words[2], "four");
    assert_string_equal(words[3], "f\"ive");
    assert_string_equal(words[4], "s ix");
    assert_int_equal(command_line_split(open, words, WORDS_MAX), -1);
    assert_int_equal(command_line_split(many, words, 4), -1);
}

static void collect(void *user, const char *candidate)
{
    strcat(user, candidate);
    strcat(user, " ");
}

/* What completes the last word of a line; static. */
static const char *complete(const char *text)
{
    static char offered[4096];
    char copy[256], *words[WORDS_MAX], *prefix = strrchr(text, ' ');
    int count;

    offered[0] = '\0';
    snprintf(copy, sizeof(copy), "%.*s", prefix != NULL ? (int)(prefix - text) : 0, text);
    count = command_line_split(copy, words, WORDS_MAX);
    command_line_complete(words, (unsigned)count, prefix != NULL ? prefix + 1 : text, collect,
                          offered);
    return offered;
}

static void completion_knows_what_may_stand_where(void **state)
{
    assert_string_equal(complete("sw"), "swarms ");
    assert_string_equal(complete("swarms "), "top show ");
    assert_string_equal(complete("swarms top --"), "--by --limit --json ");
    assert_string_equal(complete("swarms top --by "), "peers rate ");
    assert_string_equal(complete("swarms top --by rate --l"), "--limit ");
    assert_string_equal(complete("access mode "), "open allow deny --json ");
    assert_string_equal(complete("config set tracker.interval_m"), "tracker.interval_max ");
    assert_string_equal(complete("nothing "), "");
    assert_string_equal(complete("status x y z --j"), "--json ");
}

static void numbers_are_short(void **state)
{
    char text[TEXT_SIZE];

    assert_string_equal(text_count(text, 0), "0");
    assert_string_equal(text_count(text, 37), "37");
    assert_string_equal(text_count(text, 999.4), "999");
    assert_string_equal(text_count(text, 999.7), "1.00 k");
    assert_string_equal(text_count(text, 1234), "1.23 k");
    assert_string_equal(text_count(text, 9016000), "9.02 M");
    assert_string_equal(text_count(text, 999960), "1.00 M");
    assert_string_equal(text_bytes(text, 64 << 20), "64 MiB");
    assert_string_equal(text_bytes(text, 0), "0 B");
    assert_string_equal(text_exact(text, 1234567), "1,234,567");
    assert_string_equal(text_exact(text, -123456), "-123,456");
    assert_string_equal(text_exact(text, 12), "12");
    assert_string_equal(text_time(text, 0), "-");
    assert_string_equal(text_time(text, 3.94e-6), "3.94 us");
    assert_string_equal(text_time(text, 0.0876), "87.6 ms");
    assert_string_equal(text_span(text, 45), "45 s");
    assert_string_equal(text_span(text, 1800), "30 min");
    assert_string_equal(text_span(text, 3 * 86400 + 4 * 3600), "3 d 4 h");
    assert_string_equal(text_percent(text, 0), "0 %");
    assert_string_equal(text_percent(text, 0.0001), "0.1 %");
    assert_string_equal(text_percent(text, 0.004), "0.4 %");
    assert_string_equal(text_percent(text, 0.76), "76 %");
}

static void bars_stay_within_their_width(void **state)
{
    static const double shares[] = {-1, 0, 0.5, 1, 7};
    static const char *const bars[] = {"[....]", "[....]", "[##..]", "[####]", "[####]"};
    char text[TEXT_SIZE];

    for (unsigned i = 0; i < 5; i++) {
        FILE *out = fmemopen(text, sizeof(text), "w");

        text_bar(out, shares[i], 4);
        fclose(out);
        assert_string_equal(text, bars[i]);
    }
}

static const char *shouted(const json_t *row, const char *member, char *text)
{
    snprintf(text, TABLE_CELL_SIZE, "%s!", json_text(row, member));
    return text;
}

static const struct table_column columns[] = {
    {"NAME", "name", table_text}, {">N", "n", table_exact}, {"TEXT", "text", shouted}, {0}};

/* The table of rows in JSON; static. */
static const char *table_of(const char *rows)
{
    static char text[256];
    json_t *json = json_loads(rows, 0, NULL);
    FILE *out = fmemopen(text, sizeof(text), "w");

    assert_non_null(json);
    table_print(columns, json, out);
    fclose(out);
    json_decref(json);
    return text;
}

static void table_columns_are_as_wide_as_their_widest_cell(void **state)
{
    assert_string_equal(table_of("[{\"name\": \"a\", \"n\": 1000, \"text\": \"one\"},"
                                 " {\"name\": \"longer\", \"n\": 7, \"text\": \"two\"}]"),
                        "NAME        N  TEXT\n"
                        "a       1,000  one!\n"
                        "longer      7  two!\n");
}

static void what_a_row_does_not_have_stays_empty(void **state)
{
    assert_string_equal(table_of("[{\"n\": null}]"), "NAME  N  TEXT\n"
                                                     "      0  !\n");
    assert_string_equal(table_of("[]"), "NAME  N  TEXT\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_become_parameters),
        cmocka_unit_test(paths_are_made_absolute),
        cmocka_unit_test(wrong_words_are_explained),
        cmocka_unit_test(lines_are_split_as_a_shell_does),
        cmocka_unit_test(completion_knows_what_may_stand_where),
        cmocka_unit_test(numbers_are_short),
        cmocka_unit_test(bars_stay_within_their_width),
        cmocka_unit_test(table_columns_are_as_wide_as_their_widest_cell),
        cmocka_unit_test(what_a_row_does_not_have_stays_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "table.h"

#include <assert.h>
#include <string.h>

#include "text.h"

enum { COLUMNS_MAX = 16 };

#define GAP "  "

_Static_assert((int)TABLE_CELL_SIZE >= (int)TEXT_SIZE, "a cell has room for any text");

/* Cells ------------------------------------------------------------------------------------- */

const char *table_text(const json_t *row, const char *member, char *text)
{
    return json_text(row, member);
}

const char *table_whole(const json_t *row, const char *member, char *text)
{
    snprintf(text, TABLE_CELL_SIZE, "%lld", (long long)json_whole(row, member));
    return text;
}

const char *table_tenths(const json_t *row, const char *member, char *text)
{
    snprintf(text, TABLE_CELL_SIZE, "%.1f", json_number(row, member));
    return text;
}

const char *table_count(const json_t *row, const char *member, char *text)
{
    return text_count(text, json_number(row, member));
}

const char *table_exact(const json_t *row, const char *member, char *text)
{
    return text_exact(text, json_whole(row, member));
}

const char *table_bytes(const json_t *row, const char *member, char *text)
{
    return text_bytes(text, json_number(row, member));
}

const char *table_bits(const json_t *row, const char *member, char *text)
{
    return text_bits(text, json_number(row, member));
}

const char *table_time(const json_t *row, const char *member, char *text)
{
    return text_time(text, json_number(row, member));
}

const char *table_percent(const json_t *row, const char *member, char *text)
{
    return text_percent(text, json_number(row, member));
}

/* Printing ---------------------------------------------------------------------------------- */

static bool is_right(const struct table_column *column)
{
    return column->title[0] == '>';
}

/* Without a row: the title. */
static const char *words(const struct table_column *column, const json_t *row, char *text)
{
    return row ? column->cell(row, column->member, text) : column->title + is_right(column);
}

static void measure(const struct table_column *columns, const json_t *row, int *widths)
{
    char text[TABLE_CELL_SIZE];

    for (unsigned i = 0; columns[i].title; i++) {
        int width = (int)strlen(words(&columns[i], row, text));

        assert(i < COLUMNS_MAX);
        if (width > widths[i])
            widths[i] = width;
    }
}

static void print_row(const struct table_column *columns, const json_t *row, const int *widths,
                      FILE *out)
{
    char text[TABLE_CELL_SIZE];

    for (unsigned i = 0; columns[i].title; i++) {
        const char *cell = words(&columns[i], row, text);
        bool last = !columns[i + 1].title;

        if (is_right(&columns[i]))
            fprintf(out, "%*s", widths[i], cell);
        else
            fprintf(out, "%-*s", last ? 0 : widths[i], cell);
        if (!last)
            fputs(GAP, out);
    }
}

void table_print(const struct table_column *columns, const json_t *rows, FILE *out)
{
    int widths[COLUMNS_MAX] = {0};
    const json_t *row;
    size_t i;

    measure(columns, NULL, widths);
    json_array_foreach(rows, i, row) measure(columns, row, widths);
    fputs(text_style(TEXT_DIM), out);
    print_row(columns, NULL, widths, out);
    fprintf(out, "%s\n", text_style(TEXT_PLAIN));
    json_array_foreach(rows, i, row)
    {
        print_row(columns, row, widths, out);
        fputc('\n', out);
    }
}

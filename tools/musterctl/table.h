/* SPDX-License-Identifier: BSD-3-Clause */
/* Tables for people: each row is an object of a JSON array, each column shows something of it. */
#pragma once

#include <jansson.h>
#include <stdio.h>

enum { TABLE_CELL_SIZE = 160 };

/*
 * Words for what a column shows of a row, mostly its member `member`: a text of the row itself, or
 * one that is made in `text`, TABLE_CELL_SIZE bytes.
 */
typedef const char *table_cell(const json_t *row, const char *member, char *text);

struct table_column {
    const char *title; /* aligned to the right when it begins with '>' */
    const char *member;
    table_cell *cell;
};

/* A member as text.h writes it. */
table_cell table_text, table_whole, table_count, table_exact, table_bytes, table_bits, table_time,
    table_percent;

/* A member with one decimal. */
table_cell table_tenths;

/* A header and a line a row. An empty column ends the columns; each is as wide as its widest cell.
 */
void table_print(const struct table_column *columns, const json_t *rows, FILE *out);

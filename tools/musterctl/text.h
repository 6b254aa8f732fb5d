/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers for people, and what a JSON object holds. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* Room for any text below. */
enum { TEXT_SIZE = 32 };

/* Each writes into `text`, TEXT_SIZE bytes, and returns it. */
char *text_count(char *text, double number);     /* "37", "412 k", "9.02 M" */
char *text_exact(char *text, json_int_t number); /* "1,234,567" */
char *text_bytes(char *text, double bytes);      /* "61.0 MiB" */
char *text_bits(char *text, double bytes);       /* "7.2 Gbit" */
char *text_time(char *text, double seconds);     /* "3.9 us", "88 ms" */
char *text_span(char *text, json_int_t seconds); /* "45 s", "30 min", "3 d 4 h" */
char *text_percent(char *text, double share);    /* "69 %", "0.4 %" */

/* A bar of `width` columns, `share` of it filled. */
void text_bar(FILE *out, double share, unsigned width);

/* Colours, when the terminal wants them. */
enum text_style { TEXT_PLAIN, TEXT_BOLD, TEXT_DIM, TEXT_GOOD, TEXT_WARN, TEXT_BAD };
void text_use_colors(bool use);
const char *text_style(enum text_style style); /* TEXT_PLAIN ends any other */

/* A member of a JSON object, whatever it is: numbers are 0, strings "" when it isn't there. */
double json_number(const json_t *object, const char *name);
json_int_t json_whole(const json_t *object, const char *name);
const char *json_text(const json_t *object, const char *name);
bool json_flag(const json_t *object, const char *name);

/* How full a table of the appliance is: its members `name`, name_limit and name_fill, in words. */
struct text_fill {
    double share;
    char now[TEXT_SIZE], limit[TEXT_SIZE], percent[TEXT_SIZE];
};
struct text_fill text_fill(const json_t *tables, const char *name);

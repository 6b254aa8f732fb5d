/* SPDX-License-Identifier: BSD-3-Clause */
/* Says what is wrong with a configuration, and where. */
#pragma once

#include <stdio.h>

#include "config_schema.h"

enum {
    CONFIG_REPORT_KEYS = 128,
    CONFIG_REPORT_ITEMS = 65, /* of a list, and the key itself */
};

struct config_report {
    const char *file; /* NULL: not from a file */
    FILE *out;
    unsigned errors;
    /* Where each key stands in the file, and each item of a list, from 1; 0: it doesn't. */
    unsigned lines[CONFIG_REPORT_KEYS][CONFIG_REPORT_ITEMS];
};

/* Remembers the line of a key (item 0) or of an item of it (from 1). */
void config_report_place(struct config_report *report, const struct config_key *key, unsigned item,
                         unsigned line);

/* The line of a key or its item, or 0. */
unsigned config_report_line(const struct config_report *report, const char *name, unsigned item);

/* Begins a message, `file:line: key: `, and counts it; the caller ends it with a newline. */
void config_complain_at(struct config_report *report, unsigned line, const char *name);

/* A whole message about a key. */
void config_complain(struct config_report *report, const char *name, unsigned item,
                     const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Writes what was found, cut to a readable length. */
void config_report_found(struct config_report *report, const char *text);

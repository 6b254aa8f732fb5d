/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads YAML as the table of keys says.
 *
 * On libyaml, the parser below libcyaml: libcyaml wants a schema of its own beside our table, knows
 * neither units nor ranges across keys, and tells lines for few of its errors. With the parser's
 * own marks one table and one pass do, and each error has its line.
 */
#pragma once

#include "config.h"
#include "config_report.h"

enum { CONFIG_FILE_MAX = 256 << 10 }; /* bytes; hundreds of times what a real file has */

/* Reads a whole document over `config`; errors are counted in `report`. */
void config_read_document(const char *text, size_t size, struct config *config,
                          struct config_report *report);

/* Reads one key's value, as it would stand in the file. */
void config_read_value(const struct config_key *key, const char *text, struct config *config,
                       struct config_report *report);

/* SPDX-License-Identifier: BSD-3-Clause */
/* One value of the configuration: from text, to text. */
#pragma once

#include <stdio.h>

#include "config_schema.h"

/* Reads one item as `key` says into `value`; false when it isn't one, or out of range. */
bool config_value_read(const struct config_key *key, const char *text, void *value);

/* Makes the path in `value` absolute, from `folder` on; false when it gets too long. */
bool config_value_resolve(const struct config_key *key, const char *folder, char *value);

/* Says what would have been right: "a duration from 1s to 2h". */
void config_value_expected(const struct config_key *key, FILE *out);

/* Writes one item as config_value_read() takes it, quoted where YAML needs it. */
void config_value_print(const struct config_key *key, const void *value, FILE *out);

/* Writes text in double quotes, harmless to YAML and to a terminal. */
void config_quote(const char *text, FILE *out);

/* Numbers are stored in fields of 1, 2, 4 or 8 bytes. */
uint64_t config_number_get(const struct config_key *key, const void *value);
void config_number_set(const struct config_key *key, void *value, uint64_t number);

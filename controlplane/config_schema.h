/* SPDX-License-Identifier: BSD-3-Clause */
/* What each configuration key is. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * How a value is written. A number may carry a unit: durations s, m, h, d (a bare number is
 * seconds), sizes KiB, MiB, GiB (bare: bytes), counts k, M, G (thousands, millions, thousand
 * millions).
 */
enum config_type {
    CONFIG_BOOL,     /* bool: true, false (yes, no, on, off) */
    CONFIG_COUNT,    /* unsigned of any width */
    CONFIG_DURATION, /* unsigned of any width, in seconds */
    CONFIG_SIZE,     /* unsigned of any width, in bytes */
    CONFIG_CHOICE,   /* enum: one of `choices`, numbered from 0 */
    CONFIG_STRING,   /* char array */
    CONFIG_PATH,     /* char array; a relative path is taken from the folder of the file */
    CONFIG_ADDRESS,  /* struct dataplane_address: 192.0.2.1:6969, [2001:db8::1]:6969; `off` if
                        optional */
    CONFIG_RECORD,   /* a mapping, itself described by `fields` */
};

struct config_key {
    const char *name; /* with its section: "tracker.interval"; of a record's field: "queues" */
    enum config_type type;
    size_t offset, size; /* where the value (of a list: its first item) lies, and how big it is */

    uint64_t min, max;          /* of numbers */
    const char *const *choices; /* of CONFIG_CHOICE, NULL-terminated */
    bool optional;              /* an empty string or list, or `off` for an address, is a value */

    unsigned list_max;   /* items that fit; 0: not a list */
    size_t count_offset; /* of a list: where the number of items (unsigned) lies */

    /* Of CONFIG_RECORD, ended by a NULL name; the first tells the kind. */
    const struct config_key *fields;
    unsigned kinds; /* of a field: bit k set: belongs to kind k; 0: to all */
    bool required;  /* of a field: must be given, by the kinds it belongs to */

    const char *initial; /* the default, as written in the file; NULL: the key must be given */
    const char *example; /* shown in configs/muster.yaml where it differs from the default */
    const char *restart; /* why it can't change while running; NULL: it can */
    const char *help;    /* what an operator needs to know; sentences */
};

struct config_section {
    const char *name;
    const char *help;
};

/* Both ended by a NULL name; a section's keys are consecutive, in the documentation's order. */
extern const struct config_key config_keys[];
extern const struct config_section config_sections[];

/* The key of that name, or NULL. */
const struct config_key *config_key_find(const char *name);

/* Characters of the section's name in a key's; 0 at the top level. */
size_t config_section_length(const struct config_key *key);

/* Whether records of that kind have this field. */
bool config_field_applies(const struct config_key *field, unsigned kind);

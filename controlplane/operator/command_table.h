/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every command of the control socket, declared once: the server's dispatch, musterctl's parser,
 * its help, completion and man page, and docs/control.md all come from this table.
 *
 * To add a command: a name in COMMANDS, a row in command_table.c, command_<name>() in commands/,
 * and render_<name>() in tools/musterctl/.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* X(name): in the order in which help and manual show them. */
#define COMMANDS(X)                                                                                \
    X(status)                                                                                      \
    X(stats)                                                                                       \
    X(drops)                                                                                       \
    X(workers)                                                                                     \
    X(ports)                                                                                       \
    X(top)                                                                                         \
    X(swarms_top)                                                                                  \
    X(swarms_show)                                                                                 \
    X(clients)                                                                                     \
    X(config_show)                                                                                 \
    X(config_check)                                                                                \
    X(config_diff)                                                                                 \
    X(config_reload)                                                                               \
    X(config_set)                                                                                  \
    X(access_show)                                                                                 \
    X(access_mode)                                                                                 \
    X(access_add)                                                                                  \
    X(access_del)                                                                                  \
    X(access_load)                                                                                 \
    X(ban_add)                                                                                     \
    X(ban_del)                                                                                     \
    X(ban_list)                                                                                    \
    X(drain)                                                                                       \
    X(undrain)                                                                                     \
    X(store)                                                                                       \
    X(fleet)                                                                                       \
    X(snapshot)                                                                                    \
    X(log)                                                                                         \
    X(shutdown)

enum command_id {
#define COMMAND_ID(name) COMMAND_##name,
    COMMANDS(COMMAND_ID)
#undef COMMAND_ID
        COMMANDS_COUNT,
};

enum { COMMAND_ARGUMENTS_MAX = 4 };

enum argument_kind {
    ARGUMENT_NONE = 0, /* ends the list */
    ARGUMENT_TEXT,
    ARGUMENT_NUMBER, /* minimum..maximum */
    ARGUMENT_FLAG,   /* an option without a value; true in JSON */
    ARGUMENT_CHOICE, /* one of `choices` */
    ARGUMENT_HASH,   /* an info-hash, 40 hexadecimal digits */
    ARGUMENT_FILE,   /* a path, made absolute by musterctl; the daemon reads it */
    ARGUMENT_KEY,    /* a key of the configuration */
};

struct argument {
    const char *name; /* of the JSON-RPC parameter, and of the option */
    enum argument_kind kind;
    bool option; /* "--name VALUE"; else by its place */
    bool required;
    long minimum, maximum;
    const char *choices; /* "this|that" */
    const char *initial; /* the default, as help shows it */
    const char *help;
};

struct command {
    const char *noun;
    const char *verb;    /* NULL: the noun is all of it */
    const char *method;  /* of JSON-RPC */
    const char *summary; /* one line, no full stop */
    const char *details; /* a paragraph for the manual; NULL none */
    const char *result;  /* what the reply holds */
    struct argument arguments[COMMAND_ARGUMENTS_MAX + 1];
};

extern const struct command command_table[COMMANDS_COUNT];

/* The n-th argument of a command, NULL after the last. */
const struct argument *command_argument(const struct command *command, unsigned n);

/* By JSON-RPC method, or by the words that are typed (verb "" or NULL: none). NULL when unknown. */
const struct command *command_by_method(const struct command *table, unsigned count,
                                        const char *method);
const struct command *command_by_words(const struct command *table, unsigned count,
                                       const char *noun, const char *verb);

/* "swarms top [--by peers|rate] [--limit N]" */
void command_usage(const struct command *command, char *usage, size_t size);

/*
 * Checks parameters against the table, and turns positional ones (an array) into named ones. A new
 * object, or NULL with what is wrong in `error`.
 */
json_t *command_check_params(const struct command *command, const json_t *params, char *error,
                             size_t error_size);

/* The same for one parameter; true when it fits. */
bool argument_check(const struct argument *argument, const json_t *value, char *error,
                    size_t error_size);

/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <string.h>

#include "command_table.h"

enum { INFO_HASH_DIGITS = 40 };

const struct argument *command_argument(const struct command *command, unsigned n)
{
    for (unsigned i = 0; i <= n; i++) {
        if (command->arguments[i].kind == ARGUMENT_NONE)
            return NULL;
    }
    return &command->arguments[n];
}

const struct command *command_by_method(const struct command *table, unsigned count,
                                        const char *method)
{
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(table[i].method, method) == 0)
            return &table[i];
    }
    return NULL;
}

const struct command *command_by_words(const struct command *table, unsigned count,
                                       const char *noun, const char *verb)
{
    for (unsigned i = 0; i < count; i++) {
        const char *wanted = table[i].verb;

        if (strcmp(table[i].noun, noun) != 0)
            continue;
        if (!wanted || (verb && strcmp(wanted, verb) == 0))
            return &table[i];
    }
    return NULL;
}

static void print_argument(const struct argument *argument, FILE *out)
{
    char upper[32];
    size_t length = 0;

    for (; argument->name[length] != '\0' && length + 1 < sizeof(upper); length++)
        upper[length] = (char)(argument->name[length] & ~0x20);
    upper[length] = '\0';

    fputs(argument->required ? " " : " [", out);
    if (argument->option)
        fprintf(out, argument->kind == ARGUMENT_FLAG ? "--%s" : "--%s ", argument->name);
    if (argument->kind == ARGUMENT_CHOICE)
        fputs(argument->choices, out);
    else if (argument->kind != ARGUMENT_FLAG)
        fputs(argument->option && argument->kind == ARGUMENT_NUMBER ? "N" : upper, out);
    if (!argument->required)
        fputc(']', out);
}

void command_usage(const struct command *command, char *usage, size_t size)
{
    FILE *out = fmemopen(usage, size, "w");

    usage[0] = '\0';
    if (!out)
        return;
    fputs(command->noun, out);
    if (command->verb)
        fprintf(out, " %s", command->verb);
    for (const struct argument *argument = command->arguments; argument->kind != ARGUMENT_NONE;
         argument++)
        print_argument(argument, out);
    fclose(out);
    usage[size - 1] = '\0';
}

static bool is_choice(const char *choices, const char *text)
{
    size_t length = strlen(text);

    while (length > 0 && !strchr(text, '|')) {
        if (strncmp(choices, text, length) == 0 &&
            (choices[length] == '|' || choices[length] == '\0'))
            return true;
        choices = strchr(choices, '|');
        if (!choices)
            break;
        choices++;
    }
    return false;
}

static bool check_text(const struct argument *argument, const json_t *value, char *error,
                       size_t error_size)
{
    const char *text = json_string_value(value);

    if (!text) {
        snprintf(error, error_size, "%s must be a string", argument->name);
    } else if (strlen(text) != json_string_length(value) || text[0] == '\0') {
        snprintf(error, error_size, "%s is empty or holds a zero byte", argument->name);
    } else if (argument->kind == ARGUMENT_CHOICE && !is_choice(argument->choices, text)) {
        snprintf(error, error_size, "%s must be one of %s", argument->name, argument->choices);
    } else if (argument->kind == ARGUMENT_HASH &&
               (strlen(text) != INFO_HASH_DIGITS ||
                strspn(text, "0123456789abcdefABCDEF") != INFO_HASH_DIGITS)) {
        snprintf(error, error_size, "%s must be 40 hexadecimal digits", argument->name);
    } else {
        return true;
    }
    return false;
}

bool argument_check(const struct argument *argument, const json_t *value, char *error,
                    size_t error_size)
{
    json_int_t number = json_integer_value(value);

    switch (argument->kind) {
    case ARGUMENT_FLAG:
        if (json_is_boolean(value))
            return true;
        snprintf(error, error_size, "%s must be true or false", argument->name);
        return false;
    case ARGUMENT_NUMBER:
        if (json_is_integer(value) && number >= argument->minimum && number <= argument->maximum)
            return true;
        snprintf(error, error_size, "%s must be a whole number from %ld to %ld", argument->name,
                 argument->minimum, argument->maximum);
        return false;
    default:
        return check_text(argument, value, error, error_size);
    }
}

/* Positional parameters become named ones. */
static json_t *name_params(const struct command *command, const json_t *params, char *error,
                           size_t error_size)
{
    json_t *named = json_object();

    for (unsigned i = 0; i < json_array_size(params); i++) {
        const struct argument *argument = command_argument(command, i);

        if (!argument) {
            snprintf(error, error_size, "too many parameters");
            json_decref(named);
            return NULL;
        }
        json_object_set(named, argument->name, json_array_get(params, i));
    }
    return named;
}

static const struct argument *find_argument(const struct command *command, const char *name)
{
    const struct argument *argument;

    for (unsigned i = 0; (argument = command_argument(command, i)) != NULL; i++) {
        if (strcmp(argument->name, name) == 0)
            return argument;
    }
    return NULL;
}

static bool check_all(const struct command *command, json_t *params, char *error, size_t error_size)
{
    const struct argument *argument;
    const char *name;
    json_t *value;

    json_object_foreach(params, name, value)
    {
        argument = find_argument(command, name);
        if (!argument) {
            snprintf(error, error_size, "unknown parameter \"%.32s\"", name);
            return false;
        }
        if (!argument_check(argument, value, error, error_size))
            return false;
    }
    for (unsigned i = 0; (argument = command_argument(command, i)) != NULL; i++) {
        if (argument->required && !json_object_get(params, argument->name)) {
            snprintf(error, error_size, "%s is missing", argument->name);
            return false;
        }
    }
    return true;
}

json_t *command_check_params(const struct command *command, const json_t *params, char *error,
                             size_t error_size)
{
    json_t *named;

    if (!params)
        named = json_object();
    else if (json_is_array(params))
        named = name_params(command, params, error, error_size);
    else
        named = json_copy((json_t *)params);
    if (named && !check_all(command, named, error, error_size)) {
        json_decref(named);
        return NULL;
    }
    return named;
}

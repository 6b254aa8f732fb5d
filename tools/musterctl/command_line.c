/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command_line.h"
#include "controlplane/config_schema.h"
#include "controlplane/spelling.h"

/* Words to parameters ---------------------------------------------------------------------- */

/* A file is read by the daemon, which stands in another folder. */
static json_t *absolute_path(const char *path)
{
    char folder[PATH_MAX];

    if (path[0] == '/' || !getcwd(folder, sizeof(folder)))
        return json_string(path);
    return json_sprintf("%s/%s", folder, path);
}

static json_t *to_json(const struct argument *argument, const char *word)
{
    long number;
    char *end;

    switch (argument->kind) {
    case ARGUMENT_NUMBER:
        errno = 0;
        number = strtol(word, &end, 10);
        if (errno == 0 && end != word && *end == '\0')
            return json_integer(number);
        return json_string(word); /* refused by the check, with what a number must be */
    case ARGUMENT_FILE:
        return absolute_path(word);
    default:
        return json_string(word);
    }
}

static const struct argument *find_option(const struct command *command, const char *word,
                                          size_t length)
{
    const struct argument *argument;

    for (unsigned n = 0; (argument = command_argument(command, n)) != NULL; n++) {
        if (argument->option && strlen(argument->name) == length &&
            strncmp(argument->name, word, length) == 0)
            return argument;
    }
    return NULL;
}

/* The n-th of those that go by their place. */
static const struct argument *find_positional(const struct command *command, unsigned n)
{
    const struct argument *argument;

    for (unsigned i = 0; (argument = command_argument(command, i)) != NULL; i++) {
        if (!argument->option && n-- == 0)
            return argument;
    }
    return NULL;
}

struct parser {
    const struct command *command;
    char *const *words;
    unsigned count, next;
    unsigned positionals;
    json_t *params;
    char *error;
    size_t error_size;
};

static bool set_param(struct parser *parser, const struct argument *argument, json_t *value)
{
    bool fits = argument_check(argument, value, parser->error, parser->error_size);

    json_object_set_new(parser->params, argument->name, value);
    return fits;
}

/* `word` is what follows "--". */
static bool parse_option(struct parser *parser, const char *word)
{
    size_t length = strcspn(word, "=");
    const struct argument *argument = find_option(parser->command, word, length);

    if (!argument) {
        snprintf(parser->error, parser->error_size, "there is no option --%.*s", (int)length, word);
        return false;
    }
    if (argument->kind == ARGUMENT_FLAG) {
        if (word[length] == '\0')
            return set_param(parser, argument, json_true());
        snprintf(parser->error, parser->error_size, "--%s takes no value", argument->name);
        return false;
    }
    if (word[length] == '=')
        return set_param(parser, argument, to_json(argument, word + length + 1));
    if (parser->next == parser->count) {
        snprintf(parser->error, parser->error_size, "--%s needs a value", argument->name);
        return false;
    }
    return set_param(parser, argument, to_json(argument, parser->words[parser->next++]));
}

static bool parse_positional(struct parser *parser, const char *word)
{
    const struct argument *argument = find_positional(parser->command, parser->positionals++);

    if (argument)
        return set_param(parser, argument, to_json(argument, word));
    snprintf(parser->error, parser->error_size, "\"%s\" is one word too many", word);
    return false;
}

static bool check_required(struct parser *parser)
{
    const struct argument *argument;

    for (unsigned n = 0; (argument = command_argument(parser->command, n)) != NULL; n++) {
        if (argument->required && !json_object_get(parser->params, argument->name)) {
            snprintf(parser->error, parser->error_size, "%s is missing: %s", argument->name,
                     argument->help);
            return false;
        }
    }
    return true;
}

static bool parse_arguments(struct parser *parser, bool *json)
{
    bool options = true;

    while (parser->next < parser->count) {
        const char *word = parser->words[parser->next++];
        bool is_option = options && strncmp(word, "--", 2) == 0;

        if (is_option && word[2] == '\0')
            options = false;
        else if (is_option && strcmp(word, "--json") == 0)
            *json = true;
        else if (!(is_option ? parse_option(parser, word + 2) : parse_positional(parser, word)))
            return false;
    }
    return check_required(parser);
}

/* Which command ----------------------------------------------------------------------------- */

static void explain_unknown(const char *noun, char *error, size_t size)
{
    FILE *out = fmemopen(error, size, "w");
    struct spelling spelling = {.word = noun};
    bool known = false;

    for (unsigned i = 0; i < COMMANDS_COUNT && out; i++) {
        const struct command *command = &command_table[i];

        spelling_try(&spelling, command->noun);
        if (strcmp(command->noun, noun) != 0 || !command->verb)
            continue;
        fprintf(out, known ? ", %s" : "%s: which one? %s", known ? command->verb : noun,
                command->verb);
        known = true;
    }
    if (out && !known && spelling.best)
        fprintf(out, "there is no command \"%s\": did you mean %s?", noun, spelling.best);
    else if (out && !known)
        fprintf(out, "there is no command \"%s\": try help", noun);
    if (out)
        fclose(out);
    error[size - 1] = '\0';
}

bool command_line_parse(char *const words[], unsigned count, struct command_line *line, char *error,
                        size_t error_size)
{
    const char *verb = count > 1 && words[1][0] != '-' ? words[1] : NULL;
    struct parser parser = {
        .words = words, .count = count, .error = error, .error_size = error_size};
    char problem[256], usage[256];

    *line = (struct command_line){0};
    line->command = command_by_words(command_table, COMMANDS_COUNT, words[0], verb);
    if (!line->command) {
        explain_unknown(words[0], error, error_size);
        return false;
    }
    parser.command = line->command;
    parser.next = line->command->verb ? 2 : 1;
    parser.params = line->params = json_object();
    if (parse_arguments(&parser, &line->json))
        return true;
    json_decref(line->params);
    snprintf(problem, sizeof(problem), "%s", error);
    command_usage(line->command, usage, sizeof(usage));
    snprintf(error, error_size, "%s\nusage: %s", problem, usage);
    return false;
}

/* Copies a word to `to` without its quotes; returns what follows it, NULL if a quote is open. */
static char *unquote(char *from, char *to)
{
    char quote = '\0';

    for (; *from != '\0' && (quote != '\0' || !strchr(" \t\n", *from)); from++) {
        if (quote == '\0' && (*from == '"' || *from == '\''))
            quote = *from;
        else if (*from == quote)
            quote = '\0';
        else if (*from == '\\' && quote != '\'' && from[1] != '\0')
            *to++ = *++from;
        else
            *to++ = *from;
    }
    if (*from != '\0')
        from++;
    *to = '\0';
    return quote == '\0' ? from : NULL;
}

int command_line_split(char *line, char *words[], unsigned max)
{
    unsigned count = 0;

    for (;;) {
        line += strspn(line, " \t\n");
        if (*line == '\0')
            return (int)count;
        if (count == max)
            return -1;
        words[count++] = line;
        line = unquote(line, line);
        if (!line)
            return -1;
    }
}

/* Completion -------------------------------------------------------------------------------- */

struct offer {
    const char *prefix;
    void (*offer)(void *user, const char *candidate);
    void *user;
};

static void offer(const struct offer *to, const char *candidate)
{
    if (strncmp(candidate, to->prefix, strlen(to->prefix)) == 0)
        to->offer(to->user, candidate);
}

static void offer_nouns(const struct offer *to)
{
    for (unsigned i = 0; i < COMMANDS_COUNT; i++) {
        if (i == 0 || strcmp(command_table[i].noun, command_table[i - 1].noun) != 0)
            offer(to, command_table[i].noun);
    }
}

static void offer_verbs(const struct offer *to, const char *noun)
{
    for (unsigned i = 0; i < COMMANDS_COUNT; i++) {
        if (strcmp(command_table[i].noun, noun) == 0 && command_table[i].verb)
            offer(to, command_table[i].verb);
    }
}

static void offer_choices(const struct offer *to, const char *choices)
{
    char copy[128], *rest = copy, *choice;

    snprintf(copy, sizeof(copy), "%s", choices);
    while ((choice = strsep(&rest, "|")) != NULL)
        offer(to, choice);
}

static void offer_values(const struct offer *to, const struct argument *argument)
{
    if (argument->kind == ARGUMENT_CHOICE)
        offer_choices(to, argument->choices);
    for (const struct config_key *key = config_keys;
         argument->kind == ARGUMENT_KEY && key->name != NULL; key++)
        offer(to, key->name);
}

static void offer_arguments(const struct offer *to, const struct command *command,
                            char *const words[], unsigned count)
{
    const struct argument *argument;
    unsigned positionals = 0;
    char option[64];

    for (unsigned i = 0; i < count; i++) {
        argument = strncmp(words[i], "--", 2) == 0
                       ? find_option(command, words[i] + 2, strlen(words[i] + 2))
                       : NULL;
        if (argument && argument->kind != ARGUMENT_FLAG && i + 1 == count) {
            offer_values(to, argument);
            return;
        }
        if (argument && argument->kind != ARGUMENT_FLAG)
            i++;
        else if (strncmp(words[i], "--", 2) != 0)
            positionals++;
    }
    argument = find_positional(command, positionals);
    if (argument)
        offer_values(to, argument);
    for (unsigned n = 0; (argument = command_argument(command, n)) != NULL; n++) {
        snprintf(option, sizeof(option), "--%s", argument->name);
        if (argument->option)
            offer(to, option);
    }
    offer(to, "--json");
}

void command_line_complete(char *const words[], unsigned count, const char *prefix,
                           void (*candidate)(void *user, const char *candidate), void *user)
{
    const struct offer to = {.prefix = prefix, .offer = candidate, .user = user};
    const struct command *command;

    if (count == 0) {
        offer_nouns(&to);
        return;
    }
    command =
        command_by_words(command_table, COMMANDS_COUNT, words[0], count > 1 ? words[1] : NULL);
    if (command && (!command->verb || count > 1))
        offer_arguments(&to, command, words + (command->verb ? 2 : 1),
                        count - (command->verb ? 2 : 1));
    else if (count == 1)
        offer_verbs(&to, words[0]);
}

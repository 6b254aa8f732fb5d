/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "controlplane/operator/command_table.h"
#include "help.h"

enum { SUMMARY_COLUMN = 42, HELP_WIDTH = 96 };

static void print_summary(const char *what, const char *summary, FILE *out)
{
    if (strlen(what) + 2 < SUMMARY_COLUMN)
        fprintf(out, "  %-*s%s\n", SUMMARY_COLUMN - 2, what, summary);
    else
        fprintf(out, "  %s\n%*s%s\n", what, SUMMARY_COLUMN, "", summary);
}

void help_print(FILE *out)
{
    char usage[256];

    fputs("usage: musterctl [--socket PATH] [--json] [COMMAND]\n"
          "Talks to musterd. Without a command: interactive, with history and completion.\n\n",
          out);
    for (unsigned i = 0; i < COMMANDS_COUNT; i++) {
        command_usage(&command_table[i], usage, sizeof(usage));
        print_summary(usage, command_table[i].summary, out);
    }
    print_summary("help [COMMAND]", "what a command takes and tells", out);
    fputc('\n', out);
#define PRINT_OPTION(name, value, text)                                                            \
    print_summary(*value ? "--" name " " value : "--" name, text, out);
    MUSTERCTL_OPTIONS(PRINT_OPTION)
#undef PRINT_OPTION
    fputs("\nexit status:", out);
#define PRINT_EXIT(number, text) fprintf(out, "%s %d %s", number ? ";" : "", number, text);
    MUSTERCTL_EXITS(PRINT_EXIT)
#undef PRINT_EXIT
    fputc('\n', out);
}

/* A paragraph, two columns from the left, no line wider than HELP_WIDTH. */
static void print_wrapped(const char *text, FILE *out)
{
    unsigned column = 0;

    while (*text != '\0') {
        unsigned length = (unsigned)strcspn(text, " ");

        if (column > 0 && column + 1 + length > HELP_WIDTH) {
            fputc('\n', out);
            column = 0;
        }
        column += (unsigned)fprintf(out, "%s%.*s", column > 0 ? " " : "  ", (int)length, text);
        text += length + (text[length] == ' ');
    }
    fputc('\n', out);
}

static void print_argument(const struct argument *argument, FILE *out)
{
    fprintf(out, "  %s%-12s %s", argument->option ? "--" : "  ", argument->name, argument->help);
    if (argument->choices)
        fprintf(out, " (%s)", argument->choices);
    if (argument->initial)
        fprintf(out, "; default %s", argument->initial);
    fputc('\n', out);
}

static void print_command(const struct command *command, FILE *out)
{
    const struct argument *argument;
    char usage[256];

    command_usage(command, usage, sizeof(usage));
    fprintf(out, "%s\n  %s.\n", usage, command->summary);
    if (command->details)
        print_wrapped(command->details, out);
    for (unsigned n = 0; (argument = command_argument(command, n)) != NULL; n++)
        print_argument(argument, out);
    fputs("  --json gives:\n", out);
    print_wrapped(command->result, out);
}

bool help_print_command(const char *noun, const char *verb, FILE *out)
{
    bool found = false;

    for (unsigned i = 0; i < COMMANDS_COUNT; i++) {
        const struct command *command = &command_table[i];

        if (strcmp(command->noun, noun) != 0 ||
            (verb && command->verb && strcmp(command->verb, verb) != 0))
            continue;
        if (found)
            fputc('\n', out);
        print_command(command, out);
        found = true;
    }
    return found;
}

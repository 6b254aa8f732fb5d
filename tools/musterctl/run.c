/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command_line.h"
#include "render.h"
#include "run.h"
#include "text.h"
#include "top.h"

static void print_error(const json_t *error)
{
    const char *hint = json_text(json_object_get(error, "data"), "hint");

    fprintf(stderr, "%s%s%s\n", text_style(TEXT_BAD), json_text(error, "message"),
            text_style(TEXT_PLAIN));
    if (hint[0] != '\0')
        fprintf(stderr, "%s\n", hint);
}

/* Scripts get errors as JSON, too: on stdout, where they look for the result. */
static void print_json(const json_t *json)
{
    json_dumpf(json, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    putchar('\n');
}

/* `config check` succeeds in finding a file wrong; for a script that is a no. */
static enum musterctl_exit judge(enum musterctl_exit status, const json_t *result)
{
    return status == MUSTERCTL_OK && json_is_false(json_object_get(result, "valid"))
               ? MUSTERCTL_REFUSED
               : status;
}

static enum musterctl_exit run_command(struct session *session, struct command_line *line)
{
    bool json = session->json || line->json;
    enum musterctl_exit status;
    json_t *reply;

    if (line->command == &command_table[COMMAND_top] && !json && isatty(STDOUT_FILENO)) {
        status = top_run(session, line->params);
        json_decref(line->params);
        return status;
    }
    status = session_call(session, line->command->method, line->params, &reply);
    if (reply && json)
        print_json(reply);
    else if (status == MUSTERCTL_OK)
        renderers[line->command - command_table](reply, stdout);
    else if (reply)
        print_error(reply);
    status = judge(status, reply);
    json_decref(reply);
    return status;
}

static enum musterctl_exit run_help(char *const words[], unsigned count)
{
    if (count == 1) {
        help_print(stdout);
        return MUSTERCTL_OK;
    }
    if (help_print_command(words[1], count > 2 ? words[2] : NULL, stdout))
        return MUSTERCTL_OK;
    fprintf(stderr, "there is no command \"%s\"\n", words[1]);
    return MUSTERCTL_USAGE;
}

/* "swarms --help", "swarms top --help" */
static bool asks_for_help(char *const words[], unsigned count)
{
    return count > 1 &&
           (strcmp(words[count - 1], "--help") == 0 || strcmp(words[count - 1], "-h") == 0);
}

enum musterctl_exit run_words(struct session *session, char *const words[], unsigned count)
{
    struct command_line line;
    char error[600];

    if (strcmp(words[0], "help") == 0 || strcmp(words[0], "?") == 0)
        return run_help(words, count);
    if (asks_for_help(words, count) &&
        help_print_command(words[0], count > 2 ? words[1] : NULL, stdout))
        return MUSTERCTL_OK;
    if (command_line_parse(words, count, &line, error, sizeof(error)))
        return run_command(session, &line);
    fprintf(stderr, "%s\n", error);
    return MUSTERCTL_USAGE;
}

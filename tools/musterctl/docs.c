/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writes what is made from the tables of commands and metrics:
 *
 *   musterctl-docs control     docs/control.md: the control socket
 *   musterctl-docs metrics     docs/metrics.md
 *   musterctl-docs man         docs/musterctl.1
 *   musterctl-docs completion  completion for bash
 */
#include <stdio.h>
#include <string.h>

#include "controlplane/config_schema.h"
#include "controlplane/operator/command_table.h"
#include "controlplane/operator/json_rpc.h"
#include "controlplane/operator/metrics/metric_table.h"
#include "help.h"

static const char *kind_name(enum argument_kind kind)
{
    static const char *const names[] = {
        [ARGUMENT_TEXT] = "string",   [ARGUMENT_NUMBER] = "number", [ARGUMENT_FLAG] = "boolean",
        [ARGUMENT_CHOICE] = "string", [ARGUMENT_HASH] = "string",   [ARGUMENT_FILE] = "string",
        [ARGUMENT_KEY] = "string",
    };

    return names[kind];
}

static bool opens_noun(unsigned i)
{
    return i == 0 || strcmp(command_table[i].noun, command_table[i - 1].noun) != 0;
}

/* docs/control.md --------------------------------------------------------------------------- */

static const char control_head[] =
    "# The control socket\n"
    "\n"
    "<!-- Made from the table of commands by musterctl-docs. -->\n"
    "\n"
    "musterd listens on a Unix stream socket (`control.socket`, by default "
    "`/run/muster/control.sock`).\n"
    "Its file has mode 0660: root, the daemon's user and the members of its group "
    "(`control.group`)\n"
    "may do everything, others nothing. [`musterctl`](musterctl.1) is its client; this is for\n"
    "programs of your own.\n"
    "\n"
    "## Protocol\n"
    "\n"
    "[JSON-RPC 2.0](https://www.jsonrpc.org/specification), one request a line, one reply a line:\n"
    "\n"
    "```\n"
    "-> {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"config.set\","
    "\"params\":{\"key\":\"tracker.interval\",\"value\":\"30m\"}}\n"
    "<- {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"key\":\"tracker.interval\",\"value\":\"30m\","
    "\"before\":\"20m\"}}\n"
    "```\n"
    "\n"
    "Parameters go by name (an object) or by place (an array, in the order below). A line may hold "
    "a\n"
    "batch, an array of up to 64 requests. A request without `id` is carried out and not "
    "answered.\n"
    "\n"
    "- A request is at most 65536 bytes; a longer one is refused and the connection closed.\n"
    "- Requests of one connection are carried out one after the other, in order.\n"
    "- Up to 64 clients are served; one more takes the place of the one that was silent longest.\n"
    "- A request must arrive within 30 seconds of its first byte; a reply must be taken, at least "
    "a\n"
    "  byte in 10 seconds. An idle connection stays open.\n"
    "- Results may gain members in later versions; ignore those that you don't know.\n"
    "\n"
    "Numbers are counts, bytes or seconds; rates are a second, over the last whole second; shares "
    "lie\n"
    "between 0 and 1.\n"
    "\n"
    "## Errors\n"
    "\n"
    "```\n"
    "<- {\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32000,\"message\":\"workers.cores: "
    "needs a "
    "restart: ...\",\n"
    "    \"data\":{\"hint\":\"change it in the file, then restart the daemon\"}}}\n"
    "```\n"
    "\n"
    "| code | name | meaning |\n"
    "|---|---|---|\n";

static void print_params(const struct command *command, FILE *out)
{
    const struct argument *argument;

    if (!command_argument(command, 0))
        return;
    fputs("| parameter | type | | meaning |\n|---|---|---|---|\n", out);
    for (unsigned n = 0; (argument = command_argument(command, n)) != NULL; n++) {
        fprintf(out, "| `%s` | %s | %s | %s", argument->name, kind_name(argument->kind),
                argument->required ? "required" : "optional", argument->help);
        if (argument->kind == ARGUMENT_NUMBER)
            fprintf(out, "; %ld to %ld", argument->minimum, argument->maximum);
        if (argument->choices) {
            fputs("; ", out);
            for (const char *c = argument->choices; *c != '\0'; c++)
                fputs(*c == '|' ? ", " : (char[]){*c, '\0'}, out);
        }
        fprintf(out, argument->initial ? "; default %s |\n" : " |\n", argument->initial);
    }
    fputc('\n', out);
}

static void print_control(FILE *out)
{
    char usage[256];

    fputs(control_head, out);
#define PRINT_CODE(name, code, meaning) fprintf(out, "| %d | " #name " | %s |\n", code, meaning);
    JSON_RPC_CODES(PRINT_CODE)
#undef PRINT_CODE
    fputs("\n## Methods\n", out);
    for (unsigned i = 0; i < COMMANDS_COUNT; i++) {
        const struct command *command = &command_table[i];

        command_usage(command, usage, sizeof(usage));
        fprintf(out, "\n### `%s`\n\n%c%s. As a command: `musterctl %s`.\n", command->method,
                command->summary[0] & ~0x20, command->summary + 1, usage);
        if (command->details)
            fprintf(out, "%s\n", command->details);
        fputc('\n', out);
        print_params(command, out);
        fprintf(out, "Result: %s.\n", command->result);
    }
}

/* docs/metrics.md --------------------------------------------------------------------------- */

static const char metrics_head[] =
    "# Metrics\n"
    "\n"
    "<!-- Made from the table of metrics by musterctl-docs. -->\n"
    "\n"
    "Over HTTP at `metrics.address` (by default 127.0.0.1:9969), GET and HEAD only:\n"
    "\n"
    "| path | what |\n"
    "|---|---|\n"
    "| `/metrics` | what is below, in Prometheus' text format |\n"
    "| `/healthz` | 200 `ok`; 503 `draining`, or `failing: ` and why; for load balancers |\n"
    "| `/` | the live page |\n"
    "| `/live.json?history=N` | what the page draws, with N seconds of the past (at most 300) |\n"
    "\n"
    "`configs/prometheus/` has a scrape configuration and alert rules, `configs/grafana/` a "
    "dashboard.\n"
    "\n"
    "| metric | type | labels | meaning |\n"
    "|---|---|---|---|\n";

static void print_metrics(FILE *out)
{
    fputs(metrics_head, out);
    for (enum metric_id id = 0; id < METRICS_COUNT; id++) {
        const struct metric *metric = &metric_table[id];

        fprintf(out, "| `%s` | %s%s%s | %s | %s |\n", metric->name, metric_type_name(metric->type),
                metric->unit[0] != '\0' ? ", " : "", metric->unit, metric->labels, metric->help);
    }
}

/* docs/musterctl.1 -------------------------------------------------------------------------- */

/* Text for roff: no line of it may look like a request, and a hyphen is one that can be copied. */
static void print_roff(const char *text, FILE *out)
{
    for (; *text != '\0'; text++) {
        if (*text == '-' || *text == '\\')
            fputc('\\', out);
        if (*text != '`')
            fputc(*text, out);
    }
}

static void print_man_command(const struct command *command, FILE *out)
{
    const struct argument *argument;
    char usage[256];

    command_usage(command, usage, sizeof(usage));
    fputs(".TP\n.B ", out);
    print_roff(usage, out);
    fprintf(out, "\n%c", command->summary[0] & ~0x20);
    print_roff(command->summary + 1, out);
    fputs(".\n", out);
    if (command->details) {
        print_roff(command->details, out);
        fputc('\n', out);
    }
    for (unsigned n = 0; (argument = command_argument(command, n)) != NULL; n++) {
        fputs(n == 0 ? ".RS\n.TP\n.B " : ".TP\n.B ", out);
        print_roff(argument->option ? "--" : "", out);
        print_roff(argument->name, out);
        fputc('\n', out);
        print_roff(argument->help, out);
        if (argument->initial)
            fprintf(out, "; default %s", argument->initial);
        fputc('\n', out);
    }
    if (command_argument(command, 0))
        fputs(".RE\n", out);
}

static void print_man_options(FILE *out)
{
#define PRINT_OPTION(name, value, text)                                                            \
    fprintf(out, ".TP\n.BR \\-\\-%s%s\n", name, *(value) ? " \" \" " value : "");                  \
    print_roff(text, out);                                                                         \
    fputs(".\n", out);
    MUSTERCTL_OPTIONS(PRINT_OPTION)
#undef PRINT_OPTION
}

static void print_man(FILE *out)
{
    fputs(".\\\" SPDX-License-Identifier: BSD-3-Clause\n"
          ".\\\" Made from the table of commands by musterctl-docs.\n"
          ".TH MUSTERCTL 1 \"\" \"muster " MUSTER_VERSION "\" \"User commands\"\n"
          ".SH NAME\nmusterctl \\- look at a running musterd and tune it\n"
          ".SH SYNOPSIS\n.B musterctl\n[\\fB\\-\\-socket\\fR \\fIPATH\\fR] [\\fB\\-\\-json\\fR] "
          "[\\fICOMMAND\\fR]\n"
          ".SH DESCRIPTION\nTalks to\n.BR musterd (8)\nover its control socket. Prints tables for "
          "people, and JSON for scripts. Without a command it reads commands: from a terminal with "
          "history and completion, else one a line.\n"
          ".SH OPTIONS\n",
          out);
    print_man_options(out);
    fputs(".SH COMMANDS\n", out);
    for (unsigned i = 0; i < COMMANDS_COUNT; i++)
        print_man_command(&command_table[i], out);
    fputs(".TP\n.B help [COMMAND]\nWhat a command takes and tells.\n.SH EXIT STATUS\n", out);
#define PRINT_EXIT(number, text) fprintf(out, ".TP\n.B %d\n%s.\n", number, text);
    MUSTERCTL_EXITS(PRINT_EXIT)
#undef PRINT_EXIT
    fputs(".SH ENVIRONMENT\n.TP\n.B MUSTER_SOCKET\nThe control socket, unless \\-\\-socket says "
          "another.\n.TP\n.B NO_COLOR\nNo colours.\n"
          ".SH EXAMPLES\n.nf\nmusterctl swarms top \\-\\-by rate\n"
          "musterctl \\-\\-json stats | jq .rates.announces_ipv4\n"
          "musterctl config set tracker.interval 45m\n"
          "musterctl ban add 192.0.2.0/24 2h\n.fi\n"
          ".SH SEE ALSO\n.BR musterd (8),\n.BR muster.yaml (5)\n",
          out);
}

/* Completion for bash ----------------------------------------------------------------------- */

static void print_words(const char *choices, FILE *out)
{
    for (; *choices != '\0'; choices++)
        fputc(*choices == '|' ? ' ' : *choices, out);
}

static void print_keys(FILE *out)
{
    for (const struct config_key *key = config_keys; key->name; key++)
        fprintf(out, "%s%s", key == config_keys ? "" : " ", key->name);
}

/* `argument` can be completed: its words go into the variable `words`. */
static void print_argument_words(const struct argument *argument, FILE *out)
{
    if (argument->kind == ARGUMENT_CHOICE)
        print_words(argument->choices, out);
    else if (argument->kind == ARGUMENT_KEY)
        fputs("$keys", out);
}

static void print_case(const struct command *command, FILE *out)
{
    const struct argument *argument;
    unsigned positionals = 0;

    fprintf(out, "    '%s%s%s')\n", command->noun, command->verb ? " " : "",
            command->verb ? command->verb : "");
    for (unsigned n = 0; (argument = command_argument(command, n)) != NULL; n++) {
        if (argument->option && argument->kind == ARGUMENT_CHOICE) {
            fprintf(out, "        [[ $previous == --%s ]] && words='", argument->name);
            print_words(argument->choices, out);
            fputs("' && return\n", out);
        }
        if (!argument->option) {
            fprintf(out, "        (( place == %u )) && ", positionals++);
            if (argument->kind == ARGUMENT_FILE) {
                fputs("files=1\n", out);
            } else {
                fputs("words=\"", out);
                print_argument_words(argument, out);
                fputs("\"\n", out);
            }
        }
    }
    fputs("        words+=' --json", out);
    for (unsigned n = 0; (argument = command_argument(command, n)) != NULL; n++) {
        if (argument->option)
            fprintf(out, " --%s", argument->name);
    }
    fputs("' ;;\n", out);
}

static void print_noun_cases(FILE *out)
{
    for (unsigned i = 0; i < COMMANDS_COUNT; i++) {
        if (!command_table[i].verb)
            continue;
        if (opens_noun(i))
            fprintf(out, "    %s) words='", command_table[i].noun);
        fprintf(out, "%s%s", opens_noun(i) ? "" : " ", command_table[i].verb);
        if (i + 1 == COMMANDS_COUNT || opens_noun(i + 1))
            fputs("' ;;\n", out);
    }
}

static const char completion_begin[] =
    "    esac\n}\n\n_musterctl() {\n"
    "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}\n"
    "    local words= files= command= place=0 first=1 verbs\n"
    "    while [[ ${COMP_WORDS[first]} == --* && first -lt COMP_CWORD ]]; do\n"
    "        [[ ${COMP_WORDS[first]} == --socket ]] && (( first++ ))\n"
    "        (( first++ ))\n"
    "    done\n"
    "    if (( COMP_CWORD <= first )); then\n"
    "        words='";

static const char completion_end[] =
    "help'\n"
    "        [[ $previous == --socket ]] && words= files=1\n"
    "    else\n"
    "        _musterctl_verbs \"${COMP_WORDS[first]}\"\n"
    "        verbs=$words\n"
    "        if [[ -z $verbs || COMP_CWORD -gt first+1 ]]; then\n"
    "            words=\n"
    "            command=${COMP_WORDS[first]}${verbs:+ ${COMP_WORDS[first+1]}}\n"
    "            place=$(( COMP_CWORD - first - 1 - ${verbs:+1}+0 ))\n"
    "            _musterctl_arguments\n"
    "        fi\n"
    "    fi\n"
    "    COMPREPLY=( $(compgen -W \"$words\" -- \"$current\") )\n"
    "    [[ -n $files ]] && COMPREPLY+=( $(compgen -f -- \"$current\") )\n"
    "}\n"
    "complete -F _musterctl musterctl\n";

static void print_completion(FILE *out)
{
    fputs("# SPDX-License-Identifier: BSD-3-Clause\n"
          "# Made from the table of commands by musterctl-docs.\n\n"
          "# Sets `words` to what an argument may be; `command` is the words of the command.\n"
          "_musterctl_arguments() {\n    local keys='",
          out);
    print_keys(out);
    fputs("'\n    case $command in\n", out);
    for (unsigned i = 0; i < COMMANDS_COUNT; i++)
        print_case(&command_table[i], out);
    fputs("    esac\n}\n\n_musterctl_verbs() {\n    case $1 in\n", out);
    print_noun_cases(out);
    fputs(completion_begin, out);
#define PRINT_OPTION(name, value, text) fputs("--" name " ", out);
    MUSTERCTL_OPTIONS(PRINT_OPTION)
#undef PRINT_OPTION
    for (unsigned i = 0; i < COMMANDS_COUNT; i++) {
        if (opens_noun(i))
            fprintf(out, "%s ", command_table[i].noun);
    }
    fputs(completion_end, out);
}

int main(int argc, char *argv[])
{
    static const struct {
        const char *name;
        void (*print)(FILE *out);
    } documents[] = {
        {"control", print_control},
        {"metrics", print_metrics},
        {"man", print_man},
        {"completion", print_completion},
    };

    for (size_t i = 0; argc == 2 && i < sizeof(documents) / sizeof(documents[0]); i++) {
        if (strcmp(argv[1], documents[i].name) == 0) {
            documents[i].print(stdout);
            return 0;
        }
    }
    fputs("usage: musterctl-docs control|metrics|man|completion\n", stderr);
    return 2;
}

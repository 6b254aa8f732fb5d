/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

#include "fake_commands.h"

enum { WAITING_MAX = 256, LARGE = 1024 * 1024 };

unsigned fake_notes;
unsigned fake_waiting;
static struct call *waiting[WAITING_MAX];

static const struct command table[] = {
    {
        .noun = "echo",
        .method = "echo",
        .arguments =
            {{.name = "text", .kind = ARGUMENT_TEXT, .required = true},
             {.name = "times", .kind = ARGUMENT_NUMBER, .option = true, .minimum = 1, .maximum = 3},
             {.name = "loud", .kind = ARGUMENT_FLAG, .option = true},
             {.name = "by", .kind = ARGUMENT_CHOICE, .option = true, .choices = "peers|rate"}},
    },
    {.noun = "note", .method = "note"},
    {.noun = "later", .method = "later"},
    {.noun = "large", .method = "large"},
    {.noun = "no", .method = "no"},
    {.noun = "swarms",
     .verb = "show",
     .method = "swarms.show",
     .arguments = {{.name = "hash", .kind = ARGUMENT_HASH, .required = true}}},
};

static void echo(struct call *call)
{
    call_result(call, json_pack("{s:s, s:i, s:b, s:s*}", "text", call_text(call, "text"), "times",
                                (int)call_number(call, "times", 1), "loud", call_flag(call, "loud"),
                                "by", call_text(call, "by")));
}

static void note(struct call *call)
{
    fake_notes++;
    call_result(call, json_integer(fake_notes));
}

static void later(struct call *call)
{
    waiting[fake_waiting++] = call;
}

static void large(struct call *call)
{
    char *text = malloc(LARGE);

    memset(text, 'x', LARGE);
    call_result(call, json_stringn(text, LARGE));
    free(text);
}

static void no(struct call *call)
{
    call_error(call, JSON_RPC_REFUSED, "ask another", "the answer is %s", "no");
}

static void swarms_show(struct call *call)
{
    call_result(call, json_string(call_text(call, "hash")));
}

static call_handler *const handlers[] = {echo, note, later, large, no, swarms_show};

const struct call_service fake_service = {
    .table = table,
    .handlers = handlers,
    .count = sizeof(table) / sizeof(table[0]),
};

void fake_answer(void)
{
    struct call *call = waiting[0];

    memmove(waiting, waiting + 1, --fake_waiting * sizeof(waiting[0]));
    call_result(call, json_string("at last"));
}

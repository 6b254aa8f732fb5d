/* SPDX-License-Identifier: BSD-3-Clause */
/* ban add, del, list. A change holds when it is answered. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../bans.h"
#include "../console_state.h"
#include "commands.h"

enum { NANOSECONDS = 1000000000 };

static struct controlplane *controlplane_of(const struct call *call)
{
    const struct console *console = call_context(call);

    return console->controlplane;
}

/* False, and the call has ended, when the prefix makes no sense. */
static bool take_prefix(struct call *call, struct ban *ban)
{
    const char *prefix = call_text(call, "prefix");

    if (bans_parse(prefix, ban) == 0)
        return true;
    call_error(call, JSON_RPC_INVALID_PARAMS,
               "an address or a prefix: 192.0.2.7, 192.0.2.0/24, 2001:db8::/48", "not a prefix: %s",
               prefix);
    return false;
}

/* "90s", "15m", "2h", "7d" in seconds; 0 for anything else. */
static uint64_t parse_duration(const char *text)
{
    static const struct {
        char letter;
        unsigned seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    char *end;
    unsigned long value;

    if (*text < '0' || *text > '9')
        return 0;
    value = strtoul(text, &end, 10);
    if (value > 100 * 365 * 86400ul)
        return 0;
    for (unsigned i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (*end == units[i].letter && end[1] == '\0')
            return value * units[i].seconds;
    return 0;
}

static bool take_end(struct call *call, struct ban *ban)
{
    const char *text = call_text(call, "duration");
    uint64_t seconds;

    ban->until = BAN_FOR_GOOD;
    if (!text)
        return true;
    seconds = parse_duration(text);
    if (seconds > 0 && seconds < (BAN_FOR_GOOD - bans_clock()) / NANOSECONDS) {
        ban->until = bans_clock() + seconds * NANOSECONDS;
        return true;
    }
    call_error(call, JSON_RPC_INVALID_PARAMS, "90s, 15m, 2h or 7d", "not a duration: %s", text);
    return false;
}

static json_t *view_ban(const struct ban *ban, uint64_t now)
{
    char text[BANS_TEXT_SIZE];
    json_t *view;

    bans_format(ban, text);
    view = json_pack("{s:s}", "prefix", text);
    if (ban->until != BAN_FOR_GOOD)
        json_object_set_new(
            view, "expires",
            json_integer(ban->until > now ? (json_int_t)((ban->until - now) / NANOSECONDS) : 0));
    return view;
}

/* Answers with the ban, or with why XDP or the workers didn't take the change. */
static void answer(struct call *call, const struct ban *ban)
{
    int error = controlplane_publish(controlplane_of(call));

    if (error)
        call_error(call, JSON_RPC_INTERNAL_ERROR, "it is tried again within a minute",
                   "noted, but not in force yet: %s", strerror(-error));
    else
        call_result(call, view_ban(ban, bans_clock()));
}

void command_ban_add(struct call *call)
{
    struct ban ban;
    int error;

    if (!take_prefix(call, &ban) || !take_end(call, &ban))
        return;
    error = bans_add(controlplane_of(call)->bans, &ban);
    if (error)
        call_error(call, JSON_RPC_REFUSED, "ban wider prefixes, or lift some bans",
                   "no room for another ban: %s", strerror(-error));
    else
        answer(call, &ban);
}

void command_ban_del(struct call *call)
{
    struct ban ban = {.until = BAN_FOR_GOOD};
    int error;

    if (!take_prefix(call, &ban))
        return;
    error = bans_delete(controlplane_of(call)->bans, &ban);
    if (error)
        call_error(call, JSON_RPC_NOT_FOUND, "`ban list` shows the prefixes that are",
                   "%s is not banned", call_text(call, "prefix"));
    else
        answer(call, &ban);
}

void command_ban_list(struct call *call)
{
    json_t *views = json_array();
    size_t count;
    const struct ban *list = bans_list(controlplane_of(call)->bans, &count);

    for (size_t i = 0; i < count; i++)
        json_array_append_new(views, view_ban(&list[i], bans_clock()));
    call_result(call, json_pack("{s:o}", "bans", views));
}

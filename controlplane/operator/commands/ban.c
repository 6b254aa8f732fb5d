/* SPDX-License-Identifier: BSD-3-Clause */
/* ban add, ban del, ban list */
#include <errno.h>
#include <string.h>

#include "../../bans.h"
#include "../../config_value.h"
#include "../../log.h"
#include "commands.h"

#define NANOSECONDS UINT64_C(1000000000)

/* A duration is written as in the configuration. */
static const struct config_key duration_key = {
    .name = "duration",
    .type = CONFIG_DURATION,
    .size = sizeof(uint32_t),
    .min = 1,
    .max = 10 * 365 * 86400,
};

/* Ends the call and returns false when the prefix makes no sense. */
static bool parse_prefix(struct call *call, struct ban *ban)
{
    const char *text = call_text(call, "prefix");

    if (bans_parse(text, ban) == 0)
        return true;
    call_error(call, JSON_RPC_INVALID_PARAMS, "192.0.2.7, 192.0.2.0/24, 2001:db8::/48",
               "\"%.64s\" is no address or prefix", text);
    return false;
}

static bool parse_end(struct call *call, struct ban *ban)
{
    const char *text = call_text(call, "duration");
    uint32_t seconds;

    ban->until = BAN_FOR_GOOD;
    if (!text)
        return true;
    if (config_value_read(&duration_key, text, &seconds)) {
        ban->until = bans_clock() + seconds * NANOSECONDS;
        return true;
    }
    call_error(call, JSON_RPC_INVALID_PARAMS, "90s, 15m, 2h, 7d", "\"%.64s\" is no duration", text);
    return false;
}

static json_t *view_ban(const struct ban *ban, uint64_t now)
{
    char text[BANS_TEXT_SIZE];
    uint64_t left = 0;
    json_t *view;

    bans_format(ban, text);
    view = json_pack("{s:s}", "prefix", text);
    if (ban->until != BAN_FOR_GOOD && ban->until > now)
        left = (ban->until - now + NANOSECONDS - 1) / NANOSECONDS; /* it ends within that second */
    if (ban->until != BAN_FOR_GOOD)
        json_object_set_new(view, "expires", json_integer((json_int_t)left));
    return view;
}

/* A ban that not everybody took is worse than none: the operator would rely on it. */
static int publish_or_lift(struct controlplane *controlplane, const struct ban *ban)
{
    int error = controlplane_publish(controlplane);

    if (error != 0) {
        bans_delete(controlplane->bans, ban);
        controlplane_publish(controlplane);
    }
    return error;
}

void command_ban_add(struct call *call)
{
    struct controlplane *controlplane = command_controlplane(call);
    struct ban ban;
    int error;

    if (!parse_prefix(call, &ban) || !parse_end(call, &ban))
        return;
    error = bans_add(controlplane->bans, &ban);
    if (error == 0)
        error = publish_or_lift(controlplane, &ban);
    if (error == 0) {
        log_info("console", "ban added: prefix=%s duration=%s", call_text(call, "prefix"),
                 call_text(call, "duration") ? call_text(call, "duration") : "forever");
        call_result(call, view_ban(&ban, bans_clock()));
    } else if (error == -ENOSPC) {
        call_error(call, JSON_RPC_REFUSED, "lift some, or ban a wider prefix instead",
                   "there are %d bans already, which is the most", BANS_MAX);
    } else {
        call_error(call, JSON_RPC_REFUSED, "see the log", "the ban can't be put in force: %s",
                   strerror(-error));
    }
}

void command_ban_del(struct call *call)
{
    struct controlplane *controlplane = command_controlplane(call);
    char text[BANS_TEXT_SIZE];
    struct ban ban;

    if (!parse_prefix(call, &ban))
        return;
    bans_format(&ban, text);
    if (bans_delete(controlplane->bans, &ban) != 0) {
        call_error(call, JSON_RPC_NOT_FOUND,
                   "`ban list` shows the bans: name one as it stands there",
                   "there is no ban of %s", text);
        return;
    }
    controlplane_publish(controlplane);
    log_info("console", "ban lifted: prefix=%s", text);
    call_result(call, json_pack("{s:s}", "prefix", text));
}

void command_ban_list(struct call *call)
{
    struct controlplane *controlplane = command_controlplane(call);
    uint64_t now = bans_clock();
    json_t *list = json_array();
    const struct ban *bans;
    size_t count;

    bans = bans_list(controlplane->bans, &count);
    /* One that has run out stays in the list until the next tick, but bans nobody any more. */
    for (size_t i = 0; i < count; i++)
        if (bans[i].until > now)
            json_array_append_new(list, view_ban(&bans[i], now));
    call_result(call, json_pack("{s:o}", "bans", list));
}

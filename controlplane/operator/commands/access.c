/* SPDX-License-Identifier: BSD-3-Clause */
/* access show, add, del, load. Changes are made in a thread: the call is answered when they are in
 * force. */
#include <errno.h>
#include <string.h>

#include "commands.h"

static struct access_list *list_of(const struct call *call)
{
    return access_control_list(command_controlplane(call)->access);
}

static void fail(struct call *call, int error, const char *explanation)
{
    const char *hint = "the list is as it was";
    int length = explanation ? (int)strlen(explanation) : 0;

    while (length > 0 && explanation[length - 1] == '\n')
        length--;
    if (error == -EBUSY) {
        call_error(call, JSON_RPC_BUSY, "try again when it is done; `access show` tells",
                   "a list is being read");
        return;
    }
    if (error == -EACCES)
        hint = "the daemon's user must be able to read it, and it must lie below the folder of "
               "the configuration, of access.file, or confine.readable";
    if (length > 0)
        call_error(call, JSON_RPC_REFUSED, hint, "%.*s", length, explanation);
    else
        call_error(call, JSON_RPC_REFUSED, hint, "%s", strerror(-error));
}

static json_t *view_status(const struct call *call)
{
    const struct console *console = call_context(call);
    const struct access_control *control = console->controlplane->access;
    const uint64_t *counters = observation_totals(console->observation)->counters;
    struct access_list_status status;

    access_list_status(access_control_list(control), &status);
    return json_pack("{s:s, s:I, s:s, s:I, s:I, s:b, s:I}", "mode",
                     access_control_mode_name(control), "entries", (json_int_t)status.hashes,
                     "file", status.file, "loaded", (json_int_t)status.loaded, "edits",
                     (json_int_t)status.edits, "changing", status.changing, "refused",
                     (json_int_t)counters[COUNTER_access_refused]);
}

void command_access_show(struct call *call)
{
    const struct console *console = call_context(call);
    const char *digits = call_text(call, "hash");
    struct access_hash hash;
    json_t *view;

    observation_refresh(console->observation);
    view = view_status(call);
    if (digits && access_parse_hash(digits, &hash)) {
        json_object_set_new(view, "hash", json_string(digits));
        json_object_set_new(view, "listed",
                            json_boolean(access_list_contains(list_of(call), &hash)));
    }
    call_result(call, view);
}

static void on_loaded(void *user, int error, const char *explanation)
{
    struct call *call = user;

    if (error != 0)
        fail(call, error, explanation);
    else
        call_result(call, view_status(call));
}

static json_t *view_edited(const struct call *call, bool changed)
{
    json_t *view = view_status(call);

    json_object_set_new(view, "hash", json_string(call_text(call, "hash")));
    json_object_set_new(view, "changed", json_boolean(changed));
    return view;
}

static void on_edited(void *user, int error, const char *explanation)
{
    struct call *call = user;

    if (error != 0)
        fail(call, error, explanation);
    else
        call_result(call, view_edited(call, true));
}

static void edit(struct call *call, bool add)
{
    struct access_hash hash;
    int error;

    access_parse_hash(call_text(call, "hash"), &hash);
    if (access_list_contains(list_of(call), &hash) == add) {
        call_result(call, view_edited(call, false));
        return;
    }
    error = access_list_edit(list_of(call), &hash, add, &hash, !add, on_edited, call);
    if (error != 0)
        fail(call, error, NULL);
}

void command_access_add(struct call *call)
{
    edit(call, true);
}

void command_access_del(struct call *call)
{
    edit(call, false);
}

void command_access_load(struct call *call)
{
    int error = controlplane_load_access(command_controlplane(call), call_text(call, "file"),
                                         on_loaded, call);

    if (error == -ENOENT)
        call_error(call, JSON_RPC_INVALID_PARAMS, "name a file, or set access.file",
                   "no list is configured");
    else if (error != 0)
        fail(call, error, NULL);
}

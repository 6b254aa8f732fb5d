/* SPDX-License-Identifier: BSD-3-Clause */
/* config show, check, diff, reload, set; and what is short for a config set. */
#include <errno.h>
#include <string.h>

#include "commands.h"
#include "report.h"

static void out_of_memory(struct call *call)
{
    call_error(call, JSON_RPC_INTERNAL_ERROR, NULL, "out of memory");
}

/* A new string: the value as it would stand in the file. */
static json_t *value_of(const struct config *config, const struct config_key *key)
{
    struct report report;
    json_t *value;

    if (!report_begin(&report))
        return json_null();
    config_print_value(config, key, report.stream);
    report_end(&report);
    value = json_string(report.text);
    report_free(&report);
    return value;
}

/* Why a key can't change while running; null when it can. */
static json_t *restart_of(const struct config_key *key)
{
    return key->restart ? json_string(key->restart) : json_null();
}

/* "tracker" asks for "tracker.interval", too. */
static bool is_asked_for(const struct config_key *key, const char *asked)
{
    size_t length = asked ? strlen(asked) : 0;

    return !asked || (strncmp(key->name, asked, length) == 0 &&
                      (key->name[length] == '\0' || key->name[length] == '.'));
}

void command_config_show(struct call *call)
{
    const struct controlplane *controlplane = command_controlplane(call);
    const char *asked = call_text(call, "key");
    json_t *keys = json_array();

    for (const struct config_key *key = config_keys; key->name; key++) {
        if (!is_asked_for(key, asked))
            continue;
        json_array_append_new(keys, json_pack("{s:s, s:o, s:s?, s:b, s:o, s:s}", "key", key->name,
                                              "value", value_of(&controlplane->config, key),
                                              "default", key->initial, "live", !key->restart,
                                              "restart", restart_of(key), "help", key->help));
    }
    if (asked && json_array_size(keys) == 0) {
        json_decref(keys);
        call_error(call, JSON_RPC_NOT_FOUND, "`config show` without a key lists all of them",
                   "there is no key or section \"%s\"", asked);
        return;
    }
    call_result(call, json_pack("{s:s, s:o}", "file", controlplane->config_path, "keys", keys));
}

void command_config_check(struct call *call)
{
    const struct controlplane *controlplane = command_controlplane(call);
    const char *asked = call_text(call, "file");
    const char *file = asked ? asked : controlplane->config_path;
    int (*load)(const char *, struct config *, FILE *) = asked ? config_load_public : config_load;
    struct config config;
    struct report report;
    int error;

    if (!report_begin(&report)) {
        out_of_memory(call);
        return;
    }
    error = load(file, &config, report.stream);
    report_end(&report);
    call_result(call, json_pack("{s:s, s:b, s:o}", "file", file, "valid", error == 0, "errors",
                                report_lines(&report)));
    report_free(&report);
}

static json_t *differences(const struct config *running, const struct config *file)
{
    json_t *changes = json_array();

    for (const struct config_key *key = config_keys; key->name; key++) {
        if (config_same(running, file, key))
            continue;
        json_array_append_new(changes,
                              json_pack("{s:s, s:o, s:o, s:b, s:o}", "key", key->name, "running",
                                        value_of(running, key), "file", value_of(file, key), "live",
                                        !key->restart, "restart", restart_of(key)));
    }
    return changes;
}

/* Ends the call: the file can't be taken, `report` says why. */
static void invalid_file(struct call *call, const char *file, const struct report *report)
{
    call_error(call, JSON_RPC_REFUSED, "nothing was changed; mend the file and try again", "%s",
               report->size > 0 ? report->text : file);
}

void command_config_diff(struct call *call)
{
    const struct controlplane *controlplane = command_controlplane(call);
    struct config file;
    struct report report;
    int error;

    if (!report_begin(&report)) {
        out_of_memory(call);
        return;
    }
    error = config_load(controlplane->config_path, &file, report.stream);
    report_end(&report);
    if (error != 0)
        invalid_file(call, controlplane->config_path, &report);
    else
        call_result(call, json_pack("{s:s, s:o}", "file", controlplane->config_path, "changes",
                                    differences(&controlplane->config, &file)));
    report_free(&report);
}

void command_config_reload(struct call *call)
{
    struct controlplane *controlplane = command_controlplane(call);
    struct report report;
    int error;

    if (!report_begin(&report)) {
        out_of_memory(call);
        return;
    }
    error = controlplane_reload(controlplane, report.stream);
    report_end(&report);
    if (error != 0)
        invalid_file(call, controlplane->config_path, &report);
    else
        call_result(call, json_pack("{s:s, s:o}", "file", controlplane->config_path, "report",
                                    report_lines(&report)));
    report_free(&report);
}

static void refuse_key(struct call *call, const char *key, int error, const struct report *report)
{
    const char *hint = "`config show KEY` says what it takes";

    if (error == -EPERM)
        hint = "change it in the file, then restart the daemon";
    else if (error == -ENOENT)
        hint = "`config show` lists all of them";
    else if (strcmp(key, "access.mode") == 0)
        hint = "`access load FILE` first";
    call_error(call, error == -ENOENT ? JSON_RPC_NOT_FOUND : JSON_RPC_REFUSED, hint, "%s",
               report->size > 0 ? report->text : strerror(-error));
}

/* Sets a key and ends the call; the result names it as `name`. */
static void set_key(struct call *call, const char *name, const char *key_name, const char *value)
{
    struct controlplane *controlplane = command_controlplane(call);
    const struct config_key *key = config_key_find(key_name);
    json_t *before = key ? value_of(&controlplane->config, key) : json_null();
    struct report report;
    int error;

    if (!report_begin(&report)) {
        json_decref(before);
        out_of_memory(call);
        return;
    }
    error = controlplane_set(controlplane, key_name, value, report.stream);
    report_end(&report);
    if (error != 0)
        refuse_key(call, key_name, error, &report);
    else
        call_result(call, json_pack("{s:s, s:o, s:O}", "key", key_name, name,
                                    value_of(&controlplane->config, key), "before", before));
    json_decref(before);
    report_free(&report);
}

void command_config_set(struct call *call)
{
    set_key(call, "value", call_text(call, "key"), call_text(call, "value"));
}

void command_access_mode(struct call *call)
{
    set_key(call, "mode", "access.mode", call_text(call, "mode"));
}

void command_log(struct call *call)
{
    set_key(call, "level", "log.level", call_text(call, "level"));
}

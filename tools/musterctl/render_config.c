/* SPDX-License-Identifier: BSD-3-Clause */
/* config, access, ban, log */
#include <string.h>
#include <time.h>

#include "render.h"
#include "table.h"
#include "text.h"

static void print_lines(const json_t *lines, FILE *out)
{
    const json_t *line;
    size_t i;

    json_array_foreach(lines, i, line) fprintf(out, "%s\n", json_string_value(line));
}

/* config ----------------------------------------------------------------------------------- */

static const char *when_it_changes(const json_t *key, const char *member, char *text)
{
    return json_flag(key, member) ? "live" : "at restart";
}

static const struct table_column key_columns[] = {
    {"KEY", "key", table_text},
    {"VALUE", "value", table_text},
    {"DEFAULT", "default", table_text},
    {"CHANGES", "live", when_it_changes},
    {0},
};

/* One key in full, many as a table. */
void render_config_show(const json_t *result, FILE *out)
{
    const json_t *keys = json_object_get(result, "keys"), *key = json_array_get(keys, 0);

    if (json_array_size(keys) != 1) {
        table_print(key_columns, keys, out);
        return;
    }
    fprintf(out, "%s: %s\n", json_text(key, "key"), json_text(key, "value"));
    fprintf(out, "default %s; %s%s\n%s\n", json_text(key, "default"),
            json_flag(key, "live") ? "can be changed while running" : "needs a restart: ",
            json_text(key, "restart"), json_text(key, "help"));
}

void render_config_check(const json_t *result, FILE *out)
{
    if (json_flag(result, "valid"))
        fprintf(out, "%s would be taken\n", json_text(result, "file"));
    else
        print_lines(json_object_get(result, "errors"), out);
}

static const char *what_a_reload_does(const json_t *change, const char *member, char *text)
{
    if (json_flag(change, "live"))
        return "changes it";
    snprintf(text, TABLE_CELL_SIZE, "doesn't: %s", json_text(change, member));
    return text;
}

static const struct table_column change_columns[] = {
    {"KEY", "key", table_text},
    {"RUNNING", "running", table_text},
    {"FILE", "file", table_text},
    {"A RELOAD", "restart", what_a_reload_does},
    {0},
};

void render_config_diff(const json_t *result, FILE *out)
{
    const json_t *changes = json_object_get(result, "changes");

    if (json_array_size(changes) > 0)
        table_print(change_columns, changes, out);
    else
        fprintf(out, "%s says what runs\n", json_text(result, "file"));
}

void render_config_reload(const json_t *result, FILE *out)
{
    const json_t *report = json_object_get(result, "report");

    if (json_array_size(report) == 0)
        fprintf(out, "%s: nothing to change\n", json_text(result, "file"));
    else
        print_lines(report, out);
}

static void print_change(const json_t *result, const char *name, FILE *out)
{
    fprintf(out, "%s: %s (was %s)\n", json_text(result, "key"), json_text(result, name),
            json_text(result, "before"));
}

void render_config_set(const json_t *result, FILE *out)
{
    print_change(result, "value", out);
}

void render_log(const json_t *result, FILE *out)
{
    print_change(result, "level", out);
}

/* access, ban ------------------------------------------------------------------------------ */

void render_access_show(const json_t *result, FILE *out)
{
    char text[TEXT_SIZE];
    const char *file = json_text(result, "file");

    if (json_object_get(result, "listed"))
        fprintf(out, "%s is %son the list\n", json_text(result, "hash"),
                json_flag(result, "listed") ? "" : "not ");
    fprintf(out, "mode     %s\n", json_text(result, "mode"));
    fprintf(out, "list     %s info-hashes%s%s\n", text_exact(text, json_whole(result, "entries")),
            file[0] != '\0' ? " from " : "", file);
    if (json_whole(result, "edits") > 0)
        fprintf(out, "edits    %s since it was loaded\n",
                text_exact(text, json_whole(result, "edits")));
    fprintf(out, "refused  %s announces\n", text_exact(text, json_whole(result, "refused")));
    if (json_flag(result, "changing"))
        fputs("a change is under way\n", out);
}

void render_access_mode(const json_t *result, FILE *out)
{
    print_change(result, "mode", out);
}

static void render_access_edit(const json_t *result, const char *done, const char *same, FILE *out)
{
    fprintf(out, "%s is %s the list\n", json_text(result, "hash"),
            json_flag(result, "changed") ? done : same);
    render_access_show(result, out);
}

void render_access_add(const json_t *result, FILE *out)
{
    render_access_edit(result, "now on", "already on", out);
}

void render_access_del(const json_t *result, FILE *out)
{
    render_access_edit(result, "no longer on", "not on", out);
}

void render_access_load(const json_t *result, FILE *out)
{
    render_access_show(result, out);
}

void render_ban_add(const json_t *result, FILE *out)
{
    char span[TEXT_SIZE];

    fprintf(out, "%s is banned ", json_text(result, "prefix"));
    if (json_is_integer(json_object_get(result, "expires")))
        fprintf(out, "for %s\n", text_span(span, json_whole(result, "expires")));
    else
        fputs("until the ban is lifted\n", out);
}

void render_ban_del(const json_t *result, FILE *out)
{
    fprintf(out, "%s is no longer banned\n", json_text(result, "prefix"));
}

static const char *ban_end(const json_t *ban, const char *member, char *text)
{
    return json_is_integer(json_object_get(ban, member)) ? text_span(text, json_whole(ban, member))
                                                         : "never";
}

static const struct table_column ban_columns[] = {
    {"PREFIX", "prefix", table_text},
    {">ENDS IN", "expires", ban_end},
    {0},
};

void render_ban_list(const json_t *result, FILE *out)
{
    const json_t *bans = json_object_get(result, "bans");

    if (json_array_size(bans) > 0)
        table_print(ban_columns, bans, out);
    else
        fputs("nobody is banned\n", out);
}

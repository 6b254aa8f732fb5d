/* SPDX-License-Identifier: BSD-3-Clause */
/* config, access, ban, log */
#include <string.h>
#include <time.h>

#include "render.h"
#include "text.h"

static void print_lines(const json_t *lines, FILE *out)
{
    const json_t *line;
    size_t i;

    json_array_foreach(lines, i, line) fprintf(out, "%s\n", json_string_value(line));
}

/* config ----------------------------------------------------------------------------------- */

/* One key in full, many as a table. */
void render_config_show(const json_t *result, FILE *out)
{
    const json_t *keys = json_object_get(result, "keys"), *key = json_array_get(keys, 0);
    struct table *table;
    size_t i;

    if (json_array_size(keys) == 1) {
        fprintf(out, "%s: %s\n", json_text(key, "key"), json_text(key, "value"));
        fprintf(out, "default %s; %s%s\n%s\n", json_text(key, "default"),
                json_flag(key, "live") ? "can be changed while running" : "needs a restart: ",
                json_text(key, "restart"), json_text(key, "help"));
        return;
    }
    table = table_new("KEY|VALUE|DEFAULT|CHANGES");
    json_array_foreach(keys, i, key)
    {
        table_cell(table, "%s", json_text(key, "key"));
        table_cell(table, "%s", json_text(key, "value"));
        table_cell(table, "%s", json_text(key, "default"));
        table_cell(table, "%s", json_flag(key, "live") ? "live" : "at restart");
    }
    table_print(table, out);
}

void render_config_check(const json_t *result, FILE *out)
{
    if (json_flag(result, "valid"))
        fprintf(out, "%s would be taken\n", json_text(result, "file"));
    else
        print_lines(json_object_get(result, "errors"), out);
}

void render_config_diff(const json_t *result, FILE *out)
{
    const json_t *changes = json_object_get(result, "changes"), *change;
    struct table *table;
    size_t i;

    if (json_array_size(changes) == 0) {
        fprintf(out, "%s says what runs\n", json_text(result, "file"));
        return;
    }
    table = table_new("KEY|RUNNING|FILE|A RELOAD");
    json_array_foreach(changes, i, change)
    {
        table_cell(table, "%s", json_text(change, "key"));
        table_cell(table, "%s", json_text(change, "running"));
        table_cell(table, "%s", json_text(change, "file"));
        if (json_flag(change, "live"))
            table_cell(table, "changes it");
        else
            table_cell(table, "doesn't: %s", json_text(change, "restart"));
    }
    table_print(table, out);
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

static void print_ban_end(const json_t *ban, char *text)
{
    if (json_is_integer(json_object_get(ban, "expires")))
        text_span(text, json_whole(ban, "expires"));
    else
        strcpy(text, "never");
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

void render_ban_list(const json_t *result, FILE *out)
{
    const json_t *bans = json_object_get(result, "bans"), *ban;
    struct table *table;
    char end[TEXT_SIZE];
    size_t i;

    if (json_array_size(bans) == 0) {
        fputs("nobody is banned\n", out);
        return;
    }
    table = table_new("PREFIX|>ENDS IN");
    json_array_foreach(bans, i, ban)
    {
        print_ban_end(ban, end);
        table_cell(table, "%s", json_text(ban, "prefix"));
        table_cell(table, "%s", end);
    }
    table_print(table, out);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* store, fleet, snapshot */
#include "render.h"
#include "table.h"
#include "text.h"

static void render_loading(const json_t *loading, FILE *out)
{
    char progress[TEXT_SIZE], peers[TEXT_SIZE], rate[TEXT_SIZE];

    fprintf(out, "loaded at start  %s, %s peers in %.1f s, %s peers/s\n",
            text_percent(progress, json_number(loading, "progress")),
            text_count(peers, json_number(loading, "peers")), json_number(loading, "seconds"),
            text_count(rate, json_number(loading, "peers_per_second")));
    if (json_whole(loading, "chunks_unread") > 0)
        fprintf(out, "not read yet     %lld chunks; tried again, and not overwritten before\n",
                (long long)json_whole(loading, "chunks_unread"));
}

static void render_pass(const json_t *snapshot, FILE *out)
{
    char progress[TEXT_SIZE], peers[TEXT_SIZE], bytes[TEXT_SIZE], oldest[TEXT_SIZE];

    fprintf(out, "stored           %s peers in %s, %.1f bytes a peer\n",
            text_count(peers, json_number(snapshot, "peers")),
            text_bytes(bytes, json_number(snapshot, "bytes")),
            json_number(snapshot, "bytes_per_peer"));
    fprintf(out, "this pass        %s; the oldest change waits for %s\n",
            text_percent(progress, json_number(snapshot, "progress")),
            text_span(oldest, json_whole(snapshot, "oldest_dirty_seconds")));
    fprintf(out, "chunks           %lld written, %lld unchanged, %lld failed, %lld newer\n",
            (long long)json_whole(snapshot, "chunks_written"),
            (long long)json_whole(snapshot, "chunks_unchanged"),
            (long long)json_whole(snapshot, "chunks_failed"),
            (long long)json_whole(snapshot, "chunks_newer"));
}

static void render_slots(const json_t *slots, FILE *out)
{
    if (json_is_object(slots))
        fprintf(out, "slots            %lld served, %lld reachable; %lld retries, %lld redirects\n",
                (long long)json_whole(slots, "served"), (long long)json_whole(slots, "reachable"),
                (long long)json_whole(slots, "retries"), (long long)json_whole(slots, "redirects"));
}

/* "errors           12 moved, 3 clusterdown" */
static void render_errors(json_t *kinds, FILE *out)
{
    const char *name, *between = "errors           ";
    json_t *count;

    json_object_foreach(kinds, name, count)
    {
        fprintf(out, "%s%lld %s", between, (long long)json_integer_value(count), name);
        between = ", ";
    }
    if (json_object_size(kinds) > 0)
        fputc('\n', out);
}

static const struct table_column node_columns[] = {
    {"NODE", "address", table_text},
    {"STATE", "state", table_text},
    {"ROLE", "role", table_text},
    {">SLOTS", "slots", table_whole},
    {">COMMANDS", "commands", table_count},
    {">ERRORS", "errors", table_whole},
    {">REPLICA LAG", "replication_lag_bytes", table_bytes},
    {">MEMORY", "memory_used", table_bytes},
    {"LAST ERROR", "last_error", table_text},
    {0},
};

void render_store(const json_t *result, FILE *out)
{
    fprintf(out, "%s, %s: %s\n", json_text(result, "kind"), json_text(result, "place"),
            json_text(result, "state"));
    render_loading(json_object_get(result, "loading"), out);
    render_pass(json_object_get(result, "snapshot"), out);
    if (*json_text(result, "last_error"))
        fprintf(out, "last error       %s\n", json_text(result, "last_error"));
    render_slots(json_object_get(result, "slots"), out);
    render_errors(json_object_get(result, "error_kinds"), out);
    if (json_array_size(json_object_get(result, "nodes")) > 0) {
        fputc('\n', out);
        table_print(node_columns, json_object_get(result, "nodes"), out);
    }
}

static const char *in_seconds(const json_t *member, const char *name, char *text)
{
    snprintf(text, TABLE_CELL_SIZE, "%.1f s", json_number(member, name));
    return text;
}

static const char *ahead(const json_t *member, const char *name, char *text)
{
    snprintf(text, TABLE_CELL_SIZE, "%+.1f s", json_number(member, name));
    return text;
}

static const struct table_column member_columns[] = {
    {">APPLIANCE", "appliance", table_whole}, {"NAME", "name", table_text},
    {"STATE", "state", table_text},           {">LAG", "lag_seconds", in_seconds},
    {">BEHIND", "lag_records", table_whole},  {">CLOCK", "clock_ahead_seconds", ahead},
    {">PEERS", "peers", table_count},         {">READ", "records", table_count},
    {">GAPS", "gaps", table_whole},           {0},
};

void render_fleet(const json_t *result, FILE *out)
{
    char published[TEXT_SIZE];

    fprintf(out, "appliance %lld: %s; %s announces told, %lld wait, %lld lost; %lld resyncs\n",
            (long long)json_whole(result, "number"), json_text(result, "state"),
            text_count(published, json_number(result, "published")),
            (long long)json_whole(result, "waiting"), (long long)json_whole(result, "lost"),
            (long long)json_whole(result, "resyncs"));
    table_print(member_columns, json_object_get(result, "members"), out);
}

void render_snapshot(const json_t *result, FILE *out)
{
    fputs("a snapshot has begun; `store` shows how far it is\n", out);
}

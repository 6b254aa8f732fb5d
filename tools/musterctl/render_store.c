/* SPDX-License-Identifier: BSD-3-Clause */
/* store, fleet, snapshot */
#include "render.h"
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

static void render_nodes(const json_t *nodes, FILE *out)
{
    struct table *table;
    const json_t *node;
    size_t i;

    if (json_array_size(nodes) == 0)
        return;
    table = table_new("NODE|STATE|ROLE|SLOTS|COMMANDS|ERRORS|REPLICA LAG|MEMORY|LAST ERROR");
    json_array_foreach(nodes, i, node)
    {
        char commands[TEXT_SIZE], lag[TEXT_SIZE], memory[TEXT_SIZE];

        table_cell(table, "%s", json_text(node, "address"));
        table_cell(table, "%s", json_text(node, "state"));
        table_cell(table, "%s", json_text(node, "role"));
        table_cell(table, "%lld", (long long)json_whole(node, "slots"));
        table_cell(table, "%s", text_count(commands, json_number(node, "commands")));
        table_cell(table, "%lld", (long long)json_whole(node, "errors"));
        table_cell(table, "%s", text_bytes(lag, json_number(node, "replication_lag_bytes")));
        table_cell(table, "%s", text_bytes(memory, json_number(node, "memory_used")));
        table_cell(table, "%s", json_text(node, "last_error"));
    }
    fputc('\n', out);
    table_print(table, out);
}

void render_store(const json_t *result, FILE *out)
{
    fprintf(out, "%s, %s: %s\n", json_text(result, "kind"), json_text(result, "place"),
            json_text(result, "state"));
    render_loading(json_object_get(result, "loading"), out);
    render_pass(json_object_get(result, "snapshot"), out);
    if (*json_text(result, "last_error"))
        fprintf(out, "last error       %s\n", json_text(result, "last_error"));
    render_slots(json_object_get(result, "slots"), out);
    render_nodes(json_object_get(result, "nodes"), out);
}

void render_fleet(const json_t *result, FILE *out)
{
    const json_t *members = json_object_get(result, "members"), *member;
    struct table *table = table_new("APPLIANCE|NAME|STATE|LAG|BEHIND|CLOCK|PEERS|READ|GAPS");
    char published[TEXT_SIZE];
    size_t i;

    fprintf(out, "appliance %lld: %s; %s announces told, %lld wait, %lld lost\n",
            (long long)json_whole(result, "number"), json_text(result, "state"),
            text_count(published, json_number(result, "published")),
            (long long)json_whole(result, "waiting"), (long long)json_whole(result, "lost"));
    json_array_foreach(members, i, member)
    {
        char peers[TEXT_SIZE], records[TEXT_SIZE];

        table_cell(table, "%lld", (long long)json_whole(member, "appliance"));
        table_cell(table, "%s", json_text(member, "name"));
        table_cell(table, "%s", json_text(member, "state"));
        table_cell(table, "%.1f s", json_number(member, "lag_seconds"));
        table_cell(table, "%lld", (long long)json_whole(member, "lag_records"));
        table_cell(table, "%+.1f s", json_number(member, "clock_ahead_seconds"));
        table_cell(table, "%s", text_count(peers, json_number(member, "peers")));
        table_cell(table, "%s", text_count(records, json_number(member, "records")));
        table_cell(table, "%lld", (long long)json_whole(member, "gaps"));
    }
    table_print(table, out);
}

void render_snapshot(const json_t *result, FILE *out)
{
    fputs("a snapshot has begun; `store` shows how far it is\n", out);
}

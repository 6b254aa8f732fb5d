/* SPDX-License-Identifier: BSD-3-Clause */
/* swarms top, swarms show, clients */
#include "render.h"
#include "text.h"

static void add_swarm(struct table *table, const json_t *swarm)
{
    char text[TEXT_SIZE];

    table_cell(table, "%s", json_text(swarm, "info_hash"));
    table_cell(table, "%s", json_text(swarm, "family"));
    table_cell(table, "%s", text_exact(text, json_whole(swarm, "seeders")));
    table_cell(table, "%s", text_exact(text, json_whole(swarm, "leechers")));
    table_cell(table, "%s", text_exact(text, json_whole(swarm, "completed")));
    table_cell(table, "%s", text_exact(text, json_whole(swarm, "announces_per_minute")));
}

void render_swarms_top(const json_t *result, FILE *out)
{
    const json_t *swarms = json_object_get(result, "swarms"), *swarm;
    struct table *table;
    size_t i;

    if (json_array_size(swarms) == 0) {
        fputs("no swarms\n", out);
        return;
    }
    table = table_new("INFO-HASH|FAMILY|>SEEDERS|>LEECHERS|>COMPLETED|>ANNOUNCES/MIN");
    json_array_foreach(swarms, i, swarm) add_swarm(table, swarm);
    table_print(table, out);
}

static void print_peers(const json_t *peers, FILE *out)
{
    struct table *table = table_new("PEER|>PORT|IS A|>LAST SEEN");
    const json_t *peer;
    char age[TEXT_SIZE];
    size_t i;

    json_array_foreach(peers, i, peer)
    {
        table_cell(table, "%s", json_text(peer, "address"));
        table_cell(table, "%lld", (long long)json_whole(peer, "port"));
        table_cell(table, "%s", json_flag(peer, "seeder") ? "seeder" : "leecher");
        table_cell(table, "%s ago", text_span(age, json_whole(peer, "age")));
    }
    table_print(table, out);
}

void render_swarms_show(const json_t *result, FILE *out)
{
    const json_t *swarm;
    char text[TEXT_SIZE];
    size_t i;

    json_array_foreach(json_object_get(result, "swarms"), i, swarm)
    {
        fprintf(out, "%s%s over %s\n", i > 0 ? "\n" : "", json_text(swarm, "info_hash"),
                json_text(swarm, "family"));
        fprintf(out, "seeders %s, ", text_exact(text, json_whole(swarm, "seeders")));
        fprintf(out, "leechers %s, ", text_exact(text, json_whole(swarm, "leechers")));
        fprintf(out, "completed %s, ", text_exact(text, json_whole(swarm, "completed")));
        fprintf(out, "%s announces/min, ",
                text_exact(text, json_whole(swarm, "announces_per_minute")));
        fprintf(out, "%s, owned by worker %lld\n", text_bytes(text, json_number(swarm, "memory")),
                (long long)json_whole(swarm, "owner"));
        print_peers(json_object_get(swarm, "peers"), out);
    }
}

void render_clients(const json_t *result, FILE *out)
{
    struct table *table = table_new("PEER ID|PROGRAM|VERSION|>SHARE");
    const json_t *client;
    char text[TEXT_SIZE];
    size_t i;

    json_array_foreach(json_object_get(result, "clients"), i, client)
    {
        const char *program = json_text(client, "program");

        table_cell(table, "%s", json_text(client, "prefix"));
        table_cell(table, "%s", program[0] != '\0' ? program : "?");
        table_cell(table, "%s", json_text(client, "version"));
        table_cell(table, "%s", text_percent(text, json_number(client, "share")));
    }
    table_cell(table, "others");
    table_cell(table, "%s", "");
    table_cell(table, "%s", "");
    table_cell(table, "%s", text_percent(text, json_number(result, "others_share")));
    table_print(table, out);
    fprintf(out, "%s announces counted, one in %lld, of about the last ten minutes\n",
            text_exact(text, json_whole(result, "announces")),
            (long long)json_whole(result, "sampled_of"));
}

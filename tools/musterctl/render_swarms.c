/* SPDX-License-Identifier: BSD-3-Clause */
/* swarms top, swarms show, clients */
#include "render.h"
#include "table.h"
#include "text.h"

static const struct table_column swarm_columns[] = {
    {"INFO-HASH", "info_hash", table_text},
    {"FAMILY", "family", table_text},
    {">SEEDERS", "seeders", table_exact},
    {">LEECHERS", "leechers", table_exact},
    {">COMPLETED", "completed", table_exact},
    {">ANNOUNCES/MIN", "announces_per_minute", table_exact},
    {0},
};

void render_swarms_top(const json_t *result, FILE *out)
{
    const json_t *swarms = json_object_get(result, "swarms");

    if (json_array_size(swarms) > 0)
        table_print(swarm_columns, swarms, out);
    else
        fputs("no swarms\n", out);
}

static const char *kind_of(const json_t *peer, const char *member, char *text)
{
    return json_flag(peer, member) ? "seeder" : "leecher";
}

static const char *ago(const json_t *peer, const char *member, char *text)
{
    char age[TEXT_SIZE];

    snprintf(text, TABLE_CELL_SIZE, "%s ago", text_span(age, json_whole(peer, member)));
    return text;
}

static const struct table_column peer_columns[] = {
    {"PEER", "address", table_text},
    {">PORT", "port", table_whole},
    {"IS A", "seeder", kind_of},
    {">LAST SEEN", "age", ago},
    {0},
};

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
        table_print(peer_columns, json_object_get(swarm, "peers"), out);
    }
}

/* The last row, of all others, has none. */
static const char *program_of(const json_t *client, const char *member, char *text)
{
    const char *program = json_text(client, member);

    return program[0] != '\0' || !json_object_get(client, member) ? program : "?";
}

static const struct table_column client_columns[] = {
    {"PEER ID", "prefix", table_text},
    {"PROGRAM", "program", program_of},
    {"VERSION", "version", table_text},
    {">SHARE", "share", table_percent},
    {0},
};

void render_clients(const json_t *result, FILE *out)
{
    json_t *rows = json_copy(json_object_get(result, "clients"));
    char text[TEXT_SIZE];

    json_array_append_new(rows, json_pack("{s:s, s:f}", "prefix", "others", "share",
                                          json_number(result, "others_share")));
    table_print(client_columns, rows, out);
    json_decref(rows);
    fprintf(out, "%s announces counted, one in %lld, of about the last ten minutes\n",
            text_exact(text, json_whole(result, "announces")),
            (long long)json_whole(result, "sampled_of"));
}

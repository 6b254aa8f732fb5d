/* SPDX-License-Identifier: BSD-3-Clause */
/* status, stats, drops, workers, ports, drain, undrain, shutdown */
#include <string.h>

#include "render.h"
#include "table.h"
#include "text.h"

enum { BAR_WIDTH = 20 };

/* status ----------------------------------------------------------------------------------- */

static void print_health(const json_t *health, FILE *out)
{
    const char *status = json_text(health, "status");
    const char *reason = json_text(health, "reason");
    enum text_style style = strcmp(status, "ok") == 0        ? TEXT_GOOD
                            : strcmp(status, "failing") == 0 ? TEXT_BAD
                                                             : TEXT_WARN;

    fprintf(out, "%s%s%s", text_style(style), status, text_style(TEXT_PLAIN));
    if (reason[0] != '\0')
        fprintf(out, ": %s", reason);
    fputc('\n', out);
}

static void print_traffic(const json_t *now, FILE *out)
{
    char received[TEXT_SIZE], sent[TEXT_SIZE], dropped[TEXT_SIZE], connects[TEXT_SIZE];
    char ipv4[TEXT_SIZE], ipv6[TEXT_SIZE], scrapes[TEXT_SIZE], p50[TEXT_SIZE], p99[TEXT_SIZE];

    fprintf(out, "traffic   %s requests/s, %s replies/s, %s dropped/s\n",
            text_count(received, json_number(now, "received")),
            text_count(sent, json_number(now, "sent")),
            text_count(dropped, json_number(now, "dropped")));
    fprintf(out, "replies   connects %s/s, announces %s/s IPv4 and %s/s IPv6, scrapes %s/s\n",
            text_count(connects, json_number(now, "connects")),
            text_count(ipv4, json_number(now, "announces_ipv4")),
            text_count(ipv6, json_number(now, "announces_ipv6")),
            text_count(scrapes, json_number(now, "scrapes")));
    fprintf(out, "latency   p50 %s, p99 %s from receive to send\n",
            text_time(p50, json_number(now, "service_p50")),
            text_time(p99, json_number(now, "service_p99")));
}

static void print_fill(const char *name, const json_t *tables, FILE *out)
{
    struct text_fill fill = text_fill(tables, name);

    fprintf(out, "%-9s ", name);
    text_bar(out, fill.share, BAR_WIDTH);
    fprintf(out, " %s of %s, %s full\n", fill.now, fill.limit, fill.percent);
}

static void print_tables(const json_t *tables, FILE *out)
{
    char used[TEXT_SIZE], reserved[TEXT_SIZE];

    print_fill("torrents", tables, out);
    print_fill("peers", tables, out);
    fprintf(out, "memory    %s in use of %s reserved\n",
            text_bytes(used, json_number(tables, "memory_used")),
            text_bytes(reserved, json_number(tables, "memory_reserved")));
}

static void print_interval(const json_t *status, FILE *out)
{
    json_int_t now = json_whole(status, "interval"), base = json_whole(status, "interval_base");
    char span[TEXT_SIZE], configured[TEXT_SIZE];

    fprintf(out, "interval  %s", text_span(span, now));
    if (now > base)
        fprintf(out, ", stretched by load from %s", text_span(configured, base));
    fputc('\n', out);
}

static void print_ports(const json_t *ports, FILE *out)
{
    const json_t *port;
    size_t i;

    json_array_foreach(ports, i, port)
        fprintf(out, "%s%s %s (%s)%s", i == 0 ? "ports     " : ", ", json_text(port, "name"),
                json_flag(port, "link_up") ? "up" : "DOWN", json_text(port, "driver"),
                i + 1 == json_array_size(ports) ? "\n" : "");
}

void render_status(const json_t *status, FILE *out)
{
    const json_t *now = json_object_get(status, "now");
    char uptime[TEXT_SIZE], busiest[TEXT_SIZE], mean[TEXT_SIZE];

    fprintf(out, "muster %s on %s, up %s: ", json_text(status, "version"),
            json_text(status, "hostname"), text_span(uptime, json_whole(status, "uptime")));
    print_health(json_object_get(status, "health"), out);
    print_traffic(now, out);
    fprintf(out, "load      %s on the busiest of %zu workers, %s on average\n",
            text_percent(busiest, json_number(now, "load")),
            json_array_size(json_object_get(status, "workers")),
            text_percent(mean, json_number(now, "load_mean")));
    print_tables(json_object_get(status, "tables"), out);
    print_interval(status, out);
    print_ports(json_object_get(status, "ports"), out);
    fprintf(out, "config    %s\n", json_text(status, "config"));
}

/* stats, drops ----------------------------------------------------------------------------- */

static void print_counters(const char *whose, const json_t *counters, FILE *out)
{
    const struct table_column columns[] = {
        {whose, "name", table_text},
        {">TOTAL", "total", table_exact},
        {">PER SECOND", "rate", table_count},
        {"MEANING", "help", table_text},
        {0},
    };

    table_print(columns, counters, out);
}

void render_stats(const json_t *result, FILE *out)
{
    const json_t *workers = json_object_get(result, "counters");
    const json_t *xdp = json_object_get(result, "xdp");

    if (json_array_size(workers) == 0 && json_array_size(xdp) == 0)
        fputs("no counter moved in the last second\n", out);
    if (json_array_size(workers) > 0)
        print_counters("WORKERS", workers, out);
    if (json_array_size(workers) > 0 && json_array_size(xdp) > 0)
        fputc('\n', out);
    if (json_array_size(xdp) > 0)
        print_counters("XDP", xdp, out);
}

static const struct table_column drop_columns[] = {
    {"WHERE", "where", table_text},
    {"REASON", "reason", table_text},
    {">PER SECOND", "rate", table_count},
    {">TOTAL", "total", table_exact},
    {">SHARE", "share", table_percent},
    {"MEANING", "help", table_text},
    {0},
};

void render_drops(const json_t *result, FILE *out)
{
    double received = json_number(result, "received");
    json_t *rows = json_deep_copy(json_object_get(result, "drops")), *row;
    size_t i;

    json_array_foreach(rows, i, row)
    {
        double share = received > 0 ? json_number(row, "total") / received : 0;

        json_object_set_new(row, "share", json_real(share));
    }
    if (json_array_size(rows) > 0)
        table_print(drop_columns, rows, out);
    else
        fputs("nothing was dropped\n", out);
    json_decref(rows);
}

/* workers, ports --------------------------------------------------------------------------- */

static const char *state_of(const json_t *worker, const char *member, char *text)
{
    return json_flag(worker, member) ? "running" : "STUCK";
}

static const struct table_column worker_columns[] = {
    {"WORKER", "worker", table_whole},
    {">CORE", "core", table_whole},
    {">NODE", "numa_node", table_whole},
    {"STATE", "alive", state_of},
    {">LOAD", "load", table_percent},
    {">IN/S", "received", table_count},
    {">OUT/S", "sent", table_count},
    {">DROPPED/S", "dropped", table_count},
    {">BURST", "burst_mean", table_tenths},
    {">P50", "service_p50", table_time},
    {">P99", "service_p99", table_time},
    {">TORRENTS", "torrents", table_count},
    {">PEERS", "peers", table_count},
    {">MEMORY", "memory_used", table_bytes},
    {0},
};

void render_workers(const json_t *result, FILE *out)
{
    table_print(worker_columns, json_object_get(result, "workers"), out);
}

static const char *link_of(const json_t *port, const char *member, char *text)
{
    return json_flag(port, member) ? "up" : "DOWN";
}

static const char *errors_of(const json_t *port, const char *member, char *text)
{
    return text_exact(text, json_whole(port, "rx_errors") + json_whole(port, "tx_errors"));
}

static const char *share_free(const json_t *port, const char *member, char *text)
{
    double total = json_number(port, "mbufs_total");

    return text_percent(text, total > 0 ? json_number(port, member) / total : 0);
}

static const struct table_column port_columns[] = {
    {"PORT", "name", table_text},
    {"DRIVER", "driver", table_text},
    {"XDP", "xdp", table_text},
    {"LINK", "link_up", link_of},
    {">QUEUES", "queues", table_whole},
    {">MTU", "mtu", table_whole},
    {">IN/S", "rx_rate", table_count},
    {">IN BIT/S", "rx_bytes_rate", table_bits},
    {">OUT/S", "tx_rate", table_count},
    {">OUT BIT/S", "tx_bytes_rate", table_bits},
    {">MISSED", "rx_missed", table_exact},
    {">ERRORS", NULL, errors_of},
    {">NO BUFFER", "rx_no_mbuf", table_exact},
    {">BUFFERS FREE", "mbufs_free", share_free},
    {0},
};

void render_ports(const json_t *result, FILE *out)
{
    table_print(port_columns, json_object_get(result, "ports"), out);
}

/* What was done ---------------------------------------------------------------------------- */

void render_drain(const json_t *result, FILE *out)
{
    fputs("draining: clients are told the longest interval, /healthz says so\n", out);
}

void render_undrain(const json_t *result, FILE *out)
{
    fputs("back to work\n", out);
}

void render_shutdown(const json_t *result, FILE *out)
{
    fputs("stopping\n", out);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* status, stats, drops, workers, ports, drain, undrain, shutdown */
#include <string.h>

#include "render.h"
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

static void print_counters(const char *header, const json_t *counters, FILE *out)
{
    struct table *table = table_new(header);
    const json_t *counter;
    char total[TEXT_SIZE], rate[TEXT_SIZE];
    size_t i;

    json_array_foreach(counters, i, counter)
    {
        table_cell(table, "%s", json_text(counter, "name"));
        table_cell(table, "%s", text_exact(total, json_whole(counter, "total")));
        table_cell(table, "%s", text_count(rate, json_number(counter, "rate")));
        table_cell(table, "%s", json_text(counter, "help"));
    }
    table_print(table, out);
}

void render_stats(const json_t *result, FILE *out)
{
    const json_t *workers = json_object_get(result, "counters");
    const json_t *xdp = json_object_get(result, "xdp");

    if (json_array_size(workers) == 0 && json_array_size(xdp) == 0)
        fputs("no counter moved in the last second\n", out);
    if (json_array_size(workers) > 0)
        print_counters("WORKERS|>TOTAL|>PER SECOND|MEANING", workers, out);
    if (json_array_size(workers) > 0 && json_array_size(xdp) > 0)
        fputc('\n', out);
    if (json_array_size(xdp) > 0)
        print_counters("XDP|>TOTAL|>PER SECOND|MEANING", xdp, out);
}

void render_drops(const json_t *result, FILE *out)
{
    const json_t *drops = json_object_get(result, "drops"), *drop;
    double received = json_number(result, "received");
    char total[TEXT_SIZE], rate[TEXT_SIZE], share[TEXT_SIZE];
    struct table *table;
    size_t i;

    if (json_array_size(drops) == 0) {
        fputs("nothing was dropped\n", out);
        return;
    }
    table = table_new("WHERE|REASON|>PER SECOND|>TOTAL|>SHARE|MEANING");
    json_array_foreach(drops, i, drop)
    {
        double count = json_number(drop, "total");

        table_cell(table, "%s", json_text(drop, "where"));
        table_cell(table, "%s", json_text(drop, "reason"));
        table_cell(table, "%s", text_count(rate, json_number(drop, "rate")));
        table_cell(table, "%s", text_exact(total, json_whole(drop, "total")));
        table_cell(table, "%s", text_percent(share, received > 0 ? count / received : 0));
        table_cell(table, "%s", json_text(drop, "help"));
    }
    table_print(table, out);
}

/* workers, ports --------------------------------------------------------------------------- */

void render_workers(const json_t *result, FILE *out)
{
    struct table *table = table_new("WORKER|>CORE|>NODE|STATE|>LOAD|>IN/S|>OUT/S|>DROPPED/S|>BURST|"
                                    ">P50|>P99|>TORRENTS|>PEERS|>MEMORY");
    const json_t *worker;
    char text[TEXT_SIZE];
    size_t i;

    json_array_foreach(json_object_get(result, "workers"), i, worker)
    {
        table_cell(table, "%lld", (long long)json_whole(worker, "worker"));
        table_cell(table, "%lld", (long long)json_whole(worker, "core"));
        table_cell(table, "%lld", (long long)json_whole(worker, "numa_node"));
        table_cell(table, "%s", json_flag(worker, "alive") ? "running" : "STUCK");
        table_cell(table, "%s", text_percent(text, json_number(worker, "load")));
        table_cell(table, "%s", text_count(text, json_number(worker, "received")));
        table_cell(table, "%s", text_count(text, json_number(worker, "sent")));
        table_cell(table, "%s", text_count(text, json_number(worker, "dropped")));
        table_cell(table, "%.1f", json_number(worker, "burst_mean"));
        table_cell(table, "%s", text_time(text, json_number(worker, "service_p50")));
        table_cell(table, "%s", text_time(text, json_number(worker, "service_p99")));
        table_cell(table, "%s", text_count(text, json_number(worker, "torrents")));
        table_cell(table, "%s", text_count(text, json_number(worker, "peers")));
        table_cell(table, "%s", text_bytes(text, json_number(worker, "memory_used")));
    }
    table_print(table, out);
}

void render_ports(const json_t *result, FILE *out)
{
    struct table *table =
        table_new("PORT|DRIVER|XDP|LINK|>QUEUES|>MTU|>IN/S|>IN BIT/S|>OUT/S|>OUT BIT/S|"
                  ">MISSED|>ERRORS|>NO BUFFER|>BUFFERS FREE");
    const json_t *port;
    char text[TEXT_SIZE];
    size_t i;

    json_array_foreach(json_object_get(result, "ports"), i, port)
    {
        double total = json_number(port, "mbufs_total");

        table_cell(table, "%s", json_text(port, "name"));
        table_cell(table, "%s", json_text(port, "driver"));
        table_cell(table, "%s", json_text(port, "xdp"));
        table_cell(table, "%s", json_flag(port, "link_up") ? "up" : "DOWN");
        table_cell(table, "%lld", (long long)json_whole(port, "queues"));
        table_cell(table, "%lld", (long long)json_whole(port, "mtu"));
        table_cell(table, "%s", text_count(text, json_number(port, "rx_rate")));
        table_cell(table, "%s", text_bits(text, json_number(port, "rx_bytes_rate")));
        table_cell(table, "%s", text_count(text, json_number(port, "tx_rate")));
        table_cell(table, "%s", text_bits(text, json_number(port, "tx_bytes_rate")));
        table_cell(table, "%s", text_exact(text, json_whole(port, "rx_missed")));
        table_cell(table, "%s",
                   text_exact(text, json_whole(port, "rx_errors") + json_whole(port, "tx_errors")));
        table_cell(table, "%s", text_exact(text, json_whole(port, "rx_no_mbuf")));
        table_cell(table, "%s",
                   text_percent(text, total > 0 ? json_number(port, "mbufs_free") / total : 0));
    }
    table_print(table, out);
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

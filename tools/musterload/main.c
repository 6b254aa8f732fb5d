/* SPDX-License-Identifier: BSD-3-Clause */
/* musterload: load for a tracker, and a check of every reply. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "../../dataplane/eal.h"
#include "../../dataplane/memif.h"
#include "../workload/report.h"
#include "load.h"

enum {
    ERROR_SIZE = 512,
    IN_FLIGHT = 8192, /* packets that wait in the program or in the port */
    LINK_SECONDS = 10,
};

static void on_signal(int number)
{
    load_stop = 1;
}

static int open_port(struct options *options, struct port *port)
{
    struct port_memory memory = {.in_flight = IN_FLIGHT};
    struct dataplane_port_config *config = &options->dataplane.ports[0];
    char error[ERROR_SIZE];
    int code;

    code =
        eal_start(&options->dataplane, port_memory_size(config, IN_FLIGHT), error, sizeof(error));
    if (!code)
        code = port_open(port, config, 0, RECEIVE_OBJECT, &memory, error, sizeof(error));
    if (!code && (code = port_start(port, error, sizeof(error))))
        port_close(port);
    if (code)
        fprintf(stderr, "musterload: %s\n", error);
    return code;
}

/* memif's other side may still be on its way. */
static bool wait_for_link(const struct port *port)
{
    struct rte_eth_link link;

    for (unsigned i = 0; i < LINK_SECONDS * 100 && !load_stop; i++) {
        if (rte_eth_link_get_nowait(port->id, &link) == 0 && link.link_status)
            return true;
        if (i == 0)
            fprintf(stderr, "musterload: waiting for the other side\n");
        rte_delay_us_sleep(10000);
    }
    return false;
}

/* Each frame back as it is. */
static void bounce(const struct port *port)
{
    while (!load_stop) {
        struct rte_mbuf *mbufs[LOAD_BURST];
        uint16_t count = rte_eth_rx_burst(port->id, 0, mbufs, LOAD_BURST), sent;

        sent = rte_eth_tx_burst(port->id, 0, mbufs, count);
        rte_pktmbuf_free_bulk(mbufs + sent, (unsigned)(count - sent));
        memif_pass(LOAD_READER);
    }
}

static void report_latency(struct report *report, const struct load *load)
{
    static const struct {
        double share;
        const char *key, *label;
    } rows[] = {
        {0.5, "p50_us", "latency, p50"},
        {0.99, "p99_us", "latency, p99"},
        {0.999, "p999_us", "latency, p99.9"},
    };
    double microsecond = load->ticks_per_second * 1e-6;

    for (unsigned i = 0; i < 3; i++)
        report_number(report, rows[i].key, rows[i].label,
                      histogram_quantile(&load->check.latency, rows[i].share) / microsecond, 1,
                      "us");
    report_number(report, "max_us", "latency, longest",
                  (double)load->check.latency.max / microsecond, 1, "us");
}

static void report_step(struct report *report, const struct load *load, double rate,
                        const struct load_result *result)
{
    const uint64_t *replies = load->check.replies;
    uint64_t requests = 0;
    char title[64];

    for (unsigned kind = 0; kind < KIND_COUNT; kind++)
        requests += result->sent.requests[kind];
    if (rate > 0)
        snprintf(title, sizeof(title), "Open loop, %.0f requests/s", rate);
    else
        snprintf(title, sizeof(title), "Closed loop, %u unanswered", load->window);
    report_section(report, title);
    report_step_begin(report);
    report_number(report, "rate_wanted", "requests/s wanted (0: closed loop)", rate, 0, "");
    report_number(report, "window", "unanswered at most, in closed loop", load->window, 0, "");
    report_number(report, "requests_per_second", "requests/s sent",
                  (double)requests / result->seconds, 0, "");
    report_number(report, "replies_per_second", "replies/s",
                  (double)result->replies / result->seconds, 0, "");
    report_number(report, "busy_percent", "this program was busy", 100 * result->busy, 0, "%");
    if (load->options->server_pid)
        report_number(report, "server_seconds", "processor time of the server",
                      result->server_seconds, 2, "s");
    report_number(report, "requests", "requests sent", (double)requests, 0, "");
    report_number(report, "connects", "  answered: connects", (double)replies[KIND_CONNECT], 0, "");
    report_number(report, "announces", "  answered: announces", (double)replies[KIND_ANNOUNCE], 0,
                  "");
    report_number(report, "scrapes", "  answered: scrapes", (double)replies[KIND_SCRAPE], 0, "");
    report_number(report, "invalid", "  invalid, unanswered",
                  (double)result->sent.requests[KIND_INVALID], 0, "");
    report_number(report, "lost", "  lost", (double)result->lost, 0, "");
    report_number(report, "refused", "refused by a full port", (double)result->sent.refused, 0, "");
    report_number(report, "late", "left out: this program was late", (double)result->sent.late, 0,
                  "");
    report_number(report, "peers_per_reply", "peers per announce's reply",
                  (double)load->check.peers /
                      (double)(replies[KIND_ANNOUNCE] ? replies[KIND_ANNOUNCE] : 1),
                  2, "");
    report_latency(report, load);
    report_step_end(report);
}

/* Returns how many there were. */
static uint64_t report_checks(struct report *report, struct load *load)
{
    uint64_t *results = load->check.results, wrong = 0;

    if (results[CHECK_LATE] > load->unanswered->lost_ever) {
        results[CHECK_twice] = results[CHECK_LATE] - load->unanswered->lost_ever;
        results[CHECK_LATE] = load->unanswered->lost_ever;
    }
    report_section(report, "Checks of all replies, population included");
    report_number(report, "replies_right", "right", (double)results[CHECK_OK], 0, "");
    report_number(report, "replies_late", check_help(CHECK_LATE), (double)results[CHECK_LATE], 0,
                  "");
    for (enum check_result result = CHECK_LATE + 1; result < CHECK_RESULTS; result++) {
        char key[64];

        wrong += results[result];
        if (results[result] == 0)
            continue;
        snprintf(key, sizeof(key), "wrong_%s", check_name(result));
        report_number(report, key, check_help(result), (double)results[result], 0, "");
    }
    report_number(report, "replies_wrong", "wrong", (double)wrong, 0, "");
    return wrong;
}

static int write_hashes(const struct workload *workload, const char *path)
{
    FILE *file = fopen(path, "w");

    if (!file) {
        perror(path);
        return 1;
    }
    for (uint32_t torrent = 0; torrent < workload->torrents; torrent++) {
        uint8_t info_hash[BEP15_INFO_HASH_SIZE];

        workload_info_hash(torrent, info_hash);
        for (unsigned i = 0; i < sizeof(info_hash); i++)
            fprintf(file, "%02x", info_hash[i]);
        fputc('\n', file);
    }
    if (fclose(file) == 0)
        return 0;
    perror(path);
    return 1;
}

static double rate_of(const struct options_step *step, double best)
{
    return step->kind == STEP_MAX       ? 0
           : step->kind == STEP_PERCENT ? step->value / 100 * best
                                        : step->value;
}

static int complain(const char *what)
{
    fprintf(stderr, "musterload: %s\n", what);
    return 1;
}

static int run_load(struct load *load, const struct options *options)
{
    struct load_result result = {0};
    struct report report;
    double best = 0;
    uint64_t wrong;

    if (options->populate && !load_populate(load))
        return complain(load->unlinked ? "the other side is gone"
                                       : "the tracker doesn't answer, or not everybody");
    report_begin(&report, options->json);
    report_text(&report, "workload", "workload", options->workload.name);
    report_number(&report, "peers", "peers", options->workload.peers, 0, "");
    report_steps_begin(&report, "steps");
    for (unsigned i = 0; i < options->steps_count && !result.interrupted; i++) {
        const struct options_step *step = &options->steps[i];
        double rate = rate_of(step, best);

        load_run(load, rate, step->window ? step->window : options->window, &result);
        report_step(&report, load, rate, &result);
        if ((double)result.replies / result.seconds > best)
            best = (double)result.replies / result.seconds;
    }
    report_steps_end(&report);
    wrong = report_checks(&report, load);
    report_end(&report);
    if (load->unlinked)
        return complain("the other side is gone");
    return wrong > 0 && !options->lenient ? 1 : 0;
}

static int run(const struct options *options, struct port *port)
{
    struct load *load;
    int status;

    if (options->bounce) {
        bounce(port);
        return 0;
    }
    load = malloc(sizeof(*load));
    if (!load || load_init(load, options, port)) {
        fprintf(stderr, "musterload: no memory for %u clients\n", options->workload.peers);
        free(load);
        return 1;
    }
    status = sample_open(&load->sample, options->samples);
    if (status)
        fprintf(stderr, "musterload: %s: %s\n", options->samples, strerror(-status));
    else
        status = run_load(load, options);
    sample_close(&load->sample);
    load_free(load);
    free(load);
    return status ? 1 : 0;
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = on_signal};
    static struct options options;
    struct port port;
    int status = options_parse(argc, argv, &options);

    if (status)
        return status > 0 ? 0 : 2;
    if (options.hashes_file)
        return write_hashes(&options.workload, options.hashes_file);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    if (open_port(&options, &port))
        return 1;
    if (wait_for_link(&port)) {
        memif_join(LOAD_READER);
        status = run(&options, &port);
        memif_leave(LOAD_READER);
    } else {
        fprintf(stderr, "musterload: %s has no link\n", options.dataplane.ports[0].device);
        status = 1;
    }
    port_stop(&port);
    port_close(&port);
    eal_stop();
    return status;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* musterbench table: announces a second and bytes a peer of one worker. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../workload/histogram.h"
#include "../workload/option_table.h"
#include "../workload/report.h"
#include "bench.h"
#include "rig.h"
#include "slices.h"
#include "taker.h"

enum {
    PARTS = 10, /* of the time measured: the median of them is reported */
    MEMORY_HEADROOM = 5,
};

struct options {
    struct workload workload;
    bool json, slices, deltas, tables_only, offload, limits;
    double seconds;
    unsigned core, frames, headroom;
    enum machine_pages pages;
};

/* What one part of the time measured came to. */
struct part {
    uint64_t ticks, announces, requests;
    struct machine_counts counts;
};

struct bench {
    const struct options *options;
    struct rig rig;
    struct workload_census census;
    struct swarms_announce **announces; /* tables_only: what is asked of the tables */
    struct machine_counters hardware;
    bool has_hardware;
    double populate_seconds;
    struct histogram bursts; /* ticks */
    struct slices slices;
    struct part parts[PARTS];
};

static const char usage_text[] =
    "usage: musterbench table WORKLOAD [OPTION...]\n"
    "\n"
    "Announces everybody once, then serves random requests: parse, admit, steer, look up, act, "
    "reply.\n"
    "Writing the requests is not in the time measured.\n"
    "\n"
    "  WORKLOAD          %s\n"
    "  --seconds N       seconds measured, in ten parts whose median is reported (5)\n"
    "  --torrents N      instead of the workload's own\n"
    "  --peers N         likewise\n"
    "  --headroom N      percent by which the tables' caps exceed the population (5)\n"
    "  --tables-only     no parsing and no replying: only what the tables cost\n"
    "  --offload         checksums of replies are left to the NIC\n"
    "  --limits          with the rate limits of a port that has no XDP in front\n"
    "  --slices          expiry and export between the bursts, and how long they take\n"
    "  --deltas          what it costs to tell each announce to another core, for a fleet\n"
    "  --pages 1g|2m|4k  try these first (2m)\n"
    "  --frames N        frames in the ring, a multiple of 32 (2048)\n"
    "  --core N          pin to this core (1, if there are two)\n"
    "  --json            for scripts\n";

static bool options_sound(const struct options *options)
{
    return options->seconds > 0 && options->frames >= RIG_BURST &&
           options->frames % RIG_BURST == 0 && options->workload.peers < WORKLOAD_PEERS_MAX &&
           !(options->deltas && options->tables_only);
}

/* As option_table_read(). */
static int parse_options(int argc, char **argv, struct options *options)
{
    uint32_t torrents = 0, peers = 0;
    const struct option_row table[] = {
        {"seconds", .seconds = &options->seconds},
        {"torrents", .number = &torrents},
        {"peers", .number = &peers},
        {"headroom", .number = &options->headroom},
        {"tables-only", .flag = &options->tables_only},
        {"offload", .flag = &options->offload},
        {"limits", .flag = &options->limits},
        {"slices", .flag = &options->slices},
        {"deltas", .flag = &options->deltas},
        {"pages", .parse = machine_pages_parse, .into = &options->pages},
        {"frames", .number = &options->frames},
        {"core", .number = &options->core},
        {"json", .flag = &options->json},
        {0},
    };
    int parsed;

    *options = (struct options){.seconds = 5,
                                .core = 1,
                                .frames = RIG_FRAMES_DEFAULT,
                                .headroom = MEMORY_HEADROOM,
                                .pages = MACHINE_PAGES_2M};
    parsed = option_table_read(argc, argv, table, 1);
    if (parsed != 0)
        return parsed;
    if (workload_find(argv[optind], &options->workload))
        return -1;
    workload_scale(&options->workload, torrents, peers);
    return options_sound(options) ? 0 : -1;
}

/* Instead of a burst through the pipeline: the tables alone, asked by hand. */
static void prepare_tables_only(struct bench *bench)
{
    struct rig *rig = &bench->rig;

    for (unsigned i = 0; i < rig->frames; i += RIG_BURST) {
        pipeline_begin(&rig->pipeline);
        pipeline_parse(&rig->pipeline, rig->requests + i, RIG_BURST);
        pipeline_admit(&rig->pipeline);
        pipeline_steer(&rig->pipeline);
    }
}

static void serve_tables(struct bench *bench, unsigned first)
{
    struct swarms *swarms = bench->rig.pipeline.swarms;

    for (unsigned i = first; i < first + RIG_BURST; i++)
        swarms_expect(swarms, bench->announces[i]->hash);
    swarms_announce(swarms, bench->announces + first, RIG_BURST, bench->rig.pipeline.now);
}

/* One burst; it ends at the tick returned. A symbol of its own, for profilers to go by. */
static __attribute__((noinline)) uint64_t serve(struct bench *bench, unsigned first)
{
    if (bench->options->tables_only)
        serve_tables(bench, first);
    else
        rig_serve(&bench->rig, first, RIG_BURST);
    return machine_ticks();
}

/* Serves the ring once, and adds to the part's sums. */
static void serve_ring(struct bench *bench, struct part *part, struct slices *slices)
{
    struct histogram *bursts = slices ? &slices->bursts : &bench->bursts;
    struct machine_counts before, after;
    uint64_t begin, last;

    machine_counters_read(&bench->hardware, &before);
    begin = last = machine_ticks();
    for (unsigned first = 0; first < bench->rig.frames; first += RIG_BURST) {
        uint64_t now;

        if (slices)
            slices_run(slices, &bench->rig);
        now = serve(bench, first);
        histogram_add(bursts, now - last);
        last = now;
    }
    machine_counters_read(&bench->hardware, &after);
    part->ticks += last - begin;
    part->announces += bench->rig.announces;
    part->requests += bench->rig.frames;
    part->counts.cycles += after.cycles - before.cycles;
    part->counts.instructions += after.instructions - before.instructions;
    part->counts.misses += after.misses - before.misses;
}

static void measure_part(struct bench *bench, struct part *part, struct slices *slices)
{
    double ticks = bench->options->seconds / PARTS * machine_ticks_per_second();

    while ((double)part->ticks < ticks) {
        rig_fill(&bench->rig);
        if (bench->options->tables_only)
            prepare_tables_only(bench);
        serve_ring(bench, part, slices);
    }
}

static void measure(struct bench *bench, struct slices *slices)
{
    memset(bench->parts, 0, sizeof(bench->parts));
    for (unsigned i = 0; i < PARTS; i++)
        measure_part(bench, &bench->parts[i], slices);
}

/* The tables are asked for announces alone: of the other requests there are none, then. */
static int tables_only_init(struct bench *bench, struct workload *workload)
{
    workload->connects = workload->scrapes = 0;
    bench->announces = malloc(bench->rig.frames * sizeof(*bench->announces));
    if (!bench->announces)
        return -1;
    for (unsigned i = 0; i < bench->rig.frames; i++)
        bench->announces[i] = &bench->rig.requests[i]->announce;
    return 0;
}

static int setup(struct bench *bench, struct options *options)
{
    struct rig_config config = {
        .workload = &options->workload,
        .frames = options->frames,
        .workers = 1,
        .offload = options->offload,
        .rate_limits = options->limits,
        .pages = options->pages,
        .seed = 1,
    };
    double begin;
    int error;

    bench->options = options;
    if (machine_pin(options->core))
        machine_pin(0);
    error = workload_count(&options->workload, &bench->census);
    if (!error) {
        workload_limits(&bench->census, options->headroom, &config.limits);
        error = rig_init(&bench->rig, &config);
    }
    if (!error && options->tables_only)
        error = tables_only_init(bench, &options->workload);
    if (error) {
        fprintf(stderr, "musterbench: no memory for the tables (%s)\n", strerror(-error));
        return -1;
    }
    begin = machine_seconds();
    rig_populate(&bench->rig);
    bench->populate_seconds = machine_seconds() - begin;
    bench->has_hardware = machine_counters_open(&bench->hardware);
    return 0;
}

/* Of the parts: median, least and most announces a second. */
static void announce_rates(const struct bench *bench, double rates[3])
{
    double values[PARTS];

    for (unsigned i = 0; i < PARTS; i++)
        values[i] = (double)bench->parts[i].announces * machine_ticks_per_second() /
                    (double)bench->parts[i].ticks;
    rates[0] = report_median(values, PARTS);
    rates[1] = values[0];
    rates[2] = values[PARTS - 1];
}

static void report_setup(const struct bench *bench, struct report *report)
{
    const struct options *options = bench->options;
    const struct workload_census *census = &bench->census;

    report_section(report, "Population");
    report_text(report, "workload", "workload", options->workload.name);
    report_text(report, "processor", "processor", machine_processor());
    report_text(report, "pages", "pages of the tables", machine_pages_name(bench->rig.table_pages));
    report_number(report, "torrents", "torrents (swarms)",
                  (double)census->swarms[0] + census->swarms[1], 0, "");
    report_number(report, "peers_ipv4", "IPv4 peers", census->peers[SWARMS_IPV4], 0, "");
    report_number(report, "peers_ipv6", "IPv6 peers", census->peers[SWARMS_IPV6], 0, "");
    report_number(report, "largest_swarm", "largest swarm", census->largest, 0, "peers");
    report_number(report, "populate_seconds", "announcing everybody once took",
                  bench->populate_seconds, 1, "s");
}

static void report_memory(const struct bench *bench, struct report *report)
{
    const struct swarms_counters *counters = swarms_counters(bench->rig.pipeline.swarms);
    double peers = (double)(counters->peers[0] + counters->peers[1]);
    double torrents = (double)(counters->torrents[0] + counters->torrents[1]);
    double used = (double)counters->memory_used;

    report_section(report, "Memory");
    report_number(report, "peers_stored", "peers in the tables", peers, 0, "");
    report_number(report, "torrents_stored", "torrents in the tables", torrents, 0, "");
    report_number(report, "memory_used", "used", used, 0, "bytes");
    report_number(report, "memory_reserved", "reserved", (double)counters->memory_reserved, 0,
                  "bytes");
    report_number(report, "bytes_per_peer", "used, per peer", used / peers, 2, "bytes");
    report_number(report, "bytes_per_torrent", "used, per torrent", used / torrents, 2, "bytes");
    report_number(report, "reserved_per_peer", "reserved, per peer",
                  (double)counters->memory_reserved / peers, 2, "bytes");
    report_number(report, "resident", "whole process", (double)machine_resident(), 0, "bytes");
    report_number(report, "torrents_evicted", "torrents evicted",
                  (double)counters->torrents_evicted, 0, "");
    report_number(report, "peers_refused", "peers refused", (double)counters->peers_refused, 0, "");
}

static void report_hardware(const struct bench *bench, struct report *report, double announces)
{
    struct machine_counts sum = {0};

    if (!bench->has_hardware)
        return;
    for (unsigned i = 0; i < PARTS; i++) {
        sum.cycles += bench->parts[i].counts.cycles;
        sum.instructions += bench->parts[i].counts.instructions;
        sum.misses += bench->parts[i].counts.misses;
    }
    report_number(report, "cycles_per_announce", "cycles per announce",
                  (double)sum.cycles / announces, 1, "");
    report_number(report, "instructions_per_announce", "instructions per announce",
                  (double)sum.instructions / announces, 1, "");
    report_number(report, "misses_per_announce", "last-level cache misses per announce",
                  (double)sum.misses / announces, 2, "");
}

static void report_speed(const struct bench *bench, struct report *report)
{
    double hertz = machine_ticks_per_second(), microsecond = hertz * 1e-6;
    double rates[3], announces = 0, requests = 0;

    for (unsigned i = 0; i < PARTS; i++) {
        announces += (double)bench->parts[i].announces;
        requests += (double)bench->parts[i].requests;
    }
    announce_rates(bench, rates);
    report_section(report, bench->options->tables_only ? "Speed of the tables alone" : "Speed");
    report_number(report, "announces_per_second", "announces/s (median)", rates[0], 0, "");
    report_number(report, "announces_per_second_min", "  least of ten parts", rates[1], 0, "");
    report_number(report, "announces_per_second_max", "  most", rates[2], 0, "");
    report_number(report, "requests_per_second", "requests/s, connects and scrapes included",
                  rates[0] * requests / announces, 0, "");
    report_number(report, "ns_per_announce", "time per announce", 1e9 / rates[0], 1, "ns");
    report_number(report, "ticks_per_announce", "  in ticks of the time stamp counter",
                  hertz / rates[0], 1, "");
    report_hardware(bench, report, announces);
    report_number(report, "burst_p50_us", "burst of 32, p50",
                  histogram_quantile(&bench->bursts, 0.5) / microsecond, 1, "us");
    report_number(report, "burst_p999_us", "burst of 32, p99.9",
                  histogram_quantile(&bench->bursts, 0.999) / microsecond, 1, "us");
}

/* Peers told per announce since the counters were last cleared. */
static void report_replies(const struct bench *bench, struct report *report, uint64_t peers,
                           double announces)
{
    if (!bench->options->tables_only)
        report_number(report, "peers_per_reply", "peers per reply", (double)peers / announces, 2,
                      "");
}

/* Announces a second of a part in which each is told on; NULL: to nobody. */
static double rate_telling(struct bench *bench, struct deltas *deltas)
{
    struct part part = {0};

    bench->rig.pipeline.deltas = deltas;
    measure_part(bench, &part, NULL);
    bench->rig.pipeline.deltas = NULL;
    return (double)part.announces * machine_ticks_per_second() / (double)part.ticks;
}

/* With and without in turn: what else the machine does concerns both. */
static void compare_telling(struct bench *bench, struct report *report)
{
    double with[PARTS], without[PARTS], told, usual;
    struct taker taker;
    int error = taker_start(&taker, bench->options->core ? 0 : 1);

    if (error) {
        fprintf(stderr, "musterbench: nobody to tell: %s\n", strerror(-error));
        return;
    }
    for (unsigned i = 0; i < PARTS; i++) {
        without[i] = rate_telling(bench, NULL);
        with[i] = rate_telling(bench, taker.deltas);
    }
    taker_stop(&taker);
    usual = report_median(without, PARTS);
    told = report_median(with, PARTS);
    report_section(report, "Each announce told to another core, against none");
    report_number(report, "untold_per_second", "announces/s, none told (median)", usual, 0, "");
    report_number(report, "told_per_second", "announces/s, each told (median)", told, 0, "");
    report_number(report, "told_percent", "  of the rate of none", 100 * told / usual, 1, "%");
    report_number(report, "ns_per_delta", "  time to tell one", 1e9 / told - 1e9 / usual, 1, "ns");
    report_number(report, "deltas_taken", "taken", (double)taker.taken, 0, "");
    report_number(report, "deltas_lost", "lost: ring full", (double)taker.lost, 0, "");
}

static void run(struct bench *bench, struct report *report)
{
    double announces = 0;
    uint64_t peers;

    report_setup(bench, report);
    report_memory(bench, report);
    bench->rig.counters[COUNTER_peers_sent] = 0;
    measure(bench, NULL);
    peers = bench->rig.counters[COUNTER_peers_sent];
    for (unsigned i = 0; i < PARTS; i++)
        announces += (double)bench->parts[i].announces;
    report_speed(bench, report);
    report_replies(bench, report, peers, announces);
    if (bench->options->slices && slices_init(&bench->slices, &bench->rig) == 0) {
        measure(bench, &bench->slices);
        slices_report(&bench->slices, report, &bench->bursts);
        slices_free(&bench->slices);
    }
    if (bench->options->deltas)
        compare_telling(bench, report);
    for (unsigned i = 0; i < COUNTERS_DROP_KINDS; i++)
        if (bench->rig.counters[i] > 0)
            report_number(report, "dropped", "DROPPED", (double)bench->rig.counters[i], 0, "");
}

int bench_table(int argc, char **argv)
{
    struct options options;
    struct report report;
    struct bench *bench;
    int parsed = parse_options(argc, argv, &options);

    if (parsed) {
        fprintf(parsed > 0 ? stdout : stderr, usage_text, workload_names());
        return parsed > 0 ? 0 : 2;
    }
    bench = calloc(1, sizeof(*bench));
    if (!bench || setup(bench, &options))
        return 1;
    report_begin(&report, options.json);
    run(bench, &report);
    report_end(&report);
    machine_counters_close(&bench->hardware);
    rig_free(&bench->rig);
    free(bench->announces);
    free(bench);
    return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* musterbench handoff: what a second worker is worth, with hand-off by owner between them. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../workload/option_table.h"
#include "../workload/report.h"
#include "bench.h"
#include "team.h"

enum {
    PARTS = 10, /* of the time measured: the median of them is reported */
    FRAMES_DEFAULT = 16384,
    MEMORY_HEADROOM = 10, /* percent; the owners' shares differ a little */
};

struct options {
    struct workload workload;
    bool json;
    double seconds;
    unsigned workers, frames;
    enum machine_pages pages;
};

/* What one size of the team came to. */
struct result {
    double median, least, most; /* announces a second */
    double handed_off;          /* share of the requests */
    uint64_t handoff_full;
};

static const char usage_text[] =
    "usage: musterbench handoff WORKLOAD [OPTION...]\n"
    "\n"
    "One worker, and then several on cores of their own, each serving random requests from its "
    "own\n"
    "memory and handing off those that another owns.\n"
    "\n"
    "  WORKLOAD      %s\n"
    "  --workers N   how many, against one (2)\n"
    "  --seconds N   seconds measured, of each, in ten parts whose median is reported (5)\n"
    "  --torrents N  instead of the workload's own\n"
    "  --peers N     likewise\n"
    "  --frames N    frames in the ring of each worker, a multiple of 32 (16384)\n"
    "  --json        for scripts\n";

static bool options_sound(const struct options *options)
{
    return options->seconds > 0 && options->workers >= 2 && options->workers <= TEAM_WORKERS_MAX &&
           options->frames >= RIG_BURST && options->frames % RIG_BURST == 0;
}

/* As option_table_read(). */
static int parse_options(int argc, char **argv, struct options *options)
{
    uint32_t torrents = 0, peers = 0;
    const struct option_row table[] = {
        {"workers", .number = &options->workers},
        {"seconds", .seconds = &options->seconds},
        {"torrents", .number = &torrents},
        {"peers", .number = &peers},
        {"frames", .number = &options->frames},
        {"json", .flag = &options->json},
        {0},
    };
    int parsed;

    *options = (struct options){
        .seconds = 5, .workers = 2, .frames = FRAMES_DEFAULT, .pages = MACHINE_PAGES_2M};
    parsed = option_table_read(argc, argv, table, 1);
    if (parsed != 0)
        return parsed;
    if (workload_find(argv[optind], &options->workload))
        return -1;
    workload_scale(&options->workload, torrents, peers);
    return options_sound(options) ? 0 : -1;
}

static void measure(const struct options *options, struct team *team, struct result *result)
{
    double ticks_per_part = options->seconds / PARTS * machine_ticks_per_second();
    uint64_t before = team_counter(team, COUNTER_handed_off), rounds = 0;
    double rates[PARTS];

    for (unsigned part = 0; part < PARTS; part++) {
        uint64_t ticks = 0, announces = 0, dropped = team_handoff_full(team);

        for (; (double)ticks < ticks_per_part; rounds++)
            ticks += team_round(team, &announces);
        announces -= team_handoff_full(team) - dropped;
        rates[part] = (double)announces * machine_ticks_per_second() / (double)ticks;
    }
    result->median = report_median(rates, PARTS);
    result->least = rates[0];
    result->most = rates[PARTS - 1];
    result->handed_off = (double)(team_counter(team, COUNTER_handed_off) - before) /
                         ((double)rounds * options->frames * team->workers);
    result->handoff_full = team_handoff_full(team);
}

static int run_team(const struct options *options, const struct workload_census *census,
                    unsigned workers, struct result *result)
{
    unsigned cores_count = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    unsigned cores[TEAM_WORKERS_MAX];
    struct team_config config = {
        .workers = workers,
        .cores = cores,
        .workload = &options->workload,
        .census = census,
        .frames = options->frames,
        .headroom = MEMORY_HEADROOM,
        .pages = options->pages,
    };
    struct team team;
    int error;

    for (unsigned i = 0; i < workers; i++)
        cores[i] = cores_count - 1 - i % cores_count;
    error = team_start(&team, &config);
    if (error) {
        fprintf(stderr, "musterbench: %u workers: %s\n", workers, strerror(-error));
        return error;
    }
    team_populate(&team);
    measure(options, &team, result);
    team_stop(&team);
    return 0;
}

static void report_result(struct report *report, unsigned workers, const struct result *result)
{
    char key[64], title[64];

    snprintf(title, sizeof(title), "%u worker%s", workers, workers > 1 ? "s" : "");
    report_section(report, title);
    snprintf(key, sizeof(key), "announces_per_second_%u", workers);
    report_number(report, key, "announces/s (median)", result->median, 0, "");
    snprintf(key, sizeof(key), "announces_per_second_%u_min", workers);
    report_number(report, key, "  least of ten parts", result->least, 0, "");
    snprintf(key, sizeof(key), "announces_per_second_%u_max", workers);
    report_number(report, key, "  most", result->most, 0, "");
    if (workers > 1) {
        report_number(report, "handed_off_percent", "requests handed off", 100 * result->handed_off,
                      1, "%");
        report_number(report, "handoff_full", "dropped: ring full", (double)result->handoff_full, 0,
                      "");
    }
}

int bench_handoff(int argc, char **argv)
{
    struct workload_census census;
    struct result one, several;
    struct options options;
    struct report report;
    int parsed = parse_options(argc, argv, &options);

    if (parsed) {
        fprintf(parsed > 0 ? stdout : stderr, usage_text, workload_names());
        return parsed > 0 ? 0 : 2;
    }
    if (workload_count(&options.workload, &census))
        return 1;
    report_begin(&report, options.json);
    report_section(&report, "Population");
    report_text(&report, "workload", "workload", options.workload.name);
    report_text(&report, "processor", "processor", machine_processor());
    if (run_team(&options, &census, 1, &one))
        return 1;
    report_result(&report, 1, &one);
    if (run_team(&options, &census, options.workers, &several))
        return 1;
    report_result(&report, options.workers, &several);
    report_number(&report, "scaling", "  times one worker's", several.median / one.median, 2, "");
    report_end(&report);
    return 0;
}

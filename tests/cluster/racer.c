/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the control plane does to a worker: musterbench's worker, which serves requests in memory as
 * fast as it can, on core 1; store and fleet beside it, on core 0. Commands come as lines on
 * standard input, each answered by one line of JSON:
 *
 *   race SECONDS    announces a second, and how long bursts took, housekeeping in front included
 *   status          as of tests/cluster/appliance.c
 *   quit
 *
 * Takes the options of appliance.c; without --nodes there is no store. --peers is the population,
 * two a torrent.
 */
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "appliance.h"
#include "dataplane/deltas.h"
#include "dataplane/jobs.h"
#include "tables_clock.h"
#include "tools/musterbench/rig.h"
#include "tools/workload/histogram.h"

enum {
    CONTROL_CORE = 0,
    WORKER_CORE = 1,
    HOUSEKEEPING_US = 100, /* as dataplane/worker.c */
    IDLE_US = 50,
    HEADROOM = 5, /* percent of the tables' caps */
    LOOK_MS = 20,
    LINE_SIZE = 128,
};

enum race_state { RACE_NONE, RACE_WANTED, RACE_RUN };

struct dataplane {
    struct rig rig;
    struct worker_jobs jobs;
    bool job; /* to be gone on with */
    struct tables_clock clock;
    pthread_t thread;
    atomic_bool stop;

    atomic_int race;
    double seconds; /* of the race */
    uint64_t ticks, announces, next_housekeeping;
    struct histogram bursts;
};

static struct appliance appliance = {.tables = {.peers_max = 1000000, .deltas = 1 << 17}};
static struct dataplane racer;
static struct workload workload;

/* dataplane.h ---------------------------------------------------------------------------------- */

uint32_t dataplane_now(const struct dataplane *dataplane)
{
    return tables_clock_now(&dataplane->clock);
}

unsigned dataplane_workers(const struct dataplane *dataplane)
{
    return 1;
}

unsigned dataplane_owner(const struct dataplane *dataplane, const uint8_t *info_hash)
{
    return 0;
}

int dataplane_submit(struct dataplane *dataplane, unsigned worker, struct dataplane_job *job)
{
    return jobs_put(&dataplane->jobs, job);
}

struct dataplane_job *dataplane_collect(struct dataplane *dataplane, unsigned worker)
{
    return jobs_collect(&dataplane->jobs);
}

unsigned dataplane_deltas(struct dataplane *dataplane, unsigned worker, struct delta *into,
                          unsigned most, uint64_t *lost)
{
    struct deltas *deltas = dataplane->rig.pipeline.deltas;

    *lost = 0;
    return deltas ? deltas_take(deltas, into, most, lost) : 0;
}

void dataplane_want_only_stops(struct dataplane *dataplane, unsigned worker, bool only_stops)
{
    struct deltas *deltas = dataplane->rig.pipeline.deltas;

    if (deltas)
        deltas_want_only_stops(deltas, only_stops);
}

void tables_counters(struct dataplane *dataplane, struct swarms_counters *sum)
{
    *sum = *swarms_counters(dataplane->rig.pipeline.swarms);
}

/* The worker ----------------------------------------------------------------------------------- */

static bool keep_house(struct dataplane *dataplane)
{
    struct pipeline *pipeline = &dataplane->rig.pipeline;

    pipeline->now = dataplane_now(dataplane);
    return jobs_slice(&dataplane->jobs, pipeline->swarms, &pipeline->settings->timeouts,
                      pipeline->now);
}

static void serve_ring(struct dataplane *dataplane)
{
    struct rig *rig = &dataplane->rig;
    uint64_t pause = (uint64_t)(machine_ticks_per_second() * HOUSEKEEPING_US / 1e6);

    for (unsigned first = 0; first < rig->frames; first += RIG_BURST) {
        uint64_t begin = machine_ticks(), took;

        if (begin >= dataplane->next_housekeeping) {
            dataplane->job = keep_house(dataplane);
            dataplane->next_housekeeping = begin + pause;
        } else if (dataplane->job) {
            jobs_sliver(&dataplane->jobs, rig->pipeline.swarms, rig->pipeline.now);
        }
        rig_serve(rig, first, RIG_BURST);
        took = machine_ticks() - begin;
        histogram_add(&dataplane->bursts, took);
        dataplane->ticks += took;
    }
    dataplane->announces += rig->announces;
}

static void run_race(struct dataplane *dataplane)
{
    double until = machine_seconds() + dataplane->seconds;

    memset(&dataplane->bursts, 0, sizeof(dataplane->bursts));
    dataplane->ticks = dataplane->announces = 0;
    while (machine_seconds() < until) {
        rig_fill(&dataplane->rig);
        serve_ring(dataplane);
    }
    atomic_store(&dataplane->race, RACE_RUN);
}

static void *run(void *user)
{
    struct dataplane *dataplane = user;

    machine_pin(WORKER_CORE);
    while (!atomic_load(&dataplane->stop)) {
        if (atomic_load(&dataplane->race) == RACE_WANTED)
            run_race(dataplane);
        else if (!keep_house(dataplane))
            nanosleep(&(struct timespec){.tv_nsec = IDLE_US * 1000}, NULL);
    }
    return NULL;
}

static void *aligned(size_t size)
{
    return aligned_alloc(64, (size + 63) & ~(size_t)63);
}

static bool start_worker(struct dataplane *dataplane, const struct tables_config *config)
{
    struct rig_config rig = {.workload = &workload,
                             .frames = RIG_FRAMES_DEFAULT,
                             .workers = 1,
                             .pages = MACHINE_PAGES_2M,
                             .seed = 1};
    struct workload_census census;

    workload_find("aquatic", &workload);
    workload_scale(&workload, (uint32_t)(config->peers_max / 2), (uint32_t)config->peers_max);
    if (workload_count(&workload, &census))
        return false;
    workload_limits(&census, HEADROOM, &rig.limits);
    if (rig_init(&dataplane->rig, &rig))
        return false;
    tables_clock_start(&dataplane->clock);
    dataplane->rig.pipeline.now = dataplane_now(dataplane);
    dataplane->jobs.submitted = aligned(handoff_ring_size(JOBS_SLOTS));
    dataplane->jobs.finished = aligned(handoff_ring_size(JOBS_SLOTS));
    if (!dataplane->jobs.submitted || !dataplane->jobs.finished)
        return false;
    handoff_ring_init(dataplane->jobs.submitted, JOBS_SLOTS);
    handoff_ring_init(dataplane->jobs.finished, JOBS_SLOTS);
    rig_populate(&dataplane->rig);
    if (config->deltas > 0) {
        struct deltas *deltas = aligned(deltas_size(config->deltas));

        if (!deltas)
            return false;
        deltas_init(deltas, config->deltas);
        dataplane->rig.pipeline.deltas = deltas;
    }
    return pthread_create(&dataplane->thread, NULL, run, dataplane) == 0;
}

/* Commands ------------------------------------------------------------------------------------- */

static struct event *look;

static void on_look(evutil_socket_t fd, short what, void *user)
{
    struct dataplane *dataplane = user;
    double second = machine_ticks_per_second(), microsecond = second / 1e6;

    if (atomic_load(&dataplane->race) != RACE_RUN)
        return;
    event_del(look);
    answer("{\"announces_per_second\": %.0f, \"burst_p50_us\": %.2f, \"burst_p99_us\": %.2f, "
           "\"burst_p999_us\": %.2f, \"burst_max_us\": %.2f}",
           (double)dataplane->announces * second / (double)dataplane->ticks,
           histogram_quantile(&dataplane->bursts, 0.5) / microsecond,
           histogram_quantile(&dataplane->bursts, 0.99) / microsecond,
           histogram_quantile(&dataplane->bursts, 0.999) / microsecond,
           (double)dataplane->bursts.max / microsecond);
    atomic_store(&dataplane->race, RACE_NONE);
}

static void command_race(struct appliance *a, const char *arguments)
{
    const struct timeval interval = {.tv_usec = LOOK_MS * 1000};

    a->dataplane->seconds = atof(arguments);
    atomic_store(&a->dataplane->race, RACE_WANTED);
    event_add(look, &interval);
}

static void on_input(evutil_socket_t fd, short what, void *user)
{
    struct appliance *a = user;
    char line[LINE_SIZE];

    if (!fgets(line, sizeof(line), stdin) || !strncmp(line, "quit", 4))
        event_base_loopbreak(a->base);
    else if (!strncmp(line, "race ", 5))
        command_race(a, line + 5);
    else if (!strncmp(line, "status", 6) && a->persistence)
        command_status(a, line);
    else
        answer("{\"error\": \"race SECONDS, status with a store, or quit\"}");
}

static void on_note(void *user, bool warning, const char *text)
{
    fprintf(stderr, "%s: %s\n", warning ? "warning" : "note", text);
}

static bool start(struct appliance *a)
{
    char error[256] = "out of memory";
    struct persistence_config config;

    machine_ticks_per_second();
    a->base = event_base_new();
    a->dataplane = &racer;
    if (!a->base || !start_worker(&racer, &a->tables))
        return false;
    machine_pin(CONTROL_CORE);
    a->jobs = jobs_new(a->base, a->dataplane);
    config = (struct persistence_config){.settings = &a->settings,
                                         .on_note = on_note,
                                         .base = a->base,
                                         .jobs = a->jobs,
                                         .dataplane = a->dataplane,
                                         .secret = &racer.rig.secret,
                                         .timeouts = &a->tables.timeouts};
    if (a->settings.redis.nodes_count == 0)
        return true;
    a->persistence = persistence_start(&config, error, sizeof(error));
    if (!a->persistence)
        fprintf(stderr, "racer: %s\n", error);
    return a->persistence != NULL;
}

int main(int argc, char *argv[])
{
    struct event *input;

    appliance_options(&appliance, argc, argv);
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdin, NULL, _IONBF, 0);
    if (!start(&appliance))
        return 1;
    look = event_new(appliance.base, -1, EV_PERSIST, on_look, &racer);
    input = event_new(appliance.base, STDIN_FILENO, EV_READ | EV_PERSIST, on_input, &appliance);
    event_add(input, NULL);
    answer("{\"ready\": true}");
    event_base_dispatch(appliance.base);
    return 0; /* as if killed: what is stored is of no further use */
}

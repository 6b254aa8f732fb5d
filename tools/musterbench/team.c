/* SPDX-License-Identifier: BSD-3-Clause */
#include "team.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { RING_SLOTS = 1024 }; /* as between the workers of the daemon */

/* What one worker of several needs: its part, and the largest swarm on top, whosever it is. */
static void limits_of_share(const struct team_config *config, struct swarms_limits *limits)
{
    workload_limits(config->census, config->headroom, limits);
    limits->torrents = limits->torrents / config->workers + 1;
    limits->peers /= config->workers;
    if (config->workers > 1)
        limits->peers += config->census->largest;
}

/* Own requests wait while another worker is behind: what counts here is what the team can do. */
static unsigned feed(struct team_worker *worker, unsigned most)
{
    unsigned left = worker->filled - worker->fed, count = left < most ? left : most;

    for (unsigned to = 0; to < worker->team->workers; to++)
        if (to != worker->number &&
            handoff_room(worker->team->members[to]->in[worker->number], count) < count)
            return 0;
    pipeline_parse(&worker->rig.pipeline, worker->rig.requests + worker->fed, count);
    worker->fed += count;
    return count;
}

/* What arrived in the turn before joins in, and own requests after it. */
static unsigned collect(struct team_worker *worker)
{
    struct lane *arriving = &worker->arriving;
    unsigned joined = arriving->count;

    pipeline_join(&worker->rig.pipeline, arriving->requests, joined);
    arriving->count = 0;
    for (unsigned from = 0; from < worker->team->workers; from++)
        if (from != worker->number)
            handoff_expect(worker->in[from]);
    return joined + feed(worker, RIG_BURST);
}

/* Takes from the rings what is to join in the next turn, beginning with another one each turn. */
static unsigned take(struct team_worker *worker)
{
    struct lane *arriving = &worker->arriving;
    unsigned workers = worker->team->workers, first = worker->turn++;

    for (unsigned i = 0; i < workers; i++) {
        unsigned from = (first + i) % workers;

        if (from != worker->number)
            arriving->count +=
                handoff_take(worker->in[from], (void **)arriving->requests + arriving->count,
                             RIG_BURST - arriving->count);
    }
    pipeline_expect(arriving->requests, arriving->count);
    return arriving->count;
}

/* Returns how many requests ended here. */
static unsigned dispatch(struct team_worker *worker)
{
    struct pipeline *pipeline = &worker->rig.pipeline;
    unsigned ended = pipeline->sends.count + pipeline->drops.count + pipeline->punts.count;

    for (unsigned to = 0; to < worker->team->workers; to++) {
        struct lane *away = &pipeline->away[to];
        unsigned put;

        if (away->count == 0)
            continue;
        put = handoff_put(worker->team->members[to]->in[worker->number], (void **)away->requests,
                          away->count);
        worker->rig.counters[COUNTER_handed_off] += put;
        worker->handoff_full += away->count - put;
        ended += away->count - put;
    }
    return ended;
}

static bool all_answered(const struct team *team)
{
    uint64_t answered = 0, filled = 0;

    for (unsigned i = 0; i < team->workers; i++) {
        answered += atomic_load_explicit(&team->members[i]->answered, memory_order_relaxed);
        filled += team->members[i]->filled;
    }
    return answered == filled;
}

static void serve_round(struct team_worker *worker)
{
    struct pipeline *pipeline = &worker->rig.pipeline;
    uint64_t answered = 0;
    unsigned count;

    worker->begin = machine_ticks();
    for (;;) {
        pipeline_begin(pipeline);
        count = collect(worker);
        if (count > 0) {
            pipeline_admit(pipeline);
            pipeline_steer(pipeline);
        }
        if (take(worker) + count == 0 && all_answered(worker->team))
            break;
        if (count == 0)
            continue;
        pipeline_act(pipeline);
        pipeline_finish(pipeline);
        answered += dispatch(worker);
        atomic_store_explicit(&worker->answered, answered, memory_order_release);
    }
    worker->end = machine_ticks();
}

/* The peers that a worker announces: every one is some worker's. */
static uint32_t share_begin(const struct team *team, unsigned number)
{
    return (uint32_t)((uint64_t)team->workload->peers * number / team->workers);
}

static void fill(struct team_worker *worker)
{
    const struct team *team = worker->team;
    uint32_t first = share_begin(team, worker->number) + team->populated;
    uint32_t end = share_begin(team, worker->number + 1);

    if (!team->populate) {
        rig_fill(&worker->rig);
        worker->filled = worker->rig.frames;
    } else {
        worker->filled = first < end ? rig_fill_announces(&worker->rig, first, end - first) : 0;
    }
    worker->fed = 0;
    atomic_store(&worker->answered, 0);
}

static int prepare(struct team_worker *worker)
{
    struct team *team = worker->team;
    struct rig_config config = {
        .workload = team->workload,
        .limits = team->limits,
        .frames = team->frames,
        .worker = worker->number,
        .workers = team->workers,
        .pages = team->pages,
        .seed = 1,
    };
    int error = machine_pin(worker->core);

    handoff_share(worker->number, team->workers, &config.limits);
    return error ? error : rig_init(&worker->rig, &config);
}

static void *member(void *argument)
{
    struct team_worker *worker = argument;
    struct team *team = worker->team;

    worker->error = prepare(worker);
    pthread_barrier_wait(&team->ready);
    for (;;) {
        pthread_barrier_wait(&team->ready);
        if (team->stop)
            break;
        fill(worker);
        atomic_fetch_add(&team->at_start, 1);
        while (atomic_load(&team->at_start) < team->workers)
            _mm_pause();
        serve_round(worker);
        pthread_barrier_wait(&team->ready);
    }
    rig_free(&worker->rig);
    return NULL;
}

static int make_member(struct team *team, unsigned number, unsigned core)
{
    struct team_worker *worker = aligned_alloc(64, sizeof(*worker));

    team->members[number] = worker;
    if (!worker)
        return -ENOMEM;
    memset(worker, 0, sizeof(*worker));
    worker->team = team;
    worker->number = number;
    worker->core = core;
    for (unsigned from = 0; from < team->workers; from++) {
        if (from == number)
            continue;
        worker->in[from] = aligned_alloc(64, handoff_ring_size(RING_SLOTS));
        if (!worker->in[from])
            return -ENOMEM;
        handoff_ring_init(worker->in[from], RING_SLOTS);
    }
    return 0;
}

static void free_members(struct team *team)
{
    for (unsigned i = 0; i < team->workers && team->members[i]; i++) {
        for (unsigned from = 0; from < team->workers; from++)
            free(team->members[i]->in[from]);
        free(team->members[i]);
    }
}

int team_start(struct team *team, const struct team_config *config)
{
    int error = 0;

    memset(team, 0, sizeof(*team));
    team->workers = config->workers;
    team->workload = config->workload;
    team->frames = config->frames;
    team->pages = config->pages;
    limits_of_share(config, &team->limits);
    for (unsigned i = 0; i < team->workers && !error; i++)
        error = make_member(team, i, config->cores[i]);
    if (error) {
        free_members(team);
        return error;
    }
    pthread_barrier_init(&team->ready, NULL, team->workers + 1);
    for (unsigned i = 0; i < team->workers; i++)
        pthread_create(&team->members[i]->thread, NULL, member, team->members[i]);
    pthread_barrier_wait(&team->ready);
    for (unsigned i = 0; i < team->workers && !error; i++)
        error = team->members[i]->error;
    if (error)
        team_stop(team);
    return error;
}

void team_stop(struct team *team)
{
    team->stop = true;
    pthread_barrier_wait(&team->ready);
    for (unsigned i = 0; i < team->workers; i++)
        pthread_join(team->members[i]->thread, NULL);
    pthread_barrier_destroy(&team->ready);
    free_members(team);
}

static uint64_t run_round(struct team *team)
{
    uint64_t begin = UINT64_MAX, end = 0;

    atomic_store(&team->at_start, 0);
    pthread_barrier_wait(&team->ready);
    pthread_barrier_wait(&team->ready);
    for (unsigned i = 0; i < team->workers; i++) {
        const struct team_worker *worker = team->members[i];

        begin = worker->begin < begin ? worker->begin : begin;
        end = worker->end > end ? worker->end : end;
    }
    return end - begin;
}

void team_populate(struct team *team)
{
    uint32_t share = team->workload->peers / team->workers + 1;

    team->populate = true;
    for (team->populated = 0; team->populated < share; team->populated += team->frames)
        run_round(team);
    team->populate = false;
}

uint64_t team_round(struct team *team, uint64_t *announces)
{
    uint64_t ticks = run_round(team);

    for (unsigned i = 0; i < team->workers; i++)
        *announces += team->members[i]->rig.announces;
    return ticks;
}

uint64_t team_counter(const struct team *team, enum counter counter)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < team->workers; i++)
        sum += team->members[i]->rig.counters[counter];
    return sum;
}

uint64_t team_handoff_full(const struct team *team)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < team->workers; i++)
        sum += team->members[i]->handoff_full;
    return sum;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "snapshot.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "chunk_ledger.h"
#include "monotonic.h"

enum {
    /* Chunks in a run: less costs more jobs; more makes exports bunch up. */
    RUN_BITS = 6,
    RUN = 1 << RUN_BITS,
    RUNS_BITS = TRANSFER_CHUNK_BITS - RUN_BITS,
    RUNS = 1 << RUNS_BITS,

    SLOTS = 4,               /* runs exported at a time; one is encoded while others are exported */
    BUFFER_SIZE = 256 << 10, /* bytes of a run's export that are taken over at a time */
    WRITER_KEEP = 4 << 20,   /* bytes of an encoder's memory that are kept from run to run */
    TICK_MS = 20,
    UNDER_WAY_MAX = 192, /* writes; more than a node's pipeline needs to be busy */
};

/* A run of chunks on its way from the tables to the store. */
struct slot {
    struct dataplane_job job;
    struct snapshot *snapshot;
    bool busy;      /* has a run */
    bool exporting; /* its job is at a worker */
    unsigned chunk; /* that the writer holds */
    unsigned next;  /* first chunk that hasn't been exported */
    unsigned end;   /* of the run */
    size_t taken;   /* bytes of the job's buffer that went into the writer */
    struct chunk_writer writer;
};

/* Somebody who asked for a snapshot. */
struct waiter {
    STAILQ_ENTRY(waiter) link;
    void (*done)(void *user, unsigned failed);
    void *user;
    uint64_t failed_before;
};

struct snapshot {
    struct snapshot_config config;
    struct event *tick;
    bool running;
    uint64_t sequence;

    unsigned position;     /* runs begun in this pass */
    uint64_t pass_started; /* ms */
    unsigned urgent;       /* runs to begin at once */
    STAILQ_HEAD(, waiter) waiters;
    unsigned under_way; /* writes */

    struct snapshot_info info; /* the counters in it */
    struct slot slots[SLOTS];
    struct chunk_ledger ledger;
};

static uint32_t seconds(void)
{
    return (uint32_t)(monotonic_ms() / 1000);
}

static void proceed(struct snapshot *snapshot);

/* To the store --------------------------------------------------------------------------------- */

static void on_written(void *user, unsigned chunk, enum store_result result)
{
    struct snapshot *snapshot = user;

    snapshot->under_way--;
    if (result == STORE_OK) {
        const struct ledger_chunk *state = ledger_written(&snapshot->ledger, chunk, seconds());

        snapshot->info.chunks_written++;
        snapshot->info.bytes_written += state->bytes;
        snapshot->info.peers_written += state->peers;
    } else {
        ledger_failed(&snapshot->ledger, chunk);
        snapshot->info.chunks_failed++;
    }
    if (result != STORE_CANCELLED)
        proceed(snapshot);
}

/* A newer version's chunk may have expired, or been taken away. */
static void on_looked(void *user, unsigned appliance, unsigned chunk, enum store_result result,
                      const uint8_t *bytes, size_t size)
{
    struct snapshot *snapshot = user;
    struct chunk_reader reader;

    snapshot->under_way--;
    ledger_looked(&snapshot->ledger, chunk);
    if (result == STORE_OK && chunk_reader_open(&reader, bytes, size) != -ENOTSUP)
        snapshot_found(snapshot, chunk, LOADER_FOREIGN);
    else if (result == STORE_ABSENT)
        snapshot_found(snapshot, chunk, LOADER_ABSENT);
}

static void look_again(struct snapshot *snapshot, unsigned chunk)
{
    if (store_fetch(snapshot->config.store, snapshot->config.appliance, chunk, on_looked, snapshot))
        return;
    ledger_looking(&snapshot->ledger, chunk);
    snapshot->under_way++;
}

static void write_chunk(struct snapshot *snapshot, struct slot *slot, uint64_t digest)
{
    struct chunk_writer *writer = &slot->writer;
    struct chunk_header header = {
        .appliance = (uint16_t)snapshot->config.appliance,
        .chunk = (uint16_t)slot->chunk,
        .epoch = snapshot->config.epoch,
        .sequence = snapshot->sequence + 1,
        .layout = snapshot->config.layout,
        .time = snapshot->config.clock->wall,
    };
    int error = chunk_writer_finish(writer, &header);

    if (!error)
        error = store_write(snapshot->config.store, snapshot->config.appliance, slot->chunk,
                            writer->bytes, writer->size, on_written, snapshot);
    if (error) {
        ledger_failed(&snapshot->ledger, slot->chunk);
        snapshot->info.chunks_failed++;
        return;
    }
    ledger_writing(&snapshot->ledger, slot->chunk, writer, digest);
    snapshot->sequence++;
    snapshot->under_way++;
}

/* Writes the encoded chunk if there is a reason to. */
static void store_chunk(struct snapshot *snapshot, struct slot *slot)
{
    uint64_t digest = chunk_writer_digest(&slot->writer);

    switch (
        ledger_judge(&snapshot->ledger, slot->chunk, digest, snapshot->config.refresh, seconds())) {
    case LEDGER_WRITE:
        write_chunk(snapshot, slot, digest);
        break;
    case LEDGER_UNCHANGED:
        snapshot->info.chunks_unchanged++;
        break;
    case LEDGER_LOOK:
        look_again(snapshot, slot->chunk);
        break;
    case LEDGER_KEEP:
        break;
    }
}

/* From the tables ------------------------------------------------------------------------------ */

static void on_exported(struct dataplane_job *job)
{
    struct slot *slot = job->user;

    slot->exporting = false;
    if (job->export.done)
        slot->next = job->export.last_chunk + 1u;
    proceed(slot->snapshot);
}

/* Sends the slot's job off: for chunks from `next` on, as many as are one worker's, or for the
 * rest. */
static bool export_more(struct slot *slot)
{
    struct snapshot *snapshot = slot->snapshot;
    unsigned workers = dataplane_workers(snapshot->config.dataplane);
    unsigned worker = transfer_chunk_owner(slot->next, workers), last = slot->next;
    struct dataplane_job *job = &slot->job;

    if (job->export.done) {
        while (last + 1 < slot->end && transfer_chunk_owner(last + 1, workers) == worker)
            last++;
        job->export = (struct transfer_export){.first_chunk = (uint16_t)slot->next,
                                               .last_chunk = (uint16_t)last};
    }
    job->used = slot->taken = 0;
    slot->exporting = jobs_submit(snapshot->config.jobs, worker, job) == 0;
    return slot->exporting;
}

/* Ends chunks until `chunk` is the writer's. False when the store has no room for them. */
static bool advance_to(struct slot *slot, unsigned chunk)
{
    struct snapshot *snapshot = slot->snapshot;

    for (; slot->chunk < chunk; slot->chunk++) {
        if (snapshot->under_way >= UNDER_WAY_MAX || store_room(snapshot->config.store) == 0)
            return false;
        store_chunk(snapshot, slot);
        if (slot->writer.capacity > WRITER_KEEP)
            chunk_writer_free(&slot->writer);
        chunk_writer_reset(&slot->writer);
    }
    return true;
}

static size_t record_size(const struct transfer_swarm *head)
{
    return sizeof(*head) + head->peers * transfer_peer_size(head->family);
}

/* Encodes what was exported. False when the store has no room. */
static bool take_exported(struct slot *slot)
{
    struct dataplane_job *job = &slot->job;

    while (slot->taken < job->used) {
        const struct transfer_swarm *head = (const void *)(job->buffer + slot->taken);

        if (!advance_to(slot, head->chunk))
            return false;
        if (chunk_writer_add(&slot->writer, head, head + 1, *slot->snapshot->config.clock))
            ledger_spoil(&slot->snapshot->ledger, slot->chunk);
        slot->taken += record_size(head);
    }
    return true;
}

/* Takes the slot's run as far as it goes. */
static void work_on(struct slot *slot)
{
    while (slot->busy && !slot->exporting) {
        if (!take_exported(slot))
            return;
        if (slot->next >= slot->end) {
            slot->busy = !advance_to(slot, slot->end);
            return;
        }
        if (!export_more(slot))
            return;
    }
}

/* Runs and passes ------------------------------------------------------------------------------ */

/* The runs in an order that spreads neighbours over the workers: bits reversed. */
static unsigned run_at(unsigned position)
{
    unsigned run = 0;

    for (unsigned bit = 0; bit < RUNS_BITS; bit++)
        run |= (position >> bit & 1) << (RUNS_BITS - 1 - bit);
    return run;
}

static void begin_run(struct snapshot *snapshot, struct slot *slot)
{
    unsigned run = run_at(snapshot->position % RUNS);

    snapshot->position++;
    if (snapshot->urgent > 0)
        snapshot->urgent--;
    slot->busy = true;
    slot->chunk = slot->next = run * RUN;
    slot->end = slot->next + RUN;
    slot->job.export = (struct transfer_export){.done = true};
    slot->job.used = slot->taken = 0;
    chunk_writer_reset(&slot->writer);
}

/* A pass is over once its time is, and once all of it is done. */
static void end_pass(struct snapshot *snapshot)
{
    uint64_t now = monotonic_ms();

    if (snapshot->position < RUNS)
        return;
    if (snapshot->urgent == 0 &&
        now - snapshot->pass_started < (uint64_t)snapshot->config.interval * 1000)
        return;
    snapshot->info.passes++;
    snapshot->info.last_pass_seconds = (double)(now - snapshot->pass_started) / 1000;
    snapshot->pass_started = now;
    snapshot->position -= RUNS;
}

/* True when it is time for the next run. */
static bool run_is_due(struct snapshot *snapshot)
{
    uint64_t elapsed = monotonic_ms() - snapshot->pass_started;

    end_pass(snapshot);
    if (snapshot->urgent > 0)
        return true;
    /* Those who wait for the last write are not made to wait for new ones. */
    return snapshot->position < RUNS && STAILQ_EMPTY(&snapshot->waiters) &&
           elapsed * RUNS >= (uint64_t)snapshot->position * snapshot->config.interval * 1000;
}

static bool is_idle(const struct snapshot *snapshot)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        if (snapshot->slots[i].busy)
            return false;
    }
    return snapshot->under_way == 0;
}

/* Whoever waits is told when all runs begun since are done and nothing is under way. */
static void tell_waiters(struct snapshot *snapshot)
{
    struct waiter *waiter;

    while ((waiter = STAILQ_FIRST(&snapshot->waiters)) != NULL) {
        if (snapshot->urgent > 0 || !is_idle(snapshot))
            return;
        STAILQ_REMOVE_HEAD(&snapshot->waiters, link);
        if (waiter->done)
            waiter->done(waiter->user,
                         (unsigned)(snapshot->info.chunks_failed - waiter->failed_before));
        free(waiter);
    }
}

static void proceed(struct snapshot *snapshot)
{
    if (!snapshot->running)
        return;
    seen_clock_set(snapshot->config.clock, dataplane_now(snapshot->config.dataplane));
    for (unsigned i = 0; i < SLOTS; i++) {
        struct slot *slot = &snapshot->slots[i];

        work_on(slot);
        while (!slot->busy && run_is_due(snapshot)) {
            begin_run(snapshot, slot);
            work_on(slot);
        }
    }
    tell_waiters(snapshot);
}

static void on_tick(evutil_socket_t fd, short what, void *user)
{
    proceed(user);
}

/* Face ----------------------------------------------------------------------------------------- */

struct snapshot *snapshot_new(const struct snapshot_config *config)
{
    struct snapshot *snapshot = calloc(1, sizeof(*snapshot));

    if (!snapshot)
        return NULL;
    snapshot->config = *config;
    STAILQ_INIT(&snapshot->waiters);
    snapshot->tick = event_new(config->base, -1, EV_PERSIST, on_tick, snapshot);
    for (unsigned i = 0; i < SLOTS; i++) {
        struct slot *slot = &snapshot->slots[i];

        slot->snapshot = snapshot;
        slot->job = (struct dataplane_job){.kind = DATAPLANE_JOB_EXPORT,
                                           .user = slot,
                                           .done = on_exported,
                                           .buffer = malloc(BUFFER_SIZE),
                                           .size = BUFFER_SIZE};
        if (!snapshot->tick || !slot->job.buffer) {
            snapshot_free(snapshot);
            return NULL;
        }
    }
    return snapshot;
}

void snapshot_free(struct snapshot *snapshot)
{
    struct waiter *waiter;

    if (!snapshot)
        return;
    while ((waiter = STAILQ_FIRST(&snapshot->waiters)) != NULL) {
        STAILQ_REMOVE_HEAD(&snapshot->waiters, link);
        free(waiter);
    }
    for (unsigned i = 0; i < SLOTS; i++) {
        free(snapshot->slots[i].job.buffer);
        chunk_writer_free(&snapshot->slots[i].writer);
    }
    if (snapshot->tick)
        event_free(snapshot->tick);
    free(snapshot);
}

void snapshot_set_epoch(struct snapshot *snapshot, uint64_t epoch)
{
    snapshot->config.epoch = epoch;
}

void snapshot_stop(struct snapshot *snapshot)
{
    snapshot->running = false;
    event_del(snapshot->tick);
}

void snapshot_start(struct snapshot *snapshot)
{
    const struct timeval interval = {.tv_usec = TICK_MS * 1000};

    snapshot->running = true;
    snapshot->pass_started = monotonic_ms();
    ledger_start(&snapshot->ledger, seconds());
    event_add(snapshot->tick, &interval);
}

int snapshot_now(struct snapshot *snapshot, void (*done)(void *user, unsigned failed), void *user)
{
    struct waiter *waiter;

    if (!snapshot->running)
        return -EBUSY;
    waiter = calloc(1, sizeof(*waiter));
    if (!waiter)
        return -ENOMEM;
    waiter->done = done;
    waiter->user = user;
    waiter->failed_before = snapshot->info.chunks_failed;
    STAILQ_INSERT_TAIL(&snapshot->waiters, waiter, link);
    snapshot->urgent = RUNS;
    event_active(snapshot->tick, EV_TIMEOUT, 0);
    return 0;
}

void snapshot_found(struct snapshot *snapshot, unsigned chunk, enum loader_chunk kind)
{
    /* What we wrote since is later. */
    if (!snapshot->running || !ledger_knows(&snapshot->ledger, chunk))
        ledger_found(&snapshot->ledger, chunk, kind);
}

void snapshot_doubt(struct snapshot *snapshot, unsigned chunk)
{
    snapshot->info.doubts += ledger_doubt(&snapshot->ledger, chunk);
}

void snapshot_census(const struct snapshot *snapshot, uint64_t *torrents, uint64_t *peers)
{
    struct ledger_sums sums;

    ledger_sum(&snapshot->ledger, seconds(), &sums);
    *torrents = sums.torrents;
    *peers = sums.peers;
}

void snapshot_set(struct snapshot *snapshot, uint32_t interval, uint32_t refresh)
{
    snapshot->config.interval = interval;
    snapshot->config.refresh = refresh;
}

void snapshot_info(const struct snapshot *snapshot, struct snapshot_info *info)
{
    struct ledger_sums sums;

    *info = snapshot->info;
    info->running = snapshot->running;
    info->urgent = snapshot->urgent > 0 || !STAILQ_EMPTY(&snapshot->waiters);
    info->progress =
        info->urgent ? (double)(RUNS - snapshot->urgent) / RUNS : (double)snapshot->position / RUNS;
    if (!snapshot->running)
        return;
    ledger_sum(&snapshot->ledger, seconds(), &sums);
    info->chunks_newer = sums.newer;
    info->chunks_stored = sums.stored;
    info->peers_stored = sums.peers;
    info->bytes_stored = sums.bytes;
    info->oldest_dirty = sums.oldest_dirty;
}

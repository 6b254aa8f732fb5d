/* SPDX-License-Identifier: BSD-3-Clause */
#include "importer.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

enum {
    /*
     * Of each worker: one is filled while the others are merged. Fewer, and the worker waits for
     * us; more, and memory is taken for nothing.
     */
    BUFFERS = 4,
    BUFFER_SIZE = 128 << 10, /* bytes; some 10,000 peers */
    RETRY_US = 5000,         /* after the worker's mailbox was full */
};

_Static_assert(BUFFER_SIZE >= sizeof(struct transfer_swarm) +
                                  IMPORTER_PEERS_MAX * sizeof(struct transfer_ipv6),
               "a buffer takes the longest record");

struct buffer {
    struct dataplane_job job;
    struct importer *importer;
    unsigned worker;
    bool under_way;
};

struct importer {
    struct jobs *jobs;
    struct dataplane *dataplane;
    struct event *retry;
    void (*on_room)(void *user);
    void *user;
    bool refused; /* since the last on_room() */
    unsigned under_way;
    struct transfer_result result;

    struct transfer_swarm *open; /* the record reserved last, and whose */
    unsigned open_worker;
    struct buffer *filling[DATAPLANE_WORKERS_MAX]; /* NULL: none */
    struct buffer buffers[DATAPLANE_WORKERS_MAX][BUFFERS];
};

static void add_result(struct transfer_result *sum, const struct transfer_result *result)
{
    sum->peers_added += result->peers_added;
    sum->peers_updated += result->peers_updated;
    sum->peers_removed += result->peers_removed;
    sum->peers_stale += result->peers_stale;
    sum->peers_refused += result->peers_refused;
}

static void tell(struct importer *importer)
{
    if (!importer->on_room || (!importer->refused && importer->under_way > 0))
        return;
    importer->refused = false;
    importer->on_room(importer->user);
}

static void on_done(struct dataplane_job *job)
{
    struct buffer *buffer = job->user;
    struct importer *importer = buffer->importer;

    add_result(&importer->result, &job->result);
    buffer->under_way = false;
    job->used = 0;
    importer->under_way--;
    tell(importer);
}

/* False when the worker's mailbox is full. */
static bool submit(struct importer *importer, struct buffer *buffer)
{
    const struct timeval pause = {.tv_usec = RETRY_US};

    buffer->job.result = (struct transfer_result){0};
    if (jobs_submit(importer->jobs, buffer->worker, &buffer->job) != 0) {
        importer->refused = true;
        evtimer_add(importer->retry, &pause);
        return false;
    }
    buffer->under_way = true;
    importer->under_way++;
    importer->filling[buffer->worker] = NULL;
    return true;
}

/* An empty buffer of a worker, or NULL. */
static struct buffer *take_buffer(struct importer *importer, unsigned worker)
{
    for (unsigned i = 0; i < BUFFERS; i++) {
        struct buffer *buffer = &importer->buffers[worker][i];

        if (buffer->under_way)
            continue;
        if (!buffer->job.buffer)
            buffer->job.buffer = malloc(BUFFER_SIZE);
        if (!buffer->job.buffer)
            return NULL;
        buffer->job.kind = DATAPLANE_JOB_IMPORT;
        buffer->job.user = buffer;
        buffer->job.done = on_done;
        buffer->job.size = BUFFER_SIZE;
        buffer->importer = importer;
        buffer->worker = worker;
        return buffer;
    }
    return NULL;
}

static void on_retry(evutil_socket_t fd, short what, void *user)
{
    importer_flush(user);
    tell(user);
}

struct importer *importer_new(struct event_base *base, struct jobs *jobs,
                              struct dataplane *dataplane)
{
    struct importer *importer = calloc(1, sizeof(*importer));

    if (!importer)
        return NULL;
    importer->jobs = jobs;
    importer->dataplane = dataplane;
    importer->retry = evtimer_new(base, on_retry, importer);
    if (!importer->retry) {
        free(importer);
        return NULL;
    }
    return importer;
}

void importer_free(struct importer *importer)
{
    if (!importer)
        return;
    for (unsigned worker = 0; worker < DATAPLANE_WORKERS_MAX; worker++) {
        for (unsigned i = 0; i < BUFFERS; i++)
            free(importer->buffers[worker][i].job.buffer);
    }
    event_free(importer->retry);
    free(importer);
}

void *importer_reserve(struct importer *importer, const uint8_t *info_hash, uint8_t family,
                       uint32_t peers)
{
    unsigned worker = dataplane_owner(importer->dataplane, info_hash);
    size_t size = sizeof(struct transfer_swarm) + peers * transfer_peer_size(family);
    struct buffer *buffer = importer->filling[worker];

    if (buffer && BUFFER_SIZE - buffer->job.used < size) {
        if (!submit(importer, buffer))
            return NULL;
        buffer = NULL;
    }
    if (!buffer)
        buffer = importer->filling[worker] = take_buffer(importer, worker);
    if (!buffer) {
        importer->refused = true;
        return NULL;
    }
    importer->open = (struct transfer_swarm *)(buffer->job.buffer + buffer->job.used);
    importer->open_worker = worker;
    return importer->open + 1;
}

void importer_add(struct importer *importer, const uint8_t *info_hash, uint8_t family,
                  uint32_t completed, uint32_t peers)
{
    struct buffer *buffer = importer->filling[importer->open_worker];
    struct transfer_swarm *head = importer->open;

    *head = (struct transfer_swarm){.family = family, .completed = completed, .peers = peers};
    memcpy(head->info_hash, info_hash, sizeof(head->info_hash));
    buffer->job.used += sizeof(*head) + peers * transfer_peer_size(family);
}

void importer_flush(struct importer *importer)
{
    for (unsigned worker = 0; worker < DATAPLANE_WORKERS_MAX; worker++) {
        struct buffer *buffer = importer->filling[worker];

        if (buffer && buffer->job.used > 0)
            submit(importer, buffer);
    }
}

bool importer_idle(const struct importer *importer)
{
    if (importer->under_way > 0)
        return false;
    for (unsigned worker = 0; worker < DATAPLANE_WORKERS_MAX; worker++) {
        if (importer->filling[worker] && importer->filling[worker]->job.used > 0)
            return false;
    }
    return true;
}

void importer_on_room(struct importer *importer, void (*on_room)(void *user), void *user)
{
    importer->on_room = on_room;
    importer->user = user;
}

const struct transfer_result *importer_result(const struct importer *importer)
{
    return &importer->result;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Records on their way into the tables: sorted by the worker that owns them, collected in buffers
 * of fixed number and size, and handed in as import jobs (dataplane.h).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../jobs.h"

enum {
    IMPORTER_PEERS_MAX = 1024, /* of one record */
};

struct importer;

/* NULL when out of memory. */
struct importer *importer_new(struct event_base *base, struct jobs *jobs,
                              struct dataplane *dataplane);

/* The data plane must have stopped if jobs are under way. */
void importer_free(struct importer *importer);

/*
 * Room for a record of up to `peers` peers of a swarm, for importer_add(); NULL when all buffers of
 * its owner are under way: then on_room() will be called.
 */
void *importer_reserve(struct importer *importer, const uint8_t *info_hash, uint8_t family,
                       uint32_t peers);

/* Adds the record whose peers were written where the last importer_reserve() said. */
void importer_add(struct importer *importer, const uint8_t *info_hash, uint8_t family,
                  uint32_t completed, uint32_t peers);

/* Hands in what has been added so far; else a buffer waits until it is full. */
void importer_flush(struct importer *importer);

/* True when all that was added is in the tables. */
bool importer_idle(const struct importer *importer);

/* Called from the event loop when there is room again after a refusal, or when it becomes idle. */
void importer_on_room(struct importer *importer, void (*on_room)(void *user), void *user);

/* What has become of all records so far. */
const struct transfer_result *importer_result(const struct importer *importer);

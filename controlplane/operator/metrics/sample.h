/* SPDX-License-Identifier: BSD-3-Clause */
/* Samples in Prometheus' text format, and the sources that write them. Private to metrics/. */
#pragma once

#include <stddef.h>

#include "metric_table.h"

struct console;
struct evbuffer;

struct metric_writer {
    const struct console *console;
    struct evbuffer *out;
    const struct metric *metric;
};

/* Where a metric comes from; `offset` is for the sources that are a field of a struct. */
struct metric_source {
    void (*write)(const struct metric_writer *writer, size_t offset);
    size_t offset;
};

/* By enum metric_id, each with the rows that its file writes: together they have every metric. */
extern const struct metric_source metric_sources_workers[METRICS_COUNT];
extern const struct metric_source metric_sources_ports[METRICS_COUNT];
extern const struct metric_source metric_sources_control[METRICS_COUNT];
extern const struct metric_source metric_sources_store[METRICS_COUNT];

void metric_sample(const struct metric_writer *writer, double value);
void metric_sample_labelled(const struct metric_writer *writer, const char *label, const char *name,
                            double value);

/* A label's value may be anything that an operator wrote into the configuration. */
void metric_escape(const char *text, char *escaped, size_t size);

/* SPDX-License-Identifier: BSD-3-Clause */
/* Metrics in Prometheus' text format 0.0.4, from metric_table.h and the state of the appliance. */
#pragma once

struct evbuffer;
struct console;

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Reads the data plane anew and appends every metric to `out`. */
void metrics_write(const struct console *console, struct evbuffer *out);

/* SPDX-License-Identifier: BSD-3-Clause */
#include <event2/buffer.h>

#include "../console_state.h"
#include "metrics.h"
#include "sample.h"

static const struct metric_source *const groups[] = {
    metric_sources_workers,
    metric_sources_ports,
    metric_sources_control,
    metric_sources_store,
};

static const struct metric_source *source_of(enum metric_id id)
{
    size_t group = 0;

    while (!groups[group][id].write)
        group++;
    return &groups[group][id];
}

void metrics_write(const struct console *console, struct evbuffer *out)
{
    observation_refresh(console->observation);
    for (enum metric_id id = 0; id < METRICS_COUNT; id++) {
        const struct metric *metric = &metric_table[id];
        const struct metric_source *source = source_of(id);
        const struct metric_writer writer = {.console = console, .out = out, .metric = metric};

        evbuffer_add_printf(out, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help,
                            metric->name, metric_type_name(metric->type));
        source->write(&writer, source->offset);
    }
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "slices.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    SLICE_EVERY = 16,  /* bursts */
    SLICE_LINES = 256, /* cache lines that a slice may look at */
    SLICE_BYTES = 64 * 1024,

    /* Of the tables' clock: a peer announces every 100 s on average, so e^-3 are late for 300 s. */
    SECONDS_PER_ANNOUNCE = 100,
    PEER_TIMEOUT = 300,
};

static void start_export(struct slices *slices)
{
    memset(&slices->position, 0, sizeof(slices->position));
    slices->position.last_chunk = TRANSFER_CHUNKS - 1;
}

int slices_init(struct slices *slices, struct rig *rig)
{
    uint32_t peers = rig->stream.workload->peers;

    memset(slices, 0, sizeof(*slices));
    slices->buffer = malloc(SLICE_BYTES);
    if (!slices->buffer)
        return -ENOMEM;
    memset(slices->buffer, 0, SLICE_BYTES);
    slices->countdown = SLICE_EVERY;
    slices->bursts_per_second = 1 + peers / (SECONDS_PER_ANNOUNCE * RIG_BURST);
    slices->until_tick = slices->bursts_per_second;
    rig->settings.timeouts.peer = PEER_TIMEOUT;
    start_export(slices);
    return 0;
}

void slices_free(struct slices *slices)
{
    free(slices->buffer);
}

static void run_expiry(struct slices *slices, struct rig *rig)
{
    uint64_t begin = machine_ticks();

    swarms_expire(rig->pipeline.swarms, SLICE_LINES, &rig->settings.timeouts, rig->pipeline.now);
    histogram_add(&slices->expiry, machine_ticks() - begin);
}

static void run_export(struct slices *slices, struct rig *rig)
{
    uint64_t begin = machine_ticks();

    slices->exported += transfer_export(rig->pipeline.swarms, &slices->position, slices->buffer,
                                        SLICE_BYTES, SLICE_LINES, rig->pipeline.now);
    histogram_add(&slices->export, machine_ticks() - begin);
    if (slices->position.done)
        start_export(slices);
}

void slices_run(struct slices *slices, struct rig *rig)
{
    if (--slices->until_tick == 0) {
        slices->until_tick = slices->bursts_per_second;
        rig->pipeline.now++;
    }
    if (--slices->countdown > 0)
        return;
    slices->countdown = SLICE_EVERY;
    if (slices->exporting)
        run_export(slices, rig);
    else
        run_expiry(slices, rig);
    slices->exporting = !slices->exporting;
}

void slices_report(const struct slices *slices, struct report *report,
                   const struct histogram *without)
{
    double microsecond = machine_ticks_per_second() * 1e-6;

    report_section(report, "Slices of 256 lines, one of expiry or export every 16 bursts");
    report_number(report, "expiry_p50_us", "expiry, p50",
                  histogram_quantile(&slices->expiry, 0.5) / microsecond, 1, "us");
    report_number(report, "expiry_p999_us", "expiry, p99.9",
                  histogram_quantile(&slices->expiry, 0.999) / microsecond, 1, "us");
    report_number(report, "expiry_max_us", "expiry, longest",
                  (double)slices->expiry.max / microsecond, 1, "us");
    report_number(report, "export_p50_us", "export, p50",
                  histogram_quantile(&slices->export, 0.5) / microsecond, 1, "us");
    report_number(report, "export_p999_us", "export, p99.9",
                  histogram_quantile(&slices->export, 0.999) / microsecond, 1, "us");
    report_number(report, "export_max_us", "export, longest",
                  (double)slices->export.max / microsecond, 1, "us");
    report_number(report, "exported_bytes", "exported", (double)slices->exported, 0, "bytes");
    report_number(report, "burst_without_p999_us", "burst of 32 without slices, p99.9",
                  histogram_quantile(without, 0.999) / microsecond, 1, "us");
    report_number(report, "burst_with_p999_us", "burst of 32 and slice in front, p99.9",
                  histogram_quantile(&slices->bursts, 0.999) / microsecond, 1, "us");
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "slices.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../dataplane/slices.h"

enum {
    SLICE_EVERY = 16, /* bursts */
    BUFFER_BYTES = 64 * 1024,

    /* Of the tables' clock: a peer announces every 100 s on average, so e^-3 are late for 300 s. */
    SECONDS_PER_ANNOUNCE = 100,
    PEER_TIMEOUT = 300,
    IMPORTED_AGE = 290, /* of what is imported: it expires soon, or the tables would fill up */
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
    slices->buffer = malloc(BUFFER_BYTES);
    if (!slices->buffer)
        return -ENOMEM;
    memset(slices->buffer, 0, BUFFER_BYTES);
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

    swarms_expire(rig->pipeline.swarms, SLICE_EXPIRY_LINES, &rig->settings.timeouts,
                  rig->pipeline.now);
    histogram_add(&slices->expiry, machine_ticks() - begin);
}

/* Makes peers that nobody has announced of those in the buffer. */
static void change_ports(struct slices *slices, uint32_t now)
{
    uint32_t seen = now - IMPORTED_AGE;

    for (uint8_t *at = slices->buffer; at < slices->buffer + slices->filled;) {
        const struct transfer_swarm *head = (const void *)at;
        unsigned size = swarms_peer_size(head->family);

        at += sizeof(*head);
        for (uint32_t i = 0; i < head->peers; i++, at += transfer_peer_size(head->family)) {
            at[size - 2] ^= 0x80;
            memcpy(at + size + 2, &seen, sizeof(seen));
        }
    }
}

static void run_export(struct slices *slices, struct rig *rig)
{
    uint64_t begin = machine_ticks();

    slices->filled = transfer_export(rig->pipeline.swarms, &slices->position, slices->buffer,
                                     BUFFER_BYTES, SLICE_EXPORT_LINES, rig->pipeline.now);
    histogram_add(&slices->export, machine_ticks() - begin);
    slices->exported += slices->filled;
    slices->merged = 0;
    change_ports(slices, rig->pipeline.now);
    if (slices->position.done)
        start_export(slices);
}

static void run_import(struct slices *slices, struct rig *rig)
{
    uint64_t begin = machine_ticks(), ticks;

    slices->merged += (size_t)transfer_import(
        rig->pipeline.swarms, slices->buffer + slices->merged, slices->filled - slices->merged,
        SLICE_IMPORT_PEERS, &rig->settings.timeouts, rig->pipeline.now, &slices->result);
    ticks = machine_ticks() - begin;
    slices->import_ticks += ticks;
    histogram_add(&slices->import, ticks);
}

/* All that was exported is imported, too, before more is. */
static void run_next(struct slices *slices, struct rig *rig)
{
    switch (slices->next) {
    case SLICES_EXPIRY:
        run_expiry(slices, rig);
        slices->next = slices->merged < slices->filled ? SLICES_IMPORT : SLICES_EXPORT;
        break;
    case SLICES_EXPORT:
        run_export(slices, rig);
        slices->next = SLICES_IMPORT;
        break;
    default:
        run_import(slices, rig);
        slices->next = SLICES_EXPIRY;
    }
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
    run_next(slices, rig);
}

static void report_slice(struct report *report, const char *name, const struct histogram *ticks)
{
    double microsecond = machine_ticks_per_second() * 1e-6;
    char key[64], title[64];

    snprintf(key, sizeof(key), "%s_p50_us", name);
    snprintf(title, sizeof(title), "%s, p50", name);
    report_number(report, key, title, histogram_quantile(ticks, 0.5) / microsecond, 1, "us");
    snprintf(key, sizeof(key), "%s_p999_us", name);
    snprintf(title, sizeof(title), "%s, p99.9", name);
    report_number(report, key, title, histogram_quantile(ticks, 0.999) / microsecond, 1, "us");
    snprintf(key, sizeof(key), "%s_max_us", name);
    snprintf(title, sizeof(title), "%s, longest", name);
    report_number(report, key, title, (double)ticks->max / microsecond, 1, "us");
}

void slices_report(const struct slices *slices, struct report *report,
                   const struct histogram *without)
{
    double microsecond = machine_ticks_per_second() * 1e-6;
    const struct transfer_result *result = &slices->result;

    report_section(report, "A slice of expiry, export or import every 16 bursts");
    report_slice(report, "expiry", &slices->expiry);
    report_slice(report, "export", &slices->export);
    report_slice(report, "import", &slices->import);
    report_number(report, "exported_bytes", "exported", (double)slices->exported, 0, "bytes");
    report_number(report, "imported_peers", "imported, of them new", (double)result->peers_added, 0,
                  "peers");
    report_number(report, "import_peers_per_second", "imported in a second of import slices",
                  (double)(result->peers_added + result->peers_updated + result->peers_stale) *
                      machine_ticks_per_second() / (double)(slices->import_ticks + 1),
                  0, "peers");
    report_number(report, "burst_without_p999_us", "burst of 32 without slices, p99.9",
                  histogram_quantile(without, 0.999) / microsecond, 1, "us");
    report_number(report, "burst_with_p999_us", "burst of 32 and slice in front, p99.9",
                  histogram_quantile(&slices->bursts, 0.999) / microsecond, 1, "us");
}

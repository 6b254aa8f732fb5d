/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Housekeeping between the bursts of a bench, as a worker does it: a slice of expiry, of export or
 * of import, in turn, timed each by itself. Time runs so fast meanwhile that 5 % of the peers are
 * always expired and come back, so that expiry has work. What is imported is what was exported,
 * with other ports: peers that are new, and soon expire.
 */
#pragma once

#include "../../dataplane/swarms/transfer.h"
#include "../workload/histogram.h"
#include "../workload/report.h"
#include "rig.h"

struct slices {
    struct histogram expiry, export, import; /* ticks of one slice */
    struct histogram bursts;                 /* ticks of a burst, and of the slice in front of it */
    struct transfer_export position;
    uint8_t *buffer;
    unsigned countdown;  /* bursts until the next slice */
    uint32_t until_tick; /* bursts until the next second of the tables' clock */
    uint32_t bursts_per_second;
    enum { SLICES_EXPIRY, SLICES_EXPORT, SLICES_IMPORT, SLICES_KINDS } next;
    uint64_t exported;     /* bytes */
    size_t filled, merged; /* bytes in the buffer, and of them those imported */
    uint64_t import_ticks;
    struct transfer_result result;
};

/* 0 or a negative errno. */
int slices_init(struct slices *slices, struct rig *rig);
void slices_free(struct slices *slices);

/* Before each burst. */
void slices_run(struct slices *slices, struct rig *rig);

/* `without`: the bursts of a run without slices. */
void slices_report(const struct slices *slices, struct report *report,
                   const struct histogram *without);

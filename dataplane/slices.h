/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a worker does between two bursts besides announces, at most: a slice takes a few
 * microseconds, some tens when its memory is cold (musterbench table --slices). More makes
 * announces wait, less makes expiry, snapshots and recovery take longer.
 */
#pragma once

enum {
    SLICE_EXPIRY_LINES = 256, /* cache lines of table, see swarms_expire() */
    SLICE_EXPORT_LINES = 256, /* of table and of what is written, see transfer_export() */
    SLICE_IMPORT_PEERS = 128, /* peers, or as much work, see transfer_import() */
    SLICE_TOP_LINES = 256,    /* cache lines of table, see inspect_top() */

    /* Of an export after each burst of a busy worker: a slice in front of one burst in a hundred is
     * seen in how long announces take, a sliver behind each isn't. */
    SLIVER_EXPORT_LINES = 4,
};

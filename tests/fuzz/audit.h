/* SPDX-License-Identifier: BSD-3-Clause */
/* What must be true of a table at any time, for the fuzz targets. */
#pragma once

#include "dataplane/swarms/swarms.h"
#include "dataplane/swarms/transfer.h"

/* Aborts when `condition` is false, as a sanitizer would. */
#define AUDIT(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            __builtin_trap();                                                                      \
    } while (0)

enum { AUDIT_STREAM_MAX = 4 << 20 };

/*
 * An empty table in `*memory`, which is allocated when it is NULL: to be used again, since getting
 * it from the system takes longer than a fuzzer's whole turn. `tables` of them share the hashes
 * equally.
 */
struct swarms *audit_table(void **memory, const struct swarms_limits *most,
                           const struct swarms_secret *secret, unsigned table, unsigned tables);

/*
 * Copies all swarms out, into `stream` (AUDIT_STREAM_MAX bytes), in slices of `slice` bytes, and
 * counts them: what the counters say must be there, no more and no less. Returns the bytes.
 */
size_t audit_export(struct swarms *swarms, uint8_t *stream, size_t slice, uint32_t now);

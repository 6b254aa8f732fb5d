/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A stream of swarms from anywhere, merged in slices into a table, twice: whatever it says, the
 * table stays whole, and the second time changes nothing. What the table then tells fills another
 * one alike.
 */
#include <stdlib.h>
#include <string.h>

#include "audit.h"
#include "input.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { NOW = 1 << 20 };

static const struct swarms_limits limits = {.torrents = 300, .peers = 4000};
static const struct swarms_secret secret = {.bytes = {1, 2, 3}};
static const struct swarms_timeouts timeouts = {.peer = 1800, .torrent = 3600};

/* Merges a copy: the merge writes into what it reads. False when the stream is refused. */
static bool merge(struct swarms *swarms, const uint8_t *stream, size_t size, unsigned peers,
                  struct transfer_result *result)
{
    uint8_t *copy = malloc(size ? size : 1), *at = copy;
    int64_t used = 0;

    AUDIT(copy);
    if (size > 0)
        memcpy(copy, stream, size);
    while (size > 0) {
        used = transfer_import(swarms, at, size, peers, &timeouts, NOW, result);
        if (used < 0)
            break;
        AUDIT(used >= 0 && (size_t)used <= size);
        at += used;
        size -= (size_t)used;
    }
    free(copy);
    return used >= 0;
}

static bool same_counts(const struct swarms *a, const struct swarms *b)
{
    const struct swarms_counters *x = swarms_counters(a), *y = swarms_counters(b);

    return memcmp(x->torrents, y->torrents, sizeof(x->torrents)) == 0 &&
           memcmp(x->peers, y->peers, sizeof(x->peers)) == 0 &&
           memcmp(x->seeders, y->seeders, sizeof(x->seeders)) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static uint8_t stream[AUDIT_STREAM_MAX];
    static void *memory[2];
    struct input input = {bytes, bytes + size};
    unsigned peers = 1 + input_u8(&input);
    struct swarms *first = audit_table(&memory[0], &limits, &secret, 0, 1);
    struct swarms *second = audit_table(&memory[1], &limits, &secret, 0, 1);
    struct transfer_result result = {0}, again = {0}, copied = {0};
    bool whole = merge(first, input.at, input_left(&input), peers, &result);
    size_t used = audit_export(first, stream, TRANSFER_SIZE_MIN + peers, NOW);

    if (whole && result.peers_refused == 0 && swarms_counters(first)->torrents_evicted == 0) {
        AUDIT(merge(second, stream, used, peers, &copied));
        AUDIT(copied.peers_refused || swarms_counters(second)->torrents_evicted ||
              same_counts(first, second));
    }
    merge(first, input.at, input_left(&input), peers, &again);
    audit_export(first, stream, TRANSFER_SIZE_MIN, NOW);
    while (!swarms_expire(first, 64, &timeouts, NOW + 1900))
        ;
    audit_export(first, stream, 4096, NOW + 1900);
    AUDIT(swarms_counters(first)->peers[0] == 0 && swarms_counters(first)->peers[1] == 0);
    return 0;
}

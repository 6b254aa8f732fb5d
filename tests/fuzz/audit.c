/* SPDX-License-Identifier: BSD-3-Clause */
#include "audit.h"

#include <stdlib.h>
#include <string.h>

#include "dataplane/handoff.h"
#include "dataplane/swarms/table.h"

enum { LINES_A_SLICE = 64, SLICES_MAX = 1 << 20 };

struct census {
    uint64_t torrents[2], peers[2], seeders[2];
    uint8_t last[21]; /* info-hash and family: a big swarm comes in several records */
};

struct swarms *audit_table(void **memory, const struct swarms_limits *most,
                           const struct swarms_secret *secret, unsigned table, unsigned tables)
{
    struct swarms_limits limits = *most;
    struct swarms *swarms;
    size_t size;

    handoff_share(table, tables, &limits);
    size = (swarms_memory(&limits) + 63) / 64 * 64;
    if (!*memory)
        *memory = aligned_alloc(64, size);
    AUDIT(*memory);
    memset(*memory, 0, size);
    swarms = swarms_init(*memory, &limits, secret, 4711);
    AUDIT(swarms);
    return swarms;
}

/* One record of the stream; returns its size. */
static size_t count(struct census *census, const uint8_t *at, size_t left, uint32_t now)
{
    struct transfer_swarm head;
    uint8_t identity[21];
    size_t peer, record;

    AUDIT(left >= sizeof(head));
    memcpy(&head, at, sizeof(head));
    AUDIT(head.family <= SWARMS_IPV6);
    record =
        head.family == SWARMS_IPV4 ? sizeof(struct transfer_ipv4) : sizeof(struct transfer_ipv6);
    peer = head.family == SWARMS_IPV4 ? 6 : 18;
    AUDIT(head.peers <= (left - sizeof(head)) / record);
    memcpy(identity, head.info_hash, 20);
    identity[20] = head.family;
    census->torrents[head.family] += memcmp(identity, census->last, sizeof(identity)) != 0;
    memcpy(census->last, identity, sizeof(identity));
    census->peers[head.family] += head.peers;
    for (uint32_t i = 0; i < head.peers; i++) {
        const uint8_t *flags = at + sizeof(head) + i * record + peer;
        uint32_t seen;

        memcpy(&seen, flags + 2, sizeof(seen));
        AUDIT((int32_t)(now - seen) >= 0);
        census->seeders[head.family] += *flags & TRANSFER_SEEDER ? 1 : 0;
    }
    return sizeof(head) + head.peers * record;
}

/* Which chunks there are, bit by bit: looking for each of all would take most of a fuzzer's time.
 */
static void find_chunks(const struct swarms *swarms, uint64_t chunks[TRANSFER_CHUNKS / 64])
{
    struct table_walk walk = {0};

    memset(chunks, 0, TRANSFER_CHUNKS / 8);
    while (!table_walk_done(swarms, &walk)) {
        unsigned lines = 1 << 20;
        uint32_t line = table_walk(swarms, &walk, &lines);
        unsigned chunk;

        if (line == 0)
            continue;
        chunk =
            transfer_chunk(hash_info_hash(&swarms->secret, table_record(swarms, line)->info_hash));
        chunks[chunk / 64] |= UINT64_C(1) << chunk % 64;
    }
}

static size_t export_chunk(struct swarms *swarms, unsigned chunk, uint8_t *stream, size_t room,
                           size_t slice, uint32_t now)
{
    struct transfer_export export = {.first_chunk = (uint16_t)chunk, .last_chunk = (uint16_t)chunk};
    size_t used = 0;

    for (unsigned slices = 0; !export.done; slices++) {
        size_t got;

        AUDIT(slices < SLICES_MAX && used + slice <= room);
        got = transfer_export(swarms, &export, stream + used, slice, LINES_A_SLICE, now);
        AUDIT(got <= slice);
        used += got;
    }
    return used;
}

static void compare(const struct census *census, const struct swarms_counters *counters)
{
    for (unsigned family = 0; family < 2; family++) {
        AUDIT(census->torrents[family] == counters->torrents[family]);
        AUDIT(census->peers[family] == counters->peers[family]);
        AUDIT(census->seeders[family] == counters->seeders[family]);
    }
    AUDIT(counters->memory_used <= counters->memory_reserved);
}

size_t audit_export(struct swarms *swarms, uint8_t *stream, size_t slice, uint32_t now)
{
    uint64_t chunks[TRANSFER_CHUNKS / 64];
    struct census census = {.last = {[20] = 0xff}};
    size_t used = 0;

    find_chunks(swarms, chunks);
    for (unsigned chunk = 0; chunk < TRANSFER_CHUNKS; chunk++)
        if (chunks[chunk / 64] >> chunk % 64 & 1)
            used += export_chunk(swarms, chunk, stream + used, AUDIT_STREAM_MAX - used, slice, now);
    for (size_t at = 0; at < used;)
        at += count(&census, stream + at, used - at, now);
    compare(&census, swarms_counters(swarms));
    return used;
}

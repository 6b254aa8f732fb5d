/* SPDX-License-Identifier: BSD-3-Clause */
#include "table.h"

/* About what merging two blocks of a directory touches. */
enum { MERGE_LINES = 128 };

static unsigned lines_of(const struct block *block)
{
    return 1 + block->peers * block_entry_size(block->family) / SLAB_LINE;
}

/* One block of the swarm. Returns about how many lines that took. */
static unsigned expire_block(struct swarms *swarms, struct record *record, uint32_t number,
                             uint32_t timeout, uint32_t now)
{
    struct peers peers = peers_open_block(&swarms->slab, record, number, &swarms->secret);
    uint32_t before = record->peers, seeders = record->seeders;
    unsigned lines = lines_of(&peers.block);
    unsigned gone = block_expire(&peers.block, timeout, now);

    if (gone == 0)
        return lines;
    peers_close(&swarms->slab, record, &peers);
    peers_trim(&swarms->slab, record, number, &swarms->secret);
    table_count(swarms, record, before, seeders);
    swarms->counters.peers_expired += gone;
    return 2 * lines;
}

static void expire_swarm(struct swarms *swarms, uint32_t line,
                         const struct swarms_timeouts *timeouts, uint32_t now)
{
    const struct record *record = table_record(swarms, line);

    if (record->peers != 0 ||
        (record->completed != 0 && now - record->touched <= timeouts->torrent))
        return;
    table_remove(swarms, line);
    swarms->counters.torrents_expired++;
}

/* Goes on with a record. Returns false when the lines are used up before it is done. */
static bool expire_record(struct swarms *swarms, uint32_t line, unsigned *lines,
                          const struct swarms_timeouts *timeouts, uint32_t now)
{
    struct record *record = table_record(swarms, line);
    uint32_t *number = &swarms->expiry.block;

    /* An announce may have evicted it since it was collected. */
    if (!table_is_record(swarms, line)) {
        *number = 0;
        return true;
    }
    for (; *number < peers_blocks(record); ++*number) {
        unsigned used;

        if (*lines == 0)
            return false;
        used = expire_block(swarms, record, *number, timeouts->peer, now);
        *lines -= used < *lines ? used : *lines;
    }
    /* Only now: merging moves peers into blocks that the loop has passed. */
    while (*lines > 0 && peers_merge(&swarms->slab, record, &swarms->secret))
        *lines -= MERGE_LINES < *lines ? MERGE_LINES : *lines;
    if (*lines == 0 && record->form == RECORD_DIRECTORY)
        return false;
    *number = 0;
    expire_swarm(swarms, line, timeouts, now);
    return true;
}

static void collect(struct swarms *swarms, struct expiry_cursor *cursor, unsigned *lines)
{
    uint32_t line;

    cursor->next = cursor->count = 0;
    while (cursor->count < EXPIRY_BATCH && (line = table_walk(swarms, &cursor->walk, lines)) != 0) {
        const struct record *record = table_record(swarms, line);

        if (record->form == RECORD_BLOCK)
            __builtin_prefetch(slab_at(&swarms->slab, record->block));
        cursor->batch[cursor->count++] = line;
    }
}

bool swarms_expire(struct swarms *swarms, unsigned lines, const struct swarms_timeouts *timeouts,
                   uint32_t now)
{
    struct expiry_cursor *cursor = &swarms->expiry;

    for (;;) {
        while (cursor->next < cursor->count) {
            if (!expire_record(swarms, cursor->batch[cursor->next], &lines, timeouts, now))
                return false;
            cursor->next++;
        }
        if (table_walk_done(swarms, &cursor->walk)) {
            cursor->walk = (struct table_walk){0};
            return true;
        }
        if (lines == 0)
            return false;
        collect(swarms, cursor, &lines);
    }
}

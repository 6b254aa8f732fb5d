/* SPDX-License-Identifier: BSD-3-Clause */
#include "chunk_ledger.h"

void ledger_start(struct chunk_ledger *ledger, uint32_t now)
{
    for (unsigned chunk = 0; chunk < TRANSFER_CHUNKS; chunk++)
        ledger->chunks[chunk].checked_at = now;
}

static bool is_due(const struct ledger_chunk *state, uint64_t digest, uint32_t refresh,
                   uint32_t now)
{
    if (state->under_way)
        return false;
    if (state->doubtful || digest != state->digest)
        return true;
    return state->exists && now - state->stored_at >= refresh;
}

enum ledger_verdict ledger_judge(struct chunk_ledger *ledger, unsigned chunk, uint64_t digest,
                                 uint32_t refresh, uint32_t now)
{
    struct ledger_chunk *state = &ledger->chunks[chunk];

    if (state->unread)
        return LEDGER_KEEP;
    if (state->newer) {
        if (state->under_way || now - state->checked_at < refresh)
            return LEDGER_KEEP;
        state->checked_at = now;
        return LEDGER_LOOK;
    }
    if (is_due(state, digest, refresh, now))
        return LEDGER_WRITE;
    if (!state->under_way)
        state->checked_at = now;
    return LEDGER_UNCHANGED;
}

void ledger_writing(struct chunk_ledger *ledger, unsigned chunk, const struct chunk_writer *writer,
                    uint64_t digest)
{
    struct ledger_chunk *state = &ledger->chunks[chunk];

    state->writing = digest;
    state->writing_swarms = writer->entries;
    state->writing_peers = writer->peers;
    state->writing_bytes = (uint32_t)writer->size;
    state->doubtful = false;
    state->under_way = true;
}

const struct ledger_chunk *ledger_written(struct chunk_ledger *ledger, unsigned chunk, uint32_t now)
{
    struct ledger_chunk *state = &ledger->chunks[chunk];

    /* If it came into doubt meanwhile, it stays so: this write may be what was lost. */
    state->under_way = false;
    state->digest = state->writing;
    state->swarms = state->writing_swarms;
    state->peers = state->writing_peers;
    state->bytes = state->writing_bytes;
    state->exists = true;
    state->stored_at = state->checked_at = now;
    return state;
}

void ledger_failed(struct chunk_ledger *ledger, unsigned chunk)
{
    ledger->chunks[chunk].under_way = false;
    ledger_spoil(ledger, chunk);
}

void ledger_spoil(struct chunk_ledger *ledger, unsigned chunk)
{
    ledger->chunks[chunk].doubtful = true;
}

void ledger_looking(struct chunk_ledger *ledger, unsigned chunk)
{
    ledger->chunks[chunk].under_way = true;
}

void ledger_looked(struct chunk_ledger *ledger, unsigned chunk)
{
    ledger->chunks[chunk].under_way = false;
}

void ledger_found(struct chunk_ledger *ledger, unsigned chunk, enum loader_chunk kind)
{
    struct ledger_chunk *state = &ledger->chunks[chunk];

    state->unread = kind == LOADER_FAILED;
    state->newer = kind == LOADER_NEWER;
    state->exists = kind != LOADER_ABSENT;
    state->doubtful = kind != LOADER_ABSENT && kind != LOADER_NEWER;
}

bool ledger_knows(const struct chunk_ledger *ledger, unsigned chunk)
{
    return !ledger->chunks[chunk].unread && !ledger->chunks[chunk].newer;
}

bool ledger_doubt(struct chunk_ledger *ledger, unsigned chunk)
{
    struct ledger_chunk *state = &ledger->chunks[chunk];

    if (!state->exists && !state->under_way)
        return false;
    state->doubtful = true;
    return true;
}

void ledger_sum(const struct chunk_ledger *ledger, uint32_t now, struct ledger_sums *sums)
{
    *sums = (struct ledger_sums){0};
    for (unsigned chunk = 0; chunk < TRANSFER_CHUNKS; chunk++) {
        const struct ledger_chunk *state = &ledger->chunks[chunk];

        sums->newer += state->newer;
        sums->stored += state->exists;
        sums->torrents += state->swarms;
        sums->peers += state->peers;
        sums->bytes += state->bytes;
        if (!state->newer && now - state->checked_at > sums->oldest_dirty)
            sums->oldest_dirty = now - state->checked_at;
    }
}

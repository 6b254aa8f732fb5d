/* SPDX-License-Identifier: BSD-3-Clause */
#include "persistence.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include "persistence_redis.h"
#include "store/monotonic.h"

enum {
    RETRY_MS = 1000,        /* between two tries to read what the store couldn't give */
    RETRY_LATER_MS = 5000,  /* the same, once we serve: longer delays what a repair of it brings
                               back;  shorter keeps asking a store that refuses for 16384 chunks */
    RETRIES_OF_OTHERS = 10, /* then the fleet's resynchronisation takes over */
    RETRIES_OF_OURS = 10,   /* then we go on, and read the rest later */
    TEXT_SIZE = 256,
};

struct persistence {
    struct persistence_config config;
    struct persistence_settings settings;
    enum persistence_state state;
    struct store *store;
    struct loader *loader;
    struct snapshot *snapshot;
    struct fleet *fleet;
    struct event *retry;
    struct seen_clock clock;

    uint8_t sources[MEMBERS_MAX];
    unsigned sources_count, source; /* the one that is being read */
    bool inspecting;                /* our own chunks are only looked at, after the last source */
    unsigned retries;
    uint64_t started; /* ms */
    struct loader_info loaded;
    uint8_t ours[TRANSFER_CHUNKS]; /* enum loader_chunk of our own chunks */
    bool last_snapshot_done;
};

static void note(struct persistence *persistence, bool warning, const char *text)
{
    if (persistence->config.on_note)
        persistence->config.on_note(persistence->config.user, warning, text);
}

static void on_store_note(void *user, const char *text)
{
    note(user, true, text);
}

static void on_fleet_note(void *user, const char *text)
{
    note(user, false, text);
}

static void on_doubt(void *user, unsigned chunk)
{
    struct persistence *persistence = user;

    if (persistence->snapshot)
        snapshot_doubt(persistence->snapshot, chunk);
}

/* Loading -------------------------------------------------------------------------------------- */

static unsigned our_number(const struct persistence *persistence)
{
    return persistence->settings.fleet.number;
}

static void retry_later(struct persistence *persistence)
{
    uint32_t ms = persistence->state == PERSISTENCE_SERVING ? RETRY_LATER_MS : RETRY_MS;
    const struct timeval pause = {.tv_sec = ms / 1000};

    persistence->retries++;
    evtimer_add(persistence->retry, &pause);
}

static void load_source(struct persistence *persistence)
{
    unsigned number = persistence->sources[persistence->source];
    int64_t ahead = persistence->fleet ? fleet_ahead(persistence->fleet, number) : 0;

    persistence->retries = 0;
    loader_start(persistence->loader, number, ahead);
}

static bool is_source(const struct persistence *persistence, unsigned number)
{
    return memchr(persistence->sources, (int)number, persistence->sources_count) != NULL;
}

/* What is now known of our own chunks, the snapshot may build on. */
static void tell_found(struct persistence *persistence)
{
    for (unsigned chunk = 0; chunk < TRANSFER_CHUNKS; chunk++)
        snapshot_found(persistence->snapshot, chunk, (enum loader_chunk)persistence->ours[chunk]);
}

static unsigned count_unread(const struct persistence *persistence)
{
    unsigned count = 0;

    for (unsigned chunk = 0; chunk < TRANSFER_CHUNKS; chunk++)
        count += persistence->ours[chunk] == LOADER_FAILED;
    return count;
}

static void serve(struct persistence *persistence)
{
    const struct loader_info *loaded = &persistence->loaded;
    char text[TEXT_SIZE];

    persistence->state = PERSISTENCE_SERVING;
    persistence->loaded.seconds = (double)(monotonic_ms() - persistence->started) / 1000;
    snprintf(
        text, sizeof(text),
        "loaded %llu peers of %llu swarms in %.1f s from %u snapshots; left out: %llu too old, "
        "%llu stopped since; chunks: %llu damaged, %llu foreign, %llu of a newer version",
        (unsigned long long)loaded->peers, (unsigned long long)loaded->swarms, loaded->seconds,
        persistence->sources_count, (unsigned long long)loaded->peers_expired,
        (unsigned long long)loaded->peers_dead, (unsigned long long)loaded->chunks[LOADER_DAMAGED],
        (unsigned long long)loaded->chunks[LOADER_FOREIGN],
        (unsigned long long)loaded->chunks[LOADER_NEWER]);
    note(persistence, false, text);
    snapshot_start(persistence->snapshot);
    if (persistence->fleet)
        fleet_serve(persistence->fleet);
    if (count_unread(persistence) > 0)
        retry_later(persistence);
}

static void sum_up(struct persistence *persistence, const struct loader_info *info)
{
    struct loader_info *sum = &persistence->loaded;

    sum->swarms += info->swarms;
    sum->peers += info->peers;
    sum->peers_expired += info->peers_expired;
    sum->peers_dead += info->peers_dead;
    sum->bytes += info->bytes;
    for (unsigned kind = 0; kind < LOADER_CHUNK_KINDS; kind++)
        sum->chunks[kind] += info->chunks[kind];
}

/* A source was read as far as it could be: on to the next. */
static void next_source(struct persistence *persistence, const struct loader_info *info)
{
    if (info->chunks[LOADER_FAILED] > 0 && persistence->fleet)
        fleet_resync(persistence->fleet, info->appliance);
    if (!persistence->inspecting)
        sum_up(persistence, info);
    persistence->source++;
    if (persistence->source < persistence->sources_count) {
        load_source(persistence);
    } else if (!is_source(persistence, our_number(persistence)) && !persistence->inspecting) {
        persistence->inspecting = true;
        persistence->retries = 0;
        loader_inspect(persistence->loader, our_number(persistence));
    } else {
        tell_found(persistence);
        serve(persistence);
    }
}

/* Some of our own chunks that had been left unread, as far as they could be read now. */
static void take_rest(struct persistence *persistence, const struct loader_info *info)
{
    char text[TEXT_SIZE];

    if (!persistence->inspecting)
        sum_up(persistence, info);
    persistence->loaded.chunks[LOADER_FAILED] = info->chunks[LOADER_FAILED];
    tell_found(persistence);
    if (info->chunks[LOADER_FAILED] > 0) {
        retry_later(persistence);
        return;
    }
    snprintf(text, sizeof(text), "the chunks that could not be read at start were: %llu peers",
             (unsigned long long)info->peers);
    note(persistence, false, text);
}

static void on_loaded(void *user, const struct loader_info *info)
{
    struct persistence *persistence = user;
    bool ours = info->appliance == our_number(persistence);

    if (persistence->state == PERSISTENCE_STOPPED)
        return;
    if (persistence->state == PERSISTENCE_SERVING) {
        take_rest(persistence, info);
    } else if (info->chunks[LOADER_FAILED] > 0 &&
               persistence->retries < (ours ? RETRIES_OF_OURS : RETRIES_OF_OTHERS)) {
        retry_later(persistence);
    } else {
        next_source(persistence, info);
    }
}

static void load_rest(struct persistence *persistence)
{
    bool unread[TRANSFER_CHUNKS];

    for (unsigned chunk = 0; chunk < TRANSFER_CHUNKS; chunk++)
        unread[chunk] = persistence->ours[chunk] == LOADER_FAILED;
    loader_resume(persistence->loader, our_number(persistence), unread);
}

static void on_retry(evutil_socket_t fd, short what, void *user)
{
    struct persistence *persistence = user;

    if (persistence->state == PERSISTENCE_SERVING)
        load_rest(persistence);
    else if (persistence->state != PERSISTENCE_STOPPED)
        loader_retry(persistence->loader);
}

static void on_chunk(void *user, unsigned appliance, unsigned chunk, enum loader_chunk kind,
                     const struct chunk_header *header)
{
    struct persistence *persistence = user;
    char text[TEXT_SIZE];

    if (appliance == our_number(persistence))
        persistence->ours[chunk] = (uint8_t)kind;
    if (kind == LOADER_ABSENT || kind == LOADER_LOADED || kind == LOADER_FAILED)
        return;
    snprintf(text, sizeof(text), "chunk %u of appliance %u is skipped: it is %s%s", chunk,
             appliance, loader_chunk_name(kind),
             kind == LOADER_NEWER ? ", and won't be overwritten" : "");
    note(persistence, true, text);
}

static uint32_t on_filter(void *user, const uint8_t *info_hash, uint8_t family, void *peers,
                          uint32_t count)
{
    struct persistence *persistence = user;

    return fleet_filter(persistence->fleet, info_hash, family, peers, count);
}

static void begin_loading(struct persistence *persistence)
{
    persistence->state = PERSISTENCE_LOADING;
    persistence->started = monotonic_ms();
    if (persistence->fleet)
        persistence->sources_count = fleet_sources(persistence->fleet, persistence->sources);
    else
        persistence->sources[persistence->sources_count++] = (uint8_t)our_number(persistence);
    load_source(persistence);
}

/* The fleet ------------------------------------------------------------------------------------ */

static void on_fleet_ready(void *user)
{
    struct persistence *persistence = user;

    snapshot_set_epoch(persistence->snapshot, fleet_epoch(persistence->fleet));
    begin_loading(persistence);
}

static void on_superseded(void *user)
{
    struct persistence *persistence = user;

    snapshot_stop(persistence->snapshot);
}

static void on_census(void *user, uint64_t *torrents, uint64_t *peers)
{
    struct persistence *persistence = user;

    /* What the last pass of snapshots has seen is good enough for people. */
    snapshot_census(persistence->snapshot, torrents, peers);
}

/* Starting ------------------------------------------------------------------------------------- */

static uint64_t layout_of(const struct swarms_secret *secret)
{
    return XXH64(secret->bytes, sizeof(secret->bytes), 0);
}

static bool make_parts(struct persistence *persistence)
{
    const struct persistence_config *config = &persistence->config;
    const struct persistence_settings *settings = &persistence->settings;
    struct loader_config loader = {
        .base = config->base,
        .store = persistence->store,
        .jobs = config->jobs,
        .dataplane = config->dataplane,
        .clock = &persistence->clock,
        .timeouts = config->timeouts,
        .user = persistence,
        .on_chunk = on_chunk,
        .on_done = on_loaded,
    };
    struct snapshot_config snapshot = {
        .base = config->base,
        .store = persistence->store,
        .jobs = config->jobs,
        .dataplane = config->dataplane,
        .clock = &persistence->clock,
        .appliance = settings->fleet.number,
        .epoch = (uint64_t)time(NULL) * 1000,
        .layout = layout_of(config->secret),
        .interval = settings->interval,
        .refresh = settings->refresh,
    };
    struct fleet_config fleet = {
        .base = config->base,
        .store = persistence->store,
        .jobs = config->jobs,
        .dataplane = config->dataplane,
        .clock = &persistence->clock,
        .timeouts = config->timeouts,
        .self = settings->fleet.number,
        .name = settings->fleet.name,
        .layout = layout_of(config->secret),
        .snapshot_interval = settings->interval,
        .retention = settings->fleet.retention,
        .user = persistence,
        .on_ready = on_fleet_ready,
        .on_superseded = on_superseded,
        .on_note = on_fleet_note,
        .on_census = on_census,
    };

    persistence->snapshot = snapshot_new(&snapshot);
    persistence->retry = evtimer_new(config->base, on_retry, persistence);
    if (!persistence->snapshot || !persistence->retry)
        return false;
    if (settings->fleet.enabled) {
        persistence->fleet = fleet_new(&fleet);
        if (!persistence->fleet)
            return false;
        loader.filter = on_filter;
    }
    persistence->loader = loader_new(&loader);
    return persistence->loader != NULL;
}

struct persistence *persistence_start(const struct persistence_config *config, char *error,
                                      size_t error_size)
{
    struct persistence *persistence = calloc(1, sizeof(*persistence));
    const struct store_redis_config redis = {
        .user_data = persistence, .on_doubt = on_doubt, .on_note = on_store_note};

    if (!persistence) {
        snprintf(error, error_size, "out of memory");
        return NULL;
    }
    persistence->config = *config;
    persistence->settings = *config->settings;
    if (!*persistence->settings.fleet.name)
        gethostname(persistence->settings.fleet.name, MEMBER_NAME_SIZE - 1);
    persistence->store =
        config->settings->kind == PERSISTENCE_FILE
            ? store_open_file(config->base, config->settings->directory, error, error_size)
            : persistence_open_redis(config->base, config->settings, &redis, error, error_size);
    if (!persistence->store) {
        persistence_free(persistence);
        return NULL;
    }
    if (!make_parts(persistence)) {
        snprintf(error, error_size, "out of memory");
        persistence_free(persistence);
        return NULL;
    }
    if (!persistence->fleet)
        begin_loading(persistence);
    return persistence;
}

/* Stopping ------------------------------------------------------------------------------------- */

static void on_last_snapshot(void *user, unsigned failed)
{
    struct persistence *persistence = user;
    char text[TEXT_SIZE];

    persistence->last_snapshot_done = true;
    snprintf(text, sizeof(text), "last snapshot: %u chunks could not be written", failed);
    if (failed > 0)
        note(persistence, true, text);
}

void persistence_stop(struct persistence *persistence, uint32_t seconds)
{
    uint64_t deadline = monotonic_ms() + seconds * UINT64_C(1000);

    if (persistence->fleet)
        fleet_leave(persistence->fleet);
    /* While it is loading the store still has it all. */
    if (persistence_snapshot(persistence, on_last_snapshot, persistence) == 0) {
        while (!persistence->last_snapshot_done && monotonic_ms() < deadline)
            event_base_loop(persistence->config.base, EVLOOP_ONCE);
        if (!persistence->last_snapshot_done)
            note(persistence, true, "last snapshot: given up, the store is too slow");
    }
    persistence->state = PERSISTENCE_STOPPED;
    snapshot_stop(persistence->snapshot);
    store_close(persistence->store);
    persistence->store = NULL;
}

void persistence_free(struct persistence *persistence)
{
    if (!persistence)
        return;
    store_close(persistence->store);
    fleet_free(persistence->fleet);
    loader_free(persistence->loader);
    snapshot_free(persistence->snapshot);
    if (persistence->retry)
        event_free(persistence->retry);
    free(persistence);
}

/* Face ----------------------------------------------------------------------------------------- */

int persistence_snapshot(struct persistence *persistence, void (*done)(void *user, unsigned failed),
                         void *user)
{
    return snapshot_now(persistence->snapshot, done, user);
}

void persistence_set(struct persistence *persistence, const struct persistence_settings *settings)
{
    snapshot_set(persistence->snapshot, settings->interval, settings->refresh);
}

void persistence_info(const struct persistence *persistence, struct persistence_info *info)
{
    *info = (struct persistence_info){
        .state = persistence->state,
        .sources = persistence->sources_count,
        .sources_done = persistence->source,
        .loaded = persistence->loaded,
        .has_fleet = persistence->fleet != NULL,
    };
    info->progress = persistence->state >= PERSISTENCE_SERVING ? 1 : 0;
    info->seconds = persistence->loaded.seconds;
    if (persistence->state == PERSISTENCE_LOADING) {
        const struct loader_info *now = loader_info(persistence->loader);

        /* Looking at our own chunks, after the last source, adds nothing. */
        info->progress = (persistence->source + (double)now->chunks_done / TRANSFER_CHUNKS) /
                         persistence->sources_count;
        info->progress = persistence->inspecting ? 1 : info->progress;
        info->seconds = (double)(monotonic_ms() - persistence->started) / 1000;
        info->loaded.peers += now->peers;
        info->loaded.swarms += now->swarms;
    }
    info->chunks_unread = count_unread(persistence);
    snapshot_info(persistence->snapshot, &info->snapshot);
    if (persistence->store)
        info->store = *store_info(persistence->store);
}

const struct redis_cluster *persistence_redis(const struct persistence *persistence)
{
    return persistence->store ? store_redis(persistence->store) : NULL;
}

const struct fleet *persistence_fleet(const struct persistence *persistence)
{
    return persistence->fleet;
}

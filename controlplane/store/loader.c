/* SPDX-License-Identifier: BSD-3-Clause */
#include "loader.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "monotonic.h"

enum {
    /*
     * Chunks asked for or waiting for room in the tables. Fewer don't keep a cluster's nodes busy;
     * more only take memory.
     */
    CHUNKS_AHEAD = 256,
    BYTES_AHEAD = 64 << 20, /* of those that wait */
    RETRY_MS = 10,          /* after the store took no more requests */
};

/* A chunk that was read, and waits for room in the tables. */
struct loaded {
    STAILQ_ENTRY(loaded) link;
    unsigned chunk;
    size_t size;
    struct chunk_reader reader;
    struct chunk_entry entry; /* being handed on, if `open` */
    bool open;
    uint32_t done; /* its peers that were handed on */
    uint8_t bytes[];
};

struct loader {
    struct loader_config config;
    struct importer *importer;
    struct event *retry;
    int64_t writer_ahead;
    unsigned next;  /* chunk to ask for */
    unsigned asked; /* chunks under way */
    STAILQ_HEAD(, loaded) waiting;
    size_t waiting_bytes;
    unsigned waiting_count;
    uint64_t started; /* ms */
    bool failed[TRANSFER_CHUNKS];
    bool retrying;   /* only those that failed are asked for */
    bool inspecting; /* nothing is handed on */
    struct loader_info info;
};

static const char *const kind_names[LOADER_CHUNK_KINDS] = {
    [LOADER_ABSENT] = "absent", [LOADER_LOADED] = "loaded",   [LOADER_DAMAGED] = "damaged",
    [LOADER_NEWER] = "newer",   [LOADER_FOREIGN] = "foreign", [LOADER_FAILED] = "failed",
};

const char *loader_chunk_name(enum loader_chunk kind)
{
    return kind_names[kind];
}

static void proceed(struct loader *loader);

static double seconds_since(uint64_t started)
{
    return (double)(monotonic_ms() - started) / 1000;
}

/* Into the tables ------------------------------------------------------------------------------ */

/* Hands on a part of the entry. False when there is no room. */
static bool hand_on(struct loader *loader, struct loaded *loaded)
{
    const struct chunk_entry *entry = &loaded->entry;
    struct seen_times times = {
        .written = loaded->reader.header.time,
        .writer_ahead = loader->writer_ahead,
        .now = *loader->config.clock,
        .timeout = loader->config.timeouts->peer,
    };
    uint32_t left = entry->peers - loaded->done;
    uint32_t part = left < IMPORTER_PEERS_MAX ? left : IMPORTER_PEERS_MAX;
    void *room = importer_reserve(loader->importer, entry->info_hash, entry->family, part);
    uint32_t fresh, alive;

    if (!room)
        return false;
    fresh = alive = chunk_entry_peers(entry, loaded->done, part, &times, room);
    if (loader->config.filter && fresh > 0)
        alive = loader->config.filter(loader->config.user, entry->info_hash, entry->family, room,
                                      fresh);
    if (alive > 0 || entry->completed > 0)
        importer_add(loader->importer, entry->info_hash, entry->family, entry->completed, alive);
    loader->info.peers += alive;
    loader->info.peers_dead += fresh - alive;
    loader->info.peers_expired += part - fresh;
    loaded->done += part;
    loaded->open = loaded->done < entry->peers;
    return true;
}

static void finish_chunk(struct loader *loader, unsigned chunk, enum loader_chunk kind,
                         const struct chunk_header *header)
{
    loader->info.chunks[kind]++;
    loader->info.chunks_done++;
    loader->failed[chunk] = kind == LOADER_FAILED;
    if (loader->config.on_chunk)
        loader->config.on_chunk(loader->config.user, loader->info.appliance, chunk, kind, header);
}

/* Reads the next entry. 1, 0 at the end, -EBADMSG. A big swarm has several in a row. */
static int read_entry(struct loader *loader, struct loaded *loaded)
{
    struct chunk_entry before = loaded->entry;
    int result = chunk_reader_next(&loaded->reader, &loaded->entry);

    loaded->open = result == 1;
    loaded->done = 0;
    if (loaded->open && (!before.info_hash || before.family != loaded->entry.family ||
                         memcmp(before.info_hash, loaded->entry.info_hash, 20) != 0))
        loader->info.swarms++;
    return result;
}

/* Hands on what there is room for. False when the chunk isn't done. */
static bool hand_on_chunk(struct loader *loader, struct loaded *loaded)
{
    int result = 1;

    while (result == 1) {
        while (loaded->open)
            if (!hand_on(loader, loaded))
                return false;
        result = read_entry(loader, loaded);
    }
    finish_chunk(loader, loaded->chunk, result == 0 ? LOADER_LOADED : LOADER_DAMAGED,
                 &loaded->reader.header);
    return true;
}

static void hand_on_waiting(struct loader *loader)
{
    struct loaded *loaded;

    while ((loaded = STAILQ_FIRST(&loader->waiting)) != NULL) {
        if (!hand_on_chunk(loader, loaded))
            return;
        STAILQ_REMOVE_HEAD(&loader->waiting, link);
        loader->waiting_bytes -= loaded->size;
        loader->waiting_count--;
        free(loaded);
    }
}

/* From the store ------------------------------------------------------------------------------- */

static enum loader_chunk open_chunk(struct loader *loader, struct loaded *loaded)
{
    int error = chunk_reader_open(&loaded->reader, loaded->bytes, loaded->size);

    if (error)
        return error == -ENOTSUP ? LOADER_NEWER : LOADER_DAMAGED;
    if (loaded->reader.header.appliance != loader->info.appliance ||
        loaded->reader.header.chunk != loaded->chunk)
        return LOADER_FOREIGN;
    return LOADER_LOADED;
}

/* Keeps a chunk until it can be handed on. What it is, if it can't be used. */
static enum loader_chunk keep(struct loader *loader, unsigned chunk, const uint8_t *bytes,
                              size_t size)
{
    struct loaded *loaded = malloc(sizeof(*loaded) + size);
    enum loader_chunk kind;

    if (!loaded)
        return LOADER_FAILED;
    *loaded = (struct loaded){.chunk = chunk, .size = size};
    memcpy(loaded->bytes, bytes, size);
    kind = open_chunk(loader, loaded);
    if (kind != LOADER_LOADED || loader->inspecting) {
        if (kind == LOADER_LOADED)
            finish_chunk(loader, chunk, kind, &loaded->reader.header);
        free(loaded);
        return kind;
    }
    STAILQ_INSERT_TAIL(&loader->waiting, loaded, link);
    loader->waiting_bytes += size;
    loader->waiting_count++;
    loader->info.bytes += size;
    return LOADER_LOADED;
}

static void on_fetched(void *user, unsigned appliance, unsigned chunk, enum store_result result,
                       const uint8_t *bytes, size_t size)
{
    static const enum loader_chunk kinds[] = {
        [STORE_ABSENT] = LOADER_ABSENT,    [STORE_FOREIGN] = LOADER_FOREIGN,
        [STORE_AWAY] = LOADER_FAILED,      [STORE_REFUSED] = LOADER_FAILED,
        [STORE_CANCELLED] = LOADER_FAILED,
    };
    struct loader *loader = user;
    enum loader_chunk kind;

    loader->asked--;
    if (result == STORE_CANCELLED)
        return;
    kind = result == STORE_OK ? keep(loader, chunk, bytes, size) : kinds[result];
    if (kind != LOADER_LOADED)
        finish_chunk(loader, chunk, kind, NULL);
    proceed(loader);
}

static void ask(struct loader *loader)
{
    const struct timeval pause = {.tv_usec = RETRY_MS * 1000};

    while (loader->next < TRANSFER_CHUNKS && loader->waiting_bytes < BYTES_AHEAD &&
           loader->asked + loader->waiting_count < CHUNKS_AHEAD) {
        if (loader->retrying && !loader->failed[loader->next]) {
            loader->next++;
            continue;
        }
        if (store_room(loader->config.store) == 0 ||
            store_fetch(loader->config.store, loader->info.appliance, loader->next, on_fetched,
                        loader)) {
            evtimer_add(loader->retry, &pause);
            return;
        }
        loader->next++;
        loader->asked++;
    }
}

/* Running -------------------------------------------------------------------------------------- */

static void proceed(struct loader *loader)
{
    if (!loader->info.running)
        return;
    seen_clock_set(loader->config.clock, dataplane_now(loader->config.dataplane));
    hand_on_waiting(loader);
    ask(loader);
    if (loader->next < TRANSFER_CHUNKS || loader->asked + loader->waiting_count > 0)
        return;
    importer_flush(loader->importer);
    if (!importer_idle(loader->importer))
        return;
    loader->info.running = false;
    loader->info.seconds = seconds_since(loader->started);
    if (loader->config.on_done)
        loader->config.on_done(loader->config.user, &loader->info);
}

static void on_room(void *user)
{
    proceed(user);
}

static void on_retry(evutil_socket_t fd, short what, void *user)
{
    proceed(user);
}

struct loader *loader_new(const struct loader_config *config)
{
    struct loader *loader = calloc(1, sizeof(*loader));

    if (!loader)
        return NULL;
    loader->config = *config;
    STAILQ_INIT(&loader->waiting);
    loader->importer = importer_new(config->base, config->jobs, config->dataplane);
    loader->retry = evtimer_new(config->base, on_retry, loader);
    if (!loader->importer || !loader->retry) {
        loader_free(loader);
        return NULL;
    }
    importer_on_room(loader->importer, on_room, loader);
    return loader;
}

void loader_free(struct loader *loader)
{
    struct loaded *loaded;

    if (!loader)
        return;
    while ((loaded = STAILQ_FIRST(&loader->waiting)) != NULL) {
        STAILQ_REMOVE_HEAD(&loader->waiting, link);
        free(loaded);
    }
    importer_free(loader->importer);
    if (loader->retry)
        event_free(loader->retry);
    free(loader);
}

static void start(struct loader *loader, unsigned appliance, int64_t writer_ahead, bool inspect)
{
    loader->info = (struct loader_info){.running = true, .appliance = appliance};
    loader->writer_ahead = writer_ahead;
    loader->retrying = false;
    loader->inspecting = inspect;
    loader->next = 0;
    loader->started = monotonic_ms();
    proceed(loader);
}

void loader_start(struct loader *loader, unsigned appliance, int64_t writer_ahead)
{
    start(loader, appliance, writer_ahead, false);
}

void loader_inspect(struct loader *loader, unsigned appliance)
{
    start(loader, appliance, 0, true);
}

void loader_retry(struct loader *loader)
{
    loader->info.running = true;
    loader->info.chunks_done -= (unsigned)loader->info.chunks[LOADER_FAILED];
    loader->info.chunks[LOADER_FAILED] = 0;
    loader->retrying = true;
    loader->next = 0;
    proceed(loader);
}

void loader_resume(struct loader *loader, unsigned appliance, const bool chunks[TRANSFER_CHUNKS])
{
    loader->info = (struct loader_info){.appliance = appliance, .chunks_done = TRANSFER_CHUNKS};
    memcpy(loader->failed, chunks, sizeof(loader->failed));
    for (unsigned chunk = 0; chunk < TRANSFER_CHUNKS; chunk++)
        loader->info.chunks[LOADER_FAILED] += chunks[chunk];
    loader->writer_ahead = 0;
    loader->started = monotonic_ms();
    loader_retry(loader);
}

const struct loader_info *loader_info(const struct loader *loader)
{
    if (loader->info.running)
        ((struct loader *)loader)->info.seconds = seconds_since(loader->started);
    return &loader->info;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chunk.h"
#include "store.h"

enum {
    /*
     * A chunk that could not be written for so long is given up until the next cycle: longer, and
     * chunks for a node that is away keep those for the others from being written.
     */
    WRITE_MS = 4000,
    READ_MS = 10000,
    KEY_SIZE = 48,
};

struct redis_store {
    struct store store;
    struct store_redis_config config;
    struct redis_cluster *client;
};

/* A request under way. */
struct request {
    struct redis_store *store;
    unsigned appliance, chunk;
    size_t size;
    store_written *written;
    store_fetched *fetched;
    void *user;
};

unsigned store_redis_slot(unsigned chunk)
{
    unsigned slot = 0;

    for (unsigned bit = 0; bit < TRANSFER_CHUNK_BITS; bit++)
        slot |= (chunk >> bit & 1) << (TRANSFER_CHUNK_BITS - 1 - bit);
    return slot;
}

_Static_assert((int)TRANSFER_CHUNKS == (int)REDIS_SLOTS,
               "each slot holds one chunk of an appliance");

static size_t make_key(char key[KEY_SIZE], unsigned appliance, unsigned chunk)
{
    return (size_t)snprintf(key, KEY_SIZE, "{%s}:s:%u:%u", redis_slot_tag(store_redis_slot(chunk)),
                            appliance, chunk);
}

/* What an answer means, if it isn't the one that was hoped for. */
static enum store_result failure(struct redis_store *store, const struct redis_result *result)
{
    if (result->outcome == REDIS_CANCELLED)
        return STORE_CANCELLED;
    if (result->outcome == REDIS_REFUSED && result->error == REDIS_ERROR_wrongtype)
        return STORE_FOREIGN;
    if (result->outcome == REDIS_REFUSED && result->reply && result->reply->str)
        store_note_error(&store->store, "%s", result->reply->str);
    else
        store_note_error(&store->store, "%s", redis_error_help(result->error));
    return result->outcome == REDIS_REFUSED ? STORE_REFUSED : STORE_AWAY;
}

static void on_written(void *user, const struct redis_result *answer)
{
    struct request *request = user;
    struct redis_store *store = request->store;
    enum store_result result = STORE_OK;

    store->store.info.under_way--;
    if (answer->outcome == REDIS_ANSWERED) {
        store->store.info.chunks_written++;
        store->store.info.bytes_written += request->size;
    } else {
        store->store.info.write_errors++;
        result = failure(store, answer);
    }
    request->written(request->user, request->chunk, result);
    free(request);
}

static void on_fetched(void *user, const struct redis_result *answer)
{
    struct request *request = user;
    struct redis_store *store = request->store;
    enum store_result result = STORE_OK;
    const uint8_t *bytes = NULL;
    size_t size = 0;

    store->store.info.under_way--;
    if (answer->outcome != REDIS_ANSWERED) {
        store->store.info.read_errors++;
        result = failure(store, answer);
    } else if (answer->reply->type == REDIS_REPLY_NIL) {
        result = STORE_ABSENT;
    } else if (answer->reply->type == REDIS_REPLY_STRING) {
        bytes = (const uint8_t *)answer->reply->str;
        size = answer->reply->len;
        store->store.info.chunks_read++;
        store->store.info.bytes_read += size;
    } else {
        result = STORE_FOREIGN;
    }
    request->fetched(request->user, request->appliance, request->chunk, result, bytes, size);
    free(request);
}

/* Submits a command whose second argument is the key; takes `request` over. */
static int submit(struct redis_store *store, struct request *request, int argc,
                  const char *const *argv, const size_t *sizes)
{
    struct redis_request command = {
        .argc = argc,
        .argv = argv,
        .sizes = sizes,
        .key = 1,
        .timeout_ms = request->written ? WRITE_MS : READ_MS,
        .done = request->written ? on_written : on_fetched,
        .user = request,
    };
    int error = redis_cluster_submit(store->client, &command);

    if (error)
        free(request);
    else
        store->store.info.under_way++;
    return error;
}

static struct request *request_new(struct store *store, unsigned appliance, unsigned chunk,
                                   void *user)
{
    struct request *request = calloc(1, sizeof(*request));

    if (!request)
        return NULL;
    request->store = (struct redis_store *)store;
    request->appliance = appliance;
    request->chunk = chunk;
    request->user = user;
    return request;
}

static int redis_write(struct store *store, unsigned appliance, unsigned chunk,
                       const uint8_t *bytes, size_t size, store_written *done, void *user)
{
    struct request *request = request_new(store, appliance, chunk, user);
    char key[KEY_SIZE], expiry[16];
    const char *argv[] = {"SET", key, (const char *)bytes, "EX", expiry};
    size_t sizes[] = {3, 0, size, 2, 0};

    if (!request)
        return -ENOMEM;
    request->written = done;
    request->size = size;
    sizes[1] = make_key(key, appliance, chunk);
    sizes[4] = (size_t)snprintf(expiry, sizeof(expiry), "%u", request->store->config.expiry);
    return submit(request->store, request, 5, argv, sizes);
}

static int redis_fetch(struct store *store, unsigned appliance, unsigned chunk, store_fetched *done,
                       void *user)
{
    struct request *request = request_new(store, appliance, chunk, user);
    char key[KEY_SIZE];
    const char *argv[] = {"GET", key};
    size_t sizes[] = {3, 0};

    if (!request)
        return -ENOMEM;
    request->fetched = done;
    sizes[1] = make_key(key, appliance, chunk);
    return submit(request->store, request, 2, argv, sizes);
}

static unsigned redis_room(const struct store *store)
{
    return redis_cluster_room(((const struct redis_store *)store)->client);
}

static struct redis_cluster *redis_client(struct store *store)
{
    return ((struct redis_store *)store)->client;
}

static void redis_close(struct store *store)
{
    redis_cluster_free(((struct redis_store *)store)->client);
    free(store);
}

static void on_doubt(void *user, unsigned first_slot, unsigned last_slot)
{
    struct redis_store *store = user;

    if (!store->config.on_doubt)
        return;
    /* Reversing the bits twice leads back. */
    for (unsigned slot = first_slot; slot <= last_slot; slot++)
        store->config.on_doubt(store->config.user_data, store_redis_slot(slot));
}

static void on_note(void *user, const char *text)
{
    struct redis_store *store = user;

    if (store->config.on_note)
        store->config.on_note(store->config.user_data, text);
}

static void describe(struct store_info *info, const struct redis_cluster_config *config)
{
    size_t used = 0;

    for (unsigned i = 0; i < config->seeds_count && used < sizeof(info->place); i++) {
        int size = snprintf(info->place + used, sizeof(info->place) - used, "%s%s:%u", i ? " " : "",
                            config->seeds[i].host, config->seeds[i].port);

        used += (size_t)size;
    }
    info->kind = config->single ? "redis" : "redis cluster";
}

static const struct store_kind redis_kind = {
    .name = "redis",
    .write = redis_write,
    .fetch = redis_fetch,
    .room = redis_room,
    .redis = redis_client,
    .close = redis_close,
};

struct store *store_open_redis(struct event_base *base, const struct store_redis_config *config)
{
    struct redis_store *store = calloc(1, sizeof(*store));
    struct redis_cluster_config client = config->client;

    if (!store)
        return NULL;
    store->store.kind = &redis_kind;
    store->config = *config;
    describe(&store->store.info, &client);
    client.user_data = store;
    client.on_doubt = on_doubt;
    client.on_note = on_note;
    store->client = redis_cluster_new(base, &client);
    if (!store->client) {
        free(store);
        return NULL;
    }
    return &store->store;
}

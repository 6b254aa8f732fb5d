/* SPDX-License-Identifier: BSD-3-Clause */
#include "store.h"

#include <stdarg.h>
#include <stdio.h>

int store_write(struct store *store, unsigned appliance, unsigned chunk, const uint8_t *bytes,
                size_t size, store_written *done, void *user)
{
    return store->kind->write(store, appliance, chunk, bytes, size, done, user);
}

int store_fetch(struct store *store, unsigned appliance, unsigned chunk, store_fetched *done,
                void *user)
{
    return store->kind->fetch(store, appliance, chunk, done, user);
}

unsigned store_room(const struct store *store)
{
    return store->kind->room(store);
}

struct redis_cluster *store_redis(struct store *store)
{
    return store->kind->redis ? store->kind->redis(store) : NULL;
}

const struct store_info *store_info(const struct store *store)
{
    return &store->info;
}

void store_close(struct store *store)
{
    if (store)
        store->kind->close(store);
}

void store_note_error(struct store *store, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(store->info.last_error, sizeof(store->info.last_error), format, arguments);
    va_end(arguments);
}

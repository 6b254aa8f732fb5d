/* SPDX-License-Identifier: BSD-3-Clause */
#include "persistence_redis.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "store/redis_address.h"

enum { PASSWORD_SIZE = 256 };

/* The first line of a file. False with an explanation. */
static bool read_password(const char *path, char password[PASSWORD_SIZE], char *error,
                          size_t error_size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, password, PASSWORD_SIZE - 1);

    if (size < 0)
        snprintf(error, error_size, "password file %s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    if (size < 0)
        return false;
    password[size] = '\0';
    password[strcspn(password, "\r\n")] = '\0';
    return true;
}

struct store *persistence_open_redis(struct event_base *base,
                                     const struct persistence_settings *settings,
                                     const struct store_redis_config *calls, char *error,
                                     size_t error_size)
{
    struct redis_address nodes[PERSISTENCE_NODES_MAX];
    char password[PASSWORD_SIZE] = "";
    struct store_redis_config config = {
        .client = {.seeds = nodes,
                   .seeds_count = settings->redis.nodes_count,
                   .single = settings->redis.single,
                   .user = settings->redis.user,
                   .password = password},
        .expiry = settings->redis.expiry,
        .user_data = calls->user_data,
        .on_doubt = calls->on_doubt,
        .on_note = calls->on_note,
    };
    struct store *store;

    for (unsigned i = 0; i < settings->redis.nodes_count; i++) {
        const char *node = settings->redis.nodes[i];

        if (redis_address_parse(&nodes[i], node, strlen(node))) {
            snprintf(error, error_size, "expected host:port, found %s", node);
            return NULL;
        }
    }
    if (*settings->redis.password_file &&
        !read_password(settings->redis.password_file, password, error, error_size))
        return NULL;
    store = store_open_redis(base, &config);
    explicit_bzero(password, sizeof(password));
    if (!store)
        snprintf(error, error_size, "no client for Redis: no nodes are given, or out of memory");
    return store;
}

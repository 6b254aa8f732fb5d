/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names of Redis nodes into numbers, without waiting: the system's own resolver (getaddrinfo(3),
 * with all that the machine's configuration says) blocks, so each look-up has a thread. Whoever
 * needs an address asks again until it is there. Internal to the Redis client.
 *
 * A name is looked up once at a time, however often it is asked for, and anew after some seconds:
 * a node may have moved.
 */
#pragma once

#include <stddef.h>

#include "redis_address.h"

struct redis_resolver;

/* NULL when out of memory. */
struct redis_resolver *redis_resolver_new(void);

/* Look-ups under way end by themselves. */
void redis_resolver_free(struct redis_resolver *resolver);

/*
 * The host's address as a number; of several, `turn` chooses: count it up from try to try. A host
 * that is a number is found at once. 0, -EINPROGRESS (ask again), -ENOMEM, or -ENOENT with the
 * reason in `error`.
 */
int redis_resolver_find(struct redis_resolver *resolver, const char *host, unsigned turn,
                        char number[REDIS_HOST_SIZE], const char **error);

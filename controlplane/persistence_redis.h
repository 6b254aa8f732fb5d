/* SPDX-License-Identifier: BSD-3-Clause */
/* The store in Redis that the configuration describes. */
#pragma once

#include <stddef.h>

#include "persistence_settings.h"
#include "store/store.h"

/*
 * Reads the password, and opens the store; of `calls` its user_data and functions are used. NULL
 * with one line of explanation in `error`.
 */
struct store *persistence_open_redis(struct event_base *base,
                                     const struct persistence_settings *settings,
                                     const struct store_redis_config *calls, char *error,
                                     size_t error_size);

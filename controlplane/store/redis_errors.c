/* SPDX-License-Identifier: BSD-3-Clause */
#include "redis_errors.h"

#include <stdlib.h>
#include <string.h>

struct error_kind {
    const char *name, *prefix, *help;
    unsigned flags;
    uint32_t first_ms, longest_ms;
};

static const struct error_kind kinds[REDIS_ERROR_KINDS] = {
#define REDIS_ERROR_ROW(name, prefix, flags, first, longest, help)                                 \
    {#name, prefix, help, flags, first, longest},
    REDIS_ERRORS(REDIS_ERROR_ROW)
#undef REDIS_ERROR_ROW
};

const char *redis_error_name(enum redis_error error)
{
    return kinds[error].name;
}

const char *redis_error_help(enum redis_error error)
{
    return kinds[error].help;
}

unsigned redis_error_flags(enum redis_error error)
{
    return kinds[error].flags;
}

enum redis_error redis_error_parse(const char *text, size_t size)
{
    const char *space = memchr(text, ' ', size);
    size_t length = space ? (size_t)(space - text) : size;

    for (unsigned kind = 0; length > 0 && kind < REDIS_ERROR_KINDS; kind++) {
        if (strlen(kinds[kind].prefix) == length && !memcmp(text, kinds[kind].prefix, length))
            return (enum redis_error)kind;
    }
    return REDIS_ERROR_other;
}

uint32_t redis_error_backoff(enum redis_error error, unsigned attempt)
{
    uint64_t wait = kinds[error].first_ms;

    if (wait == 0 && attempt > 1) /* what is tried again at once shall not spin */
        wait = 10;
    for (; attempt > 1 && wait < kinds[error].longest_ms; attempt--)
        wait *= 2;
    if (wait > kinds[error].longest_ms)
        wait = kinds[error].longest_ms;
    return (uint32_t)(wait - (wait ? arc4random_uniform((uint32_t)wait / 2 + 1) : 0));
}

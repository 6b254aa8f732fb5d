/* SPDX-License-Identifier: BSD-3-Clause */
/* A disk that fails, for tests of what keeps files. */
#pragma once

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/resource.h>

/* While it is set, reading a file fails with EIO. */
extern atomic_bool disk_unreadable;

/* No file may grow beyond `bytes`: as on a disk that is full, a write stops halfway. */
static inline void disk_fill(rlim_t bytes)
{
    const struct rlimit limit = {.rlim_cur = bytes, .rlim_max = RLIM_INFINITY};

    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
}

static inline void disk_free(void)
{
    disk_fill(RLIM_INFINITY);
}

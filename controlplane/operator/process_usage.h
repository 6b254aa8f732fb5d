/* SPDX-License-Identifier: BSD-3-Clause */
/* What this process uses, as the kernel and jemalloc tell. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

double process_cpu_seconds(void);
uint64_t process_resident_bytes(void); /* 0 when unknown */
int process_open_fds(void);            /* negative when unknown: a confined process can't look */
uint64_t process_max_fds(void);

/* Bytes; see jemalloc(3), "stats". */
struct process_heap {
    uint64_t allocated, active, resident, mapped, retained, metadata;
};

/* False when the process doesn't run on jemalloc. */
bool process_heap(struct process_heap *heap);

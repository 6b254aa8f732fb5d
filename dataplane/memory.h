/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory for the tables: zeroed, on huge pages of 2 MiB if there are any, of the NUMA node of the
 * caller. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct memory {
    void *base;
    size_t size;
    bool huge; /* on huge pages that were reserved for it */
};

/*
 * Maps at least `size` bytes and touches them all, so that they are there and belong to the node of
 * the core that calls. With `huge` and without enough huge pages: ordinary ones, and the kernel is
 * asked to make them huge in time. 0 or -ENOMEM.
 */
int memory_map(struct memory *memory, size_t size, bool huge);
void memory_unmap(struct memory *memory);

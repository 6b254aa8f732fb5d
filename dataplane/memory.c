/* SPDX-License-Identifier: BSD-3-Clause */
#include "memory.h"

#include <errno.h>
#include <linux/mman.h>
#include <sys/mman.h>

enum { HUGE_PAGE = 2 << 20 };

int memory_map(struct memory *memory, size_t size, bool huge)
{
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS;

    size = (size + HUGE_PAGE - 1) & ~(size_t)(HUGE_PAGE - 1);
    *memory = (struct memory){.size = size, .huge = huge};
    if (huge) {
        /* Of this size, whichever is the machine's default: 1 GiB, on many that run DPDK. */
        memory->base = mmap(NULL, size, PROT_READ | PROT_WRITE,
                            flags | MAP_HUGETLB | (int)MAP_HUGE_2MB | MAP_POPULATE, -1, 0);
        if (memory->base != MAP_FAILED)
            return 0;
    }
    memory->huge = false;
    memory->base = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (memory->base == MAP_FAILED) {
        *memory = (struct memory){0};
        return -ENOMEM;
    }
    madvise(memory->base, size, MADV_HUGEPAGE);
    madvise(memory->base, size, MADV_POPULATE_WRITE);
    return 0;
}

void memory_unmap(struct memory *memory)
{
    if (memory->base)
        munmap(memory->base, memory->size);
    *memory = (struct memory){0};
}

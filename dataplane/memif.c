/* SPDX-License-Identifier: BSD-3-Clause */
#include "memif.h"

#include <errno.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rte_interrupts.h>
#include <rte_malloc.h>

struct rte_rcu_qsbr *memif_readers;

/* The grace period ---------------------------------------------------------------------------- */

static void wait_for_readers(struct rte_rcu_qsbr *readers)
{
    uint64_t token = rte_rcu_qsbr_start(readers);

    while (!rte_rcu_qsbr_check(readers, token, false))
        sched_yield();
}

/*
 * In place of libc's, in the whole process: the driver offers no other point between the mark and
 * the unmapping. Only EAL's interrupt thread, which the driver does it in, waits.
 */
int munmap(void *address, size_t size)
{
    if (memif_readers && rte_thread_is_intr())
        wait_for_readers(memif_readers);
    return (int)syscall(SYS_munmap, address, size);
}

int memif_init(void)
{
    size_t size = rte_rcu_qsbr_get_memsize(DATAPLANE_WORKERS_MAX);
    struct rte_rcu_qsbr *readers;

    if (memif_readers)
        return 0;
    readers = rte_zmalloc("memif readers", size, RTE_CACHE_LINE_SIZE);
    if (!readers)
        return -ENOMEM;
    rte_rcu_qsbr_init(readers, DATAPLANE_WORKERS_MAX);
    memif_readers = readers;
    return 0;
}

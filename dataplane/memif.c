/* SPDX-License-Identifier: BSD-3-Clause */
#include "memif.h"

#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rte_alarm.h>
#include <rte_ethdev.h>
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

/* In EAL's interrupt thread ------------------------------------------------------------------- */

struct errand {
    int (*run)(uint16_t port);
    uint16_t port;
    sem_t done;
};

static void run_errand(void *argument)
{
    struct errand *errand = argument;

    errand->run(errand->port);
    sem_post(&errand->done);
}

static void do_errand(int (*run)(uint16_t port), uint16_t port)
{
    struct errand errand = {.run = run, .port = port};

    sem_init(&errand.done, 0, 0);
    if (rte_eal_alarm_set(1, run_errand, &errand))
        run(port);
    else
        while (sem_wait(&errand.done) != 0)
            ; /* a signal came */
    sem_destroy(&errand.done);
}

void memif_stop(uint16_t port)
{
    do_errand(rte_eth_dev_stop, port);
}

void memif_close(uint16_t port)
{
    do_errand(rte_eth_dev_close, port);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "taker.h"

#include <errno.h>
#include <string.h>
#include <time.h>

enum {
    SLOTS = 1 << 17, /* as musterd's */
    TAKE = 512,
    TICK_MS = 10,
};

static void take_all(struct taker *taker)
{
    static struct delta deltas[TAKE];
    unsigned count;

    do {
        count = deltas_take(taker->deltas, deltas, TAKE, &taker->lost);
        taker->taken += count;
    } while (count == TAKE);
}

static void *run(void *user)
{
    struct taker *taker = user;

    while (!atomic_load(&taker->stop)) {
        take_all(taker);
        nanosleep(&(struct timespec){.tv_nsec = TICK_MS * 1000000}, NULL);
    }
    take_all(taker);
    return NULL;
}

/* On its core from the first: a worker in real time never leaves its own to it. */
static int start_thread(struct taker *taker, unsigned core)
{
    pthread_attr_t attributes;
    cpu_set_t cores;
    int error;

    CPU_ZERO(&cores);
    CPU_SET(core, &cores);
    pthread_attr_init(&attributes);
    pthread_attr_setaffinity_np(&attributes, sizeof(cores), &cores);
    error = pthread_create(&taker->thread, &attributes, run, taker);
    pthread_attr_destroy(&attributes);
    return -error;
}

int taker_start(struct taker *taker, unsigned core)
{
    int error;

    memset(taker, 0, sizeof(*taker));
    taker->size = deltas_size(SLOTS);
    taker->pages = MACHINE_PAGES_2M;
    taker->deltas = machine_memory(taker->size, &taker->pages);
    if (!taker->deltas)
        return -ENOMEM;
    deltas_init(taker->deltas, SLOTS);
    error = start_thread(taker, core);
    if (error)
        machine_memory_free(taker->deltas, taker->size, taker->pages);
    return error;
}

void taker_stop(struct taker *taker)
{
    atomic_store(&taker->stop, true);
    pthread_join(taker->thread, NULL);
    machine_memory_free(taker->deltas, taker->size, taker->pages);
}

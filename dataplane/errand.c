/* SPDX-License-Identifier: BSD-3-Clause */
#include "errand.h"

#include <semaphore.h>

#include <rte_alarm.h>

struct errand {
    int (*run)(uint16_t port);
    uint16_t port;
    int result;
    sem_t done;
};

static void on_alarm(void *argument)
{
    struct errand *errand = argument;

    errand->result = errand->run(errand->port);
    sem_post(&errand->done);
}

int errand_run(int (*run)(uint16_t port), uint16_t port)
{
    struct errand errand = {.run = run, .port = port};

    sem_init(&errand.done, 0, 0);
    if (rte_eal_alarm_set(1, on_alarm, &errand))
        errand.result = run(port);
    else
        while (sem_wait(&errand.done) != 0)
            ; /* a signal came */
    sem_destroy(&errand.done);
    return errand.result;
}

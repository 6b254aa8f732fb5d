/* SPDX-License-Identifier: BSD-3-Clause */
/* DPDK's environment (EAL): which cores, which memory, which devices. */
#pragma once

#include "dataplane.h"

/* EAL's number for the core of a worker. The control thread is 0, so both may share a core. */
static inline unsigned eal_lcore(unsigned worker)
{
    return worker + 1;
}

/*
 * Starts EAL; the calling thread becomes its main one, on config->control_core. `memory` is what
 * packet buffers will take, in bytes. 0, or a negative errno with an explanation in `error`. Once
 * in a process.
 */
int eal_start(const struct dataplane_config *config, size_t memory, char *error, size_t error_size);

void eal_stop(void);

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * memif: a port in memory that is shared with another process.
 *
 * DPDK's driver takes a connection down in EAL's interrupt thread, the moment that the other side
 * is gone: it marks the port as unconnected, and at once unmaps the rings, though a worker may be
 * in the middle of a burst over them. Here the unmapping waits for a grace period: until everybody
 * who polls has passed a point where he holds nothing of a port's, and so will see the mark.
 *
 * The driver trusts the other side: what that writes into the rings is not checked.
 *
 * Source: DPDK 22.11, NIC driver memif (memif_disconnect, eth_memif_rx); RCU library, QSBR.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <rte_rcu_qsbr.h>

#include "dataplane.h"

/* Who polls, from the first memif port on; NULL before. */
extern struct rte_rcu_qsbr *memif_readers;

/* Before the first memif port is made. 0 or a negative errno. */
int memif_init(void);

/* For each thread that polls ports, under a number of its own below DATAPLANE_WORKERS_MAX. */
static inline void memif_join(unsigned reader)
{
    if (memif_readers) {
        rte_rcu_qsbr_thread_register(memif_readers, reader);
        rte_rcu_qsbr_thread_online(memif_readers, reader);
    }
}

/* Between two bursts. */
static inline void memif_pass(unsigned reader)
{
    if (memif_readers)
        rte_rcu_qsbr_quiescent(memif_readers, reader);
}

static inline void memif_leave(unsigned reader)
{
    if (memif_readers) {
        rte_rcu_qsbr_thread_offline(memif_readers, reader);
        rte_rcu_qsbr_thread_unregister(memif_readers, reader);
    }
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Appliances of a fleet in one process: tables whose worker works at once, and a time that passes
 * as a test wants it to. With redis_memory.h nothing in here waits, and nothing happens by chance.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "controlplane/jobs.h"

enum { RIG_TIMEOUT = 3600 /* seconds, of peers */ };

extern struct event_base *rig_base;
extern const struct swarms_timeouts rig_timeouts;

/* For cmocka: before and after each test. */
int rig_set_up(void **state);
int rig_tear_down(void **state);

/* Time --------------------------------------------------------------------------------------------
 */

uint64_t rig_now_ms(void);

/* So much time passes, and what happens in it. */
void rig_pass(uint64_t ms);

/* Sets the wall clock ahead by so much, from what it was at first; negative: back. */
void rig_set_wall(int64_t ms);

/* Lets the seconds of all tables begin by so much before the wall clock's at first. */
void rig_set_tables(uint64_t ms);

/* Time passes until so much of the next second is over, of those of the wall clock at first. */
void rig_pass_to(unsigned ms);

/* Lets time pass until the condition holds, which it has to within `ms`. */
#define RIG_UNTIL(condition, ms)                                                                   \
    do {                                                                                           \
        uint64_t rig_deadline = rig_now_ms() + (ms);                                               \
        while (!(condition) && rig_now_ms() < rig_deadline)                                        \
            rig_pass(10);                                                                          \
        assert_true(condition);                                                                    \
    } while (0)

/* Tables ------------------------------------------------------------------------------------------
 */

/* `deltas`: slots of the ring to the fleet, a power of two. */
struct dataplane *rig_tables_new(unsigned deltas);
void rig_tables_free(struct dataplane *tables);

/* Clients `first`.. of a torrent announce; those of odd torrents are on IPv6. */
void rig_announce(struct dataplane *tables, unsigned torrent, unsigned first, unsigned count,
                  enum swarms_event event);

/* While it is set, their worker takes no jobs. */
void rig_set_busy(struct dataplane *tables, bool busy);

/* Of all torrents. */
uint64_t rig_peers(const struct dataplane *tables);

/* What they are called on the wire. */
void rig_info_hash(unsigned torrent, uint8_t info_hash[20]);
void rig_peer(unsigned client, uint8_t peer[SWARMS_PEER_MAX]);

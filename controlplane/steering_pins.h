/* SPDX-License-Identifier: BSD-3-Clause */
/* Our pins in bpffs, and the lock that tells a living musterd's from a dead one's. */
#pragma once

#include <sys/types.h>

/*
 * Takes the lock: an open file, released by the kernel when the process ends. -EBUSY: another
 * musterd lives. Other errors: no bpffs.
 */
int steering_pins_lock(char *error);

/* Removes every pin of ours, of any layout. */
int steering_pins_remove(char *error);

/* Gives the pins to a user. */
int steering_pins_give(uid_t owner, char *error);

/* The file of a pinned map whose value has that size, or negative errno. */
int steering_pins_open(const char *map, unsigned value_size, char *error);

/* Removes the pins and gives the lock back. */
void steering_pins_unlock(int lock);

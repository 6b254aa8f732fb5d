/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What has to be done where drivers do it: in EAL's interrupt thread. Then the driver itself isn't
 * at it at the same time, and none of its callbacks, which couldn't be unregistered, is running.
 */
#pragma once

#include <stdint.h>

/* Has `run` called there for one of ethdev's ports, and waits for what it returns. */
int errand_run(int (*run)(uint16_t port), uint16_t port);

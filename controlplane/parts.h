/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What musterd consists of: a table of parts, started in order (first what needs root, then the
 * parts that do without) and stopped in the opposite one.
 */
#pragma once

#include <stdbool.h>

struct controlplane;

/*
 * False when a part couldn't start: the log says which, why, and what to do. Those before it have
 * started all the same and wait for parts_stop().
 */
bool parts_start(struct controlplane *controlplane);

/* Stops what has started. */
void parts_stop(struct controlplane *controlplane);

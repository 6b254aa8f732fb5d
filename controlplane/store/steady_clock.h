/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The wall clock as it was when this process first asked, going on at the pace of the monotonic
 * clock: it doesn't jump when the wall clock is set. Others' clocks are compared with it, so that
 * setting ours changes nothing in how old their records seem.
 */
#pragma once

#include <stdint.h>

/* Milliseconds since 1970. */
uint64_t steady_clock_ms(void);

/* Milliseconds by which the wall clock has been set ahead since; negative: back. */
int64_t steady_clock_steps_ms(void);

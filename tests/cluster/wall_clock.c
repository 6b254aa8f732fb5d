/* SPDX-License-Identifier: BSD-3-Clause */
/* This program's wall clock: what is linked before libc's is what is called. */
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "appliance.h"

static int64_t clock_offset;

void wall_clock_set(int64_t offset)
{
    clock_offset = offset;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int result = (int)syscall(SYS_clock_gettime, clock, now);

    if (clock == CLOCK_REALTIME)
        now->tv_sec += clock_offset;
    return result;
}

time_t time(time_t *into)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (into)
        *into = now.tv_sec;
    return now.tv_sec;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include <dirent.h>
#include <inttypes.h>
#include <jemalloc/jemalloc.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "process_usage.h"

static double timeval_seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec * 1e-6;
}

double process_cpu_seconds(void)
{
    struct rusage usage;

    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return 0;
    return timeval_seconds(usage.ru_utime) + timeval_seconds(usage.ru_stime);
}

uint64_t process_resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    uint64_t pages = 0;

    if (!file)
        return 0;
    if (fscanf(file, "%*s %" SCNu64, &pages) != 1)
        pages = 0;
    fclose(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

int process_open_fds(void)
{
    DIR *directory = opendir("/proc/self/fd");
    const struct dirent *entry;
    int count = -1; /* the directory's own */

    if (!directory)
        return -1;
    while ((entry = readdir(directory)) != NULL)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

uint64_t process_max_fds(void)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 0;
}

static bool heap_number(const char *name, uint64_t *number)
{
    size_t value, size = sizeof(value);

    if (mallctl(name, &value, &size, NULL, 0) != 0)
        return false;
    *number = value;
    return true;
}

bool process_heap(struct process_heap *heap)
{
    uint64_t epoch = 1;
    size_t size = sizeof(epoch);

    /* The statistics are of the moment at which the epoch was last moved on. */
    return mallctl("epoch", &epoch, &size, &epoch, size) == 0 &&
           heap_number("stats.allocated", &heap->allocated) &&
           heap_number("stats.active", &heap->active) &&
           heap_number("stats.resident", &heap->resident) &&
           heap_number("stats.mapped", &heap->mapped) &&
           heap_number("stats.retained", &heap->retained) &&
           heap_number("stats.metadata", &heap->metadata);
}

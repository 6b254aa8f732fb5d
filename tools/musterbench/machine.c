/* SPDX-License-Identifier: BSD-3-Clause */
#include "machine.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { HUGE_2M_SHIFT = 21, HUGE_1G_SHIFT = 30, SMALL_SHIFT = 12, MAP_HUGE_SIZE_SHIFT = 26 };

int machine_pin(unsigned core)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(core, &set);
    return sched_setaffinity(0, sizeof(set), &set) ? -errno : 0;
}

static unsigned page_shift(enum machine_pages pages)
{
    return pages == MACHINE_PAGES_1G   ? HUGE_1G_SHIFT
           : pages == MACHINE_PAGES_2M ? HUGE_2M_SHIFT
                                       : SMALL_SHIFT;
}

static size_t rounded(size_t size, enum machine_pages pages)
{
    size_t page = (size_t)1 << page_shift(pages);

    return (size + page - 1) & ~(page - 1);
}

void *machine_memory(size_t size, enum machine_pages *pages)
{
    for (;; ++*pages) {
        int huge = *pages == MACHINE_PAGES_4K
                       ? 0
                       : MAP_HUGETLB | (int)(page_shift(*pages) << MAP_HUGE_SIZE_SHIFT);
        void *memory = mmap(NULL, rounded(size, *pages), PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | huge, -1, 0);

        if (memory != MAP_FAILED)
            return memory;
        if (*pages == MACHINE_PAGES_4K)
            return NULL;
    }
}

void machine_memory_free(void *memory, size_t size, enum machine_pages pages)
{
    munmap(memory, rounded(size, pages));
}

const char *machine_pages_name(enum machine_pages pages)
{
    static const char *const names[] = {"1 GiB", "2 MiB", "4 KiB"};

    return names[pages];
}

int machine_pages_parse(char *text, void *pages)
{
    static const char *const names[] = {"1g", "2m", "4k"};

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(text, names[i]) != 0)
            continue;
        *(enum machine_pages *)pages = (enum machine_pages)i;
        return 0;
    }
    return -1;
}

uint64_t machine_resident(void)
{
    FILE *status = fopen("/proc/self/status", "r");
    unsigned long kib, total = 0;
    char line[128];

    while (status && fgets(line, sizeof(line), status))
        if (sscanf(line, "VmRSS: %lu", &kib) == 1 || sscanf(line, "HugetlbPages: %lu", &kib) == 1)
            total += kib;
    if (status)
        fclose(status);
    return (uint64_t)total * 1024;
}

double machine_seconds(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

double machine_ticks_per_second(void)
{
    static const double span = 0.05; /* seconds: exact to about a millionth */
    static double rate;

    if (rate == 0) {
        double begin = machine_seconds(), now;
        uint64_t ticks = machine_ticks();

        do
            now = machine_seconds();
        while (now < begin + span);
        rate = (double)(machine_ticks() - ticks) / (now - begin);
    }
    return rate;
}

const char *machine_processor(void)
{
    static char name[128] = "unknown processor";
    FILE *info = fopen("/proc/cpuinfo", "r");
    char line[256];

    while (info && fgets(line, sizeof(line), info))
        if (sscanf(line, "model name : %127[^\n]", name) == 1)
            break;
    if (info)
        fclose(info);
    return name;
}

static int open_counter(uint64_t config)
{
    struct perf_event_attr attributes = {
        .type = PERF_TYPE_HARDWARE,
        .size = sizeof(attributes),
        .config = config,
        .exclude_kernel = 1,
        .exclude_hv = 1,
    };

    return (int)syscall(SYS_perf_event_open, &attributes, 0, -1, -1, 0);
}

bool machine_counters_open(struct machine_counters *counters)
{
    counters->cycles = open_counter(PERF_COUNT_HW_CPU_CYCLES);
    counters->instructions = open_counter(PERF_COUNT_HW_INSTRUCTIONS);
    counters->misses = open_counter(PERF_COUNT_HW_CACHE_MISSES);
    return counters->cycles >= 0;
}

static uint64_t read_counter(int counter)
{
    uint64_t value;

    return counter >= 0 && read(counter, &value, sizeof(value)) == sizeof(value) ? value : 0;
}

void machine_counters_read(const struct machine_counters *counters, struct machine_counts *counts)
{
    counts->cycles = read_counter(counters->cycles);
    counts->instructions = read_counter(counters->instructions);
    counts->misses = read_counter(counters->misses);
}

void machine_counters_close(struct machine_counters *counters)
{
    const int descriptors[] = {counters->cycles, counters->instructions, counters->misses};

    for (unsigned i = 0; i < 3; i++)
        if (descriptors[i] >= 0)
            close(descriptors[i]);
}

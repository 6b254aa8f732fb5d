/* SPDX-License-Identifier: BSD-3-Clause */
/* What a bench needs of the machine: cores, memory, clocks and counters. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <x86intrin.h>

/* Pins the calling thread. 0 or a negative errno. */
int machine_pin(unsigned core);

enum machine_pages { MACHINE_PAGES_1G, MACHINE_PAGES_2M, MACHINE_PAGES_4K };

/*
 * Zeroed memory on pages of the size wanted, or else of the next smaller that there is; *pages says
 * which. It is all touched, so that no page fault comes later. NULL when there isn't enough.
 */
void *machine_memory(size_t size, enum machine_pages *pages);
void machine_memory_free(void *memory, size_t size, enum machine_pages pages);
const char *machine_pages_name(enum machine_pages pages);

/* "1g", "2m" or "4k" into an enum machine_pages; 0, or -1 for anything else. */
int machine_pages_parse(char *text, void *pages);

/* Bytes of memory that this process occupies, huge pages included. */
uint64_t machine_resident(void);

static inline uint64_t machine_ticks(void)
{
    return __rdtsc();
}

/* Of machine_ticks(). The first call takes 50 ms. */
double machine_ticks_per_second(void);

double machine_seconds(void);

/* Model of the processor, for a report. */
const char *machine_processor(void);

/* Hardware counters of the calling thread, where the machine has them. */
struct machine_counters {
    int cycles, instructions, misses; /* file descriptors, -1 for none */
};

struct machine_counts {
    uint64_t cycles, instructions, misses;
};

/* False when there are none. */
bool machine_counters_open(struct machine_counters *counters);
void machine_counters_read(const struct machine_counters *counters, struct machine_counts *counts);
void machine_counters_close(struct machine_counters *counters);

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One arena of cache lines for all that a table stores: swarm records, peer blocks, directories.
 * Objects come in size classes of whole lines; a page of 64 KiB holds objects of one class, and
 * goes back to the common pool when the last of them is freed. Nothing is ever asked of the system.
 *
 * An object is named by the number of its first line: 4 bytes reach 256 GiB. Line 0 is never handed
 * out, so 0 means none.
 *
 * Cost: 16 bytes of bookkeeping a page (0.02 %), and at most one partly used page a class.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SLAB_LINE = 64,         /* bytes */
    SLAB_PAGE_LINES = 1024, /* more wastes less of large classes, strands more of rare ones */
    SLAB_CLASSES = 26,
    SLAB_RECORD = 0, /* the class of swarm records: one line, apart from other one-line objects */
};

/*
 * Lines of an object of each class. From 16 on each is a fifth or so larger than the one before, so
 * that what grows through them is 83 % full or more, and a whole number of them nearly fills a
 * page.
 */
/* clang-format off */
#define SLAB_CLASS_LINES(X)                                                                        \
    X(1) X(1) X(2) X(3) X(4) X(6) X(8) X(12) X(16) X(20) X(25) X(30) X(36) X(44)                   \
    X(53) X(64) X(78) X(93) X(113) X(128) X(146) X(170) X(204) X(256) X(512) X(1024)
/* clang-format on */

extern const uint16_t slab_class_lines[SLAB_CLASSES];

struct slab_page {
    uint32_t next, previous; /* in the list of its class's pages with room, or of free pages */
    uint16_t used;           /* objects handed out */
    uint16_t fresh;          /* objects from here on were never handed out */
    uint16_t free;           /* 1 + the first object that was handed out and came back; 0: none */
    uint8_t size_class;
    bool listed;
};

_Static_assert(sizeof(struct slab_page) == 16, "four pages' bookkeeping in a cache line");

struct slab {
    uint8_t *lines;
    struct slab_page *pages;
    uint32_t pages_count;
    uint32_t pages_fresh;           /* pages from here on were never used */
    uint32_t pages_free;            /* head of those that came back; 0: none */
    uint32_t partial[SLAB_CLASSES]; /* heads of the lists of pages with room; 0: none */
    uint64_t lines_used;            /* by objects handed out */
    uint64_t lines_given;           /* of all objects that were ever handed out */
};

/* Bytes of the arena and its bookkeeping for `lines` lines of objects. */
size_t slab_memory(uint64_t lines);

/* `memory` holds slab_memory(lines) zeroed bytes, aligned to a line. */
void slab_init(struct slab *slab, void *memory, uint64_t lines);

/* An object of `size_class`, its contents undefined; 0 when the arena is full. */
uint32_t slab_alloc(struct slab *slab, unsigned size_class);

void slab_free(struct slab *slab, unsigned size_class, uint32_t line);

static inline void *slab_at(const struct slab *slab, uint32_t line)
{
    return slab->lines + (size_t)line * SLAB_LINE;
}

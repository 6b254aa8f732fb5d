/* SPDX-License-Identifier: BSD-3-Clause */
#include "slab.h"

const uint16_t slab_class_lines[SLAB_CLASSES] = {
#define LINES(lines) lines,
    SLAB_CLASS_LINES(LINES)
#undef LINES
};

static unsigned objects_per_page(unsigned size_class)
{
    return SLAB_PAGE_LINES / slab_class_lines[size_class];
}

static uint32_t pages_for(uint64_t lines)
{
    return (uint32_t)((lines + SLAB_PAGE_LINES - 1) / SLAB_PAGE_LINES) + SLAB_CLASSES;
}

static size_t bookkeeping_size(uint32_t pages)
{
    return ((size_t)pages * sizeof(struct slab_page) + SLAB_LINE - 1) & ~(size_t)(SLAB_LINE - 1);
}

size_t slab_memory(uint64_t lines)
{
    uint32_t pages = pages_for(lines);

    /* And a line to spare: copies of peers read up to 24 bytes past the last one (sample.h). */
    return bookkeeping_size(pages) + ((size_t)pages * SLAB_PAGE_LINES + 1) * SLAB_LINE;
}

void slab_init(struct slab *slab, void *memory, uint64_t lines)
{
    uint32_t pages = pages_for(lines);

    *slab = (struct slab){
        .pages = memory,
        .lines = (uint8_t *)memory + bookkeeping_size(pages),
        .pages_count = pages,
    };
    slab_alloc(slab, SLAB_RECORD); /* line 0, and page 0: both mean none */
}

static void list_push(struct slab *slab, uint32_t *head, uint32_t page)
{
    slab->pages[page].next = *head;
    slab->pages[page].previous = 0;
    if (*head != 0)
        slab->pages[*head].previous = page;
    *head = page;
}

static void list_remove(struct slab *slab, uint32_t *head, uint32_t page)
{
    struct slab_page *p = &slab->pages[page];

    if (p->next != 0)
        slab->pages[p->next].previous = p->previous;
    if (p->previous != 0)
        slab->pages[p->previous].next = p->next;
    else
        *head = p->next;
}

static bool page_take(struct slab *slab, unsigned size_class, uint32_t *page)
{
    if (slab->pages_free != 0) {
        *page = slab->pages_free;
        list_remove(slab, &slab->pages_free, *page);
    } else if (slab->pages_fresh < slab->pages_count) {
        *page = slab->pages_fresh++;
    } else {
        return false;
    }
    slab->pages[*page] = (struct slab_page){.size_class = (uint8_t)size_class};
    return true;
}

/* The link to the next free object lies in the object's last two bytes: its head stays readable. */
static uint16_t *free_link(struct slab *slab, uint32_t page, unsigned size_class, unsigned object)
{
    uint32_t end = page * SLAB_PAGE_LINES + (object + 1) * slab_class_lines[size_class];

    return (uint16_t *)slab_at(slab, end) - 1;
}

uint32_t slab_alloc(struct slab *slab, unsigned size_class)
{
    uint32_t page = slab->partial[size_class];
    struct slab_page *p;
    unsigned object;

    if (page == 0) {
        if (!page_take(slab, size_class, &page))
            return 0;
        if (page != 0) {
            list_push(slab, &slab->partial[size_class], page);
            slab->pages[page].listed = true;
        }
    }
    p = &slab->pages[page];
    if (p->free != 0) {
        object = p->free - 1u;
        p->free = *free_link(slab, page, size_class, object);
    } else {
        object = p->fresh++;
    }
    p->used++;
    if (p->listed && p->used == objects_per_page(size_class)) {
        list_remove(slab, &slab->partial[size_class], page);
        p->listed = false;
    }
    slab->lines_used += slab_class_lines[size_class];
    slab->lines_given += slab_class_lines[size_class];
    return page * SLAB_PAGE_LINES + object * slab_class_lines[size_class];
}

void slab_free(struct slab *slab, unsigned size_class, uint32_t line)
{
    uint32_t page = line / SLAB_PAGE_LINES;
    struct slab_page *p = &slab->pages[page];
    unsigned object = line % SLAB_PAGE_LINES / slab_class_lines[size_class];

    *free_link(slab, page, size_class, object) = p->free;
    p->free = (uint16_t)(object + 1);
    p->used--;
    slab->lines_used -= slab_class_lines[size_class];
    if (!p->listed) {
        list_push(slab, &slab->partial[size_class], page);
        p->listed = true;
    }
    if (p->used == 0) {
        list_remove(slab, &slab->partial[size_class], page);
        p->listed = false;
        list_push(slab, &slab->pages_free, page);
    }
}

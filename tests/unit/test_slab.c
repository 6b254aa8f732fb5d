/* SPDX-License-Identifier: BSD-3-Clause */
/* The arena: objects never overlap, and all memory comes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/swarms/slab.h"

enum { LINES = 40 * SLAB_PAGE_LINES, OBJECTS = 8000, STEPS = 200000 };

struct object {
    uint32_t line;
    unsigned class;
};

static struct slab open_slab(void **memory)
{
    struct slab slab;
    size_t size = slab_memory(LINES);

    *memory = aligned_alloc(64, size);
    assert_non_null(*memory);
    memset(*memory, 0, size);
    slab_init(&slab, *memory, LINES);
    return slab;
}

static void mark(uint8_t *taken, const struct object *object, uint8_t was, uint8_t is)
{
    for (unsigned i = 0; i < slab_class_lines[object->class]; i++) {
        assert_int_equal(taken[object->line + i], was);
        taken[object->line + i] = is;
    }
}

static void test_objects_never_overlap(void **state)
{
    static struct object objects[OBJECTS];
    uint8_t *taken = calloc(LINES + 64 * SLAB_PAGE_LINES, 1);
    uint64_t dice = 1;
    void *memory;
    struct slab slab = open_slab(&memory);

    for (int i = 0; i < STEPS; i++) {
        struct object *object;

        dice = dice * 6364136223846793005u + 1442695040888963407u;
        object = &objects[(dice >> 33) % OBJECTS];
        if (object->line != 0) {
            mark(taken, object, 1, 0);
            memset(slab_at(&slab, object->line), 0xee,
                   (size_t)slab_class_lines[object->class] * SLAB_LINE);
            slab_free(&slab, object->class, object->line);
            object->line = 0;
        } else {
            object->class = (unsigned)(dice >> 20) % SLAB_CLASSES;
            object->line = slab_alloc(&slab, object->class);
            if (object->line != 0)
                mark(taken, object, 0, 1);
        }
    }
    free(taken);
    free(memory);
}

static void test_a_full_arena_says_so_and_serves_another_class_afterwards(void **state)
{
    enum { SMALL = 1, LARGE = SLAB_CLASSES - 1 };
    static uint32_t lines[LINES * 2];
    unsigned count = 0;
    void *memory;
    struct slab slab = open_slab(&memory);
    uint64_t used = slab.lines_used;

    while ((lines[count] = slab_alloc(&slab, SMALL)) != 0)
        count++;
    assert_true(count >= LINES);
    assert_int_equal(slab_alloc(&slab, LARGE), 0);
    while (count > 0)
        slab_free(&slab, SMALL, lines[--count]);
    assert_int_equal(slab.lines_used, used);
    while ((lines[count] = slab_alloc(&slab, LARGE)) != 0)
        count++;
    assert_true(count >= LINES / slab_class_lines[LARGE]);
    free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_objects_never_overlap),
        cmocka_unit_test(test_a_full_arena_says_so_and_serves_another_class_afterwards),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

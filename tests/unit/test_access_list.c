/* SPDX-License-Identifier: BSD-3-Clause */
/* Lists of info-hashes: as text, edited, and swapped while others use them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <event2/event.h>

#include "../../controlplane/access_list.h"
#include "../../dataplane/access_set.h"

#define HASH_A "000102030405060708090a0b0c0d0e0f10111213"
#define HASH_B "ABCDEFabcdef0000000000000000000000000001"
#define HASH_C "ffffffffffffffffffffffffffffffffffffffff"

enum { MANY = 1000000 };

static char explanation[1024];

static int parse(const char *text, struct access_hashes *hashes)
{
    return access_parse_text(text, strlen(text), "list", hashes, explanation, sizeof(explanation));
}

static struct access_hash hash_of(const char *digits)
{
    struct access_hash hash;

    assert_true(access_parse_hash(digits, &hash));
    return hash;
}

static void assert_hash(const struct access_hash *hash, const char *digits)
{
    struct access_hash expected = hash_of(digits);

    assert_memory_equal(hash, &expected, sizeof(expected));
}

static void takes_hashes_comments_and_blank_lines(void **state)
{
    struct access_hashes hashes;

    assert_int_equal(parse("# a list\n\n" HASH_C "\n  " HASH_A "\t# why\r\n" HASH_B, &hashes), 0);
    assert_int_equal(hashes.count, 3);
    assert_hash(&hashes.items[0], HASH_C);
    assert_hash(&hashes.items[1], HASH_A);
    assert_hash(&hashes.items[2], HASH_B);
    assert_int_equal(hashes.items[1].bytes[19], 0x13);
    assert_int_equal(hashes.items[2].bytes[2], 0xef);
    access_hashes_free(&hashes);
}

static void takes_an_empty_list(void **state)
{
    struct access_hashes hashes;

    assert_int_equal(parse("", &hashes), 0);
    assert_int_equal(hashes.count, 0);
    access_hashes_free(&hashes);
}

static void tells_the_wrong_line(void **state)
{
    struct access_hashes hashes;

    assert_int_equal(parse(HASH_A "\n\nbanana\x1b\n" HASH_B "\n", &hashes), -EINVAL);
    assert_string_equal(explanation, "list:3: expected 40 hexadecimal digits, found 7 bytes\n");
    assert_int_equal(hashes.count, 0);
    assert_null(hashes.items);
}

static void refuses_what_is_almost_a_hash(void **state)
{
    static const char *const wrong[] = {
        "000102030405060708090a0b0c0d0e0f1011121",   "000102030405060708090a0b0c0d0e0f101112131",
        "000102030405060708090a0b0c0d0e0f1011121g",  "g00102030405060708090a0b0c0d0e0f10111213",
        "0001020304050607080 90a0b0c0d0e0f1011121",  HASH_A " " HASH_B,
        "0x0102030405060708090a0b0c0d0e0f10111213x",
    };
    struct access_hashes hashes;

    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(parse(wrong[i], &hashes), -EINVAL);
}

static void counts_a_million_wrong_lines(void **state)
{
    struct access_hashes hashes;
    char *text = malloc(2 * MANY);

    for (size_t i = 0; i < MANY; i++)
        memcpy(text + 2 * i, "x\n", 2);
    assert_int_equal(
        access_parse_text(text, 2 * MANY, "list", &hashes, explanation, sizeof(explanation)),
        -EINVAL);
    assert_non_null(strstr(explanation, "list:5: "));
    assert_null(strstr(explanation, "list:6: "));
    assert_non_null(strstr(explanation, "list: and 999995 more wrong lines\n"));
    free(text);
}

static void reads_a_million_lines_from_a_file(void **state)
{
    char name[] = "/tmp/muster-list-XXXXXX";
    FILE *file = fdopen(mkstemp(name), "w");
    struct access_hashes hashes;
    struct access_hash last;

    for (unsigned i = 0; i < MANY; i++)
        fprintf(file, "%08x%032x\n", i * 2654435761u, i);
    fclose(file);
    assert_int_equal(access_parse_file(name, &hashes, explanation, sizeof(explanation)), 0);
    assert_int_equal(hashes.count, MANY);
    snprintf(explanation, sizeof(explanation), "%08x%032x", (MANY - 1) * 2654435761u, MANY - 1);
    last = hash_of(explanation);
    assert_memory_equal(&hashes.items[MANY - 1], &last, sizeof(last));
    access_hashes_free(&hashes);
    remove(name);
}

static void refuses_files_that_are_none(void **state)
{
    static const char *const paths[] = {"/nonexistent", "/", "/dev/zero"};
    char name[] = "/tmp/muster-list-XXXXXX", fifo[64];
    struct access_hashes hashes;

    for (unsigned i = 0; i < 3; i++) {
        assert_true(access_parse_file(paths[i], &hashes, explanation, sizeof(explanation)) < 0);
        assert_non_null(strstr(explanation, "can't be read"));
    }
    assert_non_null(mkdtemp(name));
    snprintf(fifo, sizeof(fifo), "%s/fifo", name);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_true(access_parse_file(fifo, &hashes, explanation, sizeof(explanation)) < 0);
    remove(fifo);
    remove(name);
}

static void refuses_a_line_without_end(void **state)
{
    char name[] = "/tmp/muster-list-XXXXXX";
    FILE *file = fdopen(mkstemp(name), "w");
    struct access_hashes hashes;

    fputs(HASH_A "\n", file);
    for (unsigned i = 0; i < 3 << 20; i++)
        fputc('a', file);
    fclose(file);
    assert_int_equal(access_parse_file(name, &hashes, explanation, sizeof(explanation)), -EINVAL);
    assert_non_null(strstr(explanation, ":2: expected 40 hexadecimal digits"));
    remove(name);
}

/* The list itself ----------------------------------------------------------------------------- */

struct answer {
    unsigned calls, changes;
    int error;
    char explanation[1024];
};

static struct event_base *events;
static struct access_list *list;
static struct answer answer;

static void on_changed(void *user)
{
    answer.changes++;
}

static void on_done(void *user, int error, const char *text)
{
    answer.calls++;
    answer.error = error;
    snprintf(answer.explanation, sizeof(answer.explanation), "%s", text);
}

static int set_up(void **state)
{
    answer = (struct answer){0};
    events = event_base_new();
    list = access_list_new(events, on_changed, NULL);
    return events && list ? 0 : -1;
}

static int tear_down(void **state)
{
    access_list_free(list);
    event_base_free(events);
    return 0;
}

/* Loads `text` as if it were a file, and waits for it. */
static int load(const char *text)
{
    static char name[] = "/tmp/muster-list-test";
    unsigned calls = answer.calls;
    FILE *file = fopen(name, "w");

    fputs(text, file);
    fclose(file);
    assert_int_equal(access_list_load(list, name, on_done, NULL), 0);
    assert_int_equal(access_list_load(list, name, on_done, NULL), -EBUSY);
    while (answer.calls == calls)
        event_base_loop(events, EVLOOP_ONCE);
    remove(name);
    return answer.error;
}

static int edit(const char *add, const char *remove)
{
    unsigned calls = answer.calls;
    struct access_hash added = add ? hash_of(add) : (struct access_hash){0};
    struct access_hash removed = remove ? hash_of(remove) : (struct access_hash){0};

    assert_int_equal(
        access_list_edit(list, &added, add != NULL, &removed, remove != NULL, on_done, NULL), 0);
    while (answer.calls == calls)
        event_base_loop(events, EVLOOP_ONCE);
    return answer.error;
}

static bool listed(const char *digits)
{
    struct access_hash hash = hash_of(digits);

    return access_list_contains(list, &hash);
}

static void replaces_the_list_when_it_is_read(void **state)
{
    struct access_list_status status;

    assert_null(access_list_set(list));
    assert_false(listed(HASH_A));
    assert_int_equal(load(HASH_A "\n" HASH_B "\n"), 0);
    assert_int_equal(answer.changes, 1);
    assert_true(listed(HASH_A));
    assert_int_equal(load(HASH_C "\n" HASH_C "\n"), 0);
    assert_int_equal(answer.changes, 2);
    assert_false(listed(HASH_A));
    assert_true(listed(HASH_C));
    access_list_status(list, &status);
    assert_int_equal(status.hashes, 1);
    assert_string_equal(status.file, "/tmp/muster-list-test");
    assert_false(status.changing);
}

static void keeps_the_old_list_when_a_line_is_wrong(void **state)
{
    const struct access_set *before;

    assert_int_equal(load(HASH_A "\n"), 0);
    before = access_list_set(list);
    assert_int_equal(load(HASH_B "\nbanana\n"), -EINVAL);
    assert_non_null(strstr(answer.explanation, ":2: expected 40 hexadecimal digits"));
    assert_ptr_equal(access_list_set(list), before);
    assert_int_equal(answer.changes, 1);
}

/* A worker may read the old set until the data plane says that it has settled. */
static void keeps_the_old_set_until_workers_left_it(void **state)
{
    const struct access_set *before;
    struct access_hash hash = hash_of(HASH_A);

    assert_int_equal(load(HASH_A "\n"), 0);
    before = access_list_set(list);
    assert_int_equal(load(HASH_B "\n"), 0);
    assert_ptr_not_equal(access_list_set(list), before);
    assert_int_equal(access_set_contains(before, (const uint8_t *[]){hash.bytes}, 1), 1);
    access_list_settled(list); /* the sanitizer build would tell if it leaked or were used again */
}

static void adds_and_removes(void **state)
{
    struct access_list_status status;

    assert_int_equal(edit(HASH_B, NULL), 0); /* to no list at all */
    assert_int_equal(edit(HASH_A, NULL), 0);
    assert_int_equal(edit(HASH_A, HASH_B), 0);
    assert_int_equal(edit(HASH_C, NULL), 0);
    assert_true(listed(HASH_A) && listed(HASH_C) && !listed(HASH_B));
    assert_int_equal(access_set_count(access_list_set(list)), 2);
    access_list_status(list, &status);
    assert_int_equal(status.edits, 5);
}

static void ends_while_a_list_is_being_read(void **state)
{
    assert_int_equal(access_list_load(list, "/dev/null", on_done, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_hashes_comments_and_blank_lines),
        cmocka_unit_test(takes_an_empty_list),
        cmocka_unit_test(tells_the_wrong_line),
        cmocka_unit_test(refuses_what_is_almost_a_hash),
        cmocka_unit_test(counts_a_million_wrong_lines),
        cmocka_unit_test(reads_a_million_lines_from_a_file),
        cmocka_unit_test(refuses_files_that_are_none),
        cmocka_unit_test(refuses_a_line_without_end),
        cmocka_unit_test_setup_teardown(replaces_the_list_when_it_is_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keeps_the_old_list_when_a_line_is_wrong, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keeps_the_old_set_until_workers_left_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(adds_and_removes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ends_while_a_list_is_being_read, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

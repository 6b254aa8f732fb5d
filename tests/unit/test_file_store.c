/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "broken_disk.h"
#include "controlplane/store/store.h"

static struct event_base *base;
static char directory[64];
static struct store *store;
static char error[200];

static unsigned reports;
static enum store_result last_result;
static char last_bytes[64];
static size_t last_size;

static int set_up(void **state)
{
    base = event_base_new();
    strcpy(directory, "/tmp/muster-test-XXXXXX");
    assert_non_null(mkdtemp(directory));
    store = store_open_file(base, directory, error, sizeof(error));
    assert_non_null(store);
    return 0;
}

static int tear_down(void **state)
{
    char command[128];

    disk_free();
    disk_unreadable = false;
    store_close(store);
    event_base_free(base);
    snprintf(command, sizeof(command), "rm -rf %s", directory);
    return system(command);
}

static void on_written(void *user, unsigned chunk, enum store_result result)
{
    reports++;
    last_result = result;
}

static void on_fetched(void *user, unsigned appliance, unsigned chunk, enum store_result result,
                       const uint8_t *bytes, size_t size)
{
    reports++;
    last_result = result;
    last_size = size;
    if (size > 0)
        memcpy(last_bytes, bytes, size < sizeof(last_bytes) ? size : sizeof(last_bytes));
}

static void wait_for(unsigned count)
{
    while (reports < count)
        event_base_loop(base, EVLOOP_ONCE);
}

static enum store_result write_chunk(unsigned appliance, unsigned chunk, const char *text)
{
    reports = 0;
    assert_int_equal(
        store_write(store, appliance, chunk, (const uint8_t *)text, strlen(text), on_written, NULL),
        0);
    wait_for(1);
    return last_result;
}

static enum store_result fetch_chunk(unsigned appliance, unsigned chunk)
{
    reports = 0;
    assert_int_equal(store_fetch(store, appliance, chunk, on_fetched, NULL), 0);
    wait_for(1);
    return last_result;
}

static char *path_of(const char *name)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    return path;
}

static void test_what_was_written_is_read(void **state)
{
    assert_int_equal(fetch_chunk(1, 2), STORE_ABSENT);
    assert_int_equal(write_chunk(1, 2, "first"), STORE_OK);
    assert_int_equal(write_chunk(1, 2, "second"), STORE_OK);
    assert_int_equal(fetch_chunk(1, 2), STORE_OK);
    assert_int_equal(last_size, 6);
    assert_memory_equal(last_bytes, "second", 6);
    assert_int_equal(fetch_chunk(2, 2), STORE_ABSENT);
    assert_int_equal(access(path_of("01/0002"), F_OK), 0);
    assert_int_equal(access(path_of("01/0002.new"), F_OK), -1);
    assert_int_equal(store_info(store)->chunks_written, 2);
    assert_int_equal(store_info(store)->chunks_read, 1);
    assert_int_equal(store_info(store)->under_way, 0);
}

static void test_it_outlives_the_process(void **state)
{
    assert_int_equal(write_chunk(0, 0x3fff, "kept"), STORE_OK);
    store_close(store);
    store = store_open_file(base, directory, error, sizeof(error));
    assert_int_equal(fetch_chunk(0, 0x3fff), STORE_OK);
    assert_memory_equal(last_bytes, "kept", 4);
}

static void test_many_at_once(void **state)
{
    unsigned room = store_room(store);

    reports = 0;
    for (unsigned i = 0; i < room; i++)
        assert_int_equal(store_write(store, 0, i, (const uint8_t *)&i, sizeof(i), on_written, NULL),
                         0);
    assert_int_equal(store_write(store, 0, room, (const uint8_t *)"", 1, on_written, NULL),
                     -EAGAIN);
    wait_for(room);
    assert_int_equal(store_room(store), room);
    for (unsigned i = 0; i < room; i += 17) {
        assert_int_equal(fetch_chunk(0, i), STORE_OK);
        assert_memory_equal(last_bytes, &i, sizeof(i));
    }
}

static void test_closing_finishes_what_is_under_way(void **state)
{
    reports = 0;
    for (unsigned i = 0; i < 300; i++)
        store_write(store, 0, i, (const uint8_t *)"x", 1, on_written, NULL);
    store_close(store);
    assert_int_equal(reports, 300);
    store = store_open_file(base, directory, error, sizeof(error));
    assert_int_equal(fetch_chunk(0, 299), STORE_OK);
}

static void test_what_is_no_file_is_foreign(void **state)
{
    assert_int_equal(mkdir(path_of("00"), 0700), 0);
    assert_int_equal(mkdir(path_of("00/0005"), 0700), 0);
    assert_int_equal(mkfifo(path_of("00/0006"), 0600), 0);
    assert_int_equal(symlink("/etc/passwd", path_of("00/0007")), 0);
    for (unsigned chunk = 5; chunk <= 7; chunk++)
        assert_int_equal(fetch_chunk(0, chunk), STORE_FOREIGN);
    assert_int_equal(write_chunk(0, 5, "x"), STORE_REFUSED);
    assert_int_equal(access(path_of("00/0005.new"), F_OK), -1);
    assert_int_equal(write_chunk(0, 6, "x"), STORE_OK);
    assert_int_equal(write_chunk(0, 7, "x"), STORE_OK);
}

static void test_failed_write_keeps_the_old_version(void **state)
{
    assert_int_equal(write_chunk(0, 1, "old"), STORE_OK);
    assert_int_equal(mkdir(path_of("00/0001.new"), 0700), 0); /* the temporary name is taken */
    assert_int_equal(write_chunk(0, 1, "new"), STORE_REFUSED);
    assert_true(store_info(store)->last_error[0] != '\0');
    assert_int_equal(store_info(store)->write_errors, 1);
    assert_int_equal(fetch_chunk(0, 1), STORE_OK);
    assert_memory_equal(last_bytes, "old", 3);
}

static void test_full_disk_keeps_the_old_version(void **state)
{
    assert_int_equal(write_chunk(0, 1, "old"), STORE_OK);
    disk_fill(4);
    assert_int_equal(write_chunk(0, 1, "longer than there is room"), STORE_REFUSED);
    disk_free();
    assert_int_equal(access(path_of("00/0001.new"), F_OK), -1);
    assert_int_equal(fetch_chunk(0, 1), STORE_OK);
    assert_int_equal(last_size, 3);
    assert_int_equal(write_chunk(0, 1, "longer than there is room"), STORE_OK);
}

static void test_unreadable_file_is_not_a_damaged_chunk(void **state)
{
    assert_int_equal(write_chunk(0, 1, "kept"), STORE_OK);
    disk_unreadable = true;
    assert_int_equal(fetch_chunk(0, 1), STORE_REFUSED);
    assert_int_equal(store_info(store)->read_errors, 1);
    disk_unreadable = false;
    assert_int_equal(fetch_chunk(0, 1), STORE_OK);
    assert_int_equal(last_size, 4);
}

static void test_directory_serves_one_process(void **state)
{
    assert_null(store_open_file(base, directory, error, sizeof(error)));
    assert_non_null(strstr(error, "in use"));
}

static void test_directory_that_can_not_be_is_said(void **state)
{
    assert_null(store_open_file(base, "/proc/nowhere/store", error, sizeof(error)));
    assert_non_null(strstr(error, "/proc/nowhere/store"));
    assert_null(store_open_file(base, "/etc/passwd", error, sizeof(error)));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    static const struct CMUnitTest tests[] = {
        TEST(test_what_was_written_is_read),
        TEST(test_it_outlives_the_process),
        TEST(test_many_at_once),
        TEST(test_closing_finishes_what_is_under_way),
        TEST(test_what_is_no_file_is_foreign),
        TEST(test_failed_write_keeps_the_old_version),
        TEST(test_full_disk_keeps_the_old_version),
        TEST(test_unreadable_file_is_not_a_damaged_chunk),
        TEST(test_directory_serves_one_process),
        TEST(test_directory_that_can_not_be_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

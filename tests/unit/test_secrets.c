/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
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
#include "controlplane/secrets.h"

enum { NOW = 1740000000, ADDRESS = 0x0100000a };

struct fixture {
    char folder[32], path[64];
    char error[SECRETS_ERROR_SIZE];
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    strcpy(fixture->folder, "/tmp/muster-secrets-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    snprintf(fixture->path, sizeof(fixture->path), "%s/key", fixture->folder);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    unlink(fixture->path);
    assert_int_equal(rmdir(fixture->folder), 0); /* no temporary file was left */
    free(fixture);
    return 0;
}

static struct secrets *open_well(struct fixture *fixture, time_t now)
{
    struct secrets *secrets;

    assert_int_equal(secrets_open(fixture->path, now, &secrets, fixture->error), 0);
    return secrets;
}

static void write_file(const struct fixture *fixture, const char *text, size_t size)
{
    FILE *file = fopen(fixture->path, "w");

    assert_int_equal(fchmod(fileno(file), 0600), 0);
    assert_int_equal(fwrite(text, 1, size, file), size);
    fclose(file);
}

static size_t read_file(const struct fixture *fixture, char *text, size_t size)
{
    FILE *file = fopen(fixture->path, "r");
    size_t length = fread(text, 1, size, file);

    fclose(file);
    return length;
}

static void a_missing_file_is_made_readable_by_its_owner_alone(void **state)
{
    struct fixture *fixture = *state;
    struct secrets *secrets = open_well(fixture, NOW);
    struct cookie_state cookies = secrets_cookies(secrets, NOW);
    struct stat status;

    assert_int_equal(stat(fixture->path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_int_equal(cookies.epoch, NOW / 60);
    assert_int_equal(cookies.current.since, NOW / 60);
    assert_true(cookies.current.k0 != 0 && cookies.current.k1 != 0);
    assert_int_not_equal(cookies.current.k0, cookies.previous.k0);
    secrets_close(secrets);
}

static void secrets_outlive_a_restart(void **state)
{
    struct fixture *fixture = *state;
    struct secrets *secrets = open_well(fixture, NOW);
    struct cookie_state before = secrets_cookies(secrets, NOW), after;
    struct swarms_secret swarms = *secrets_swarms(secrets);
    uint64_t id = cookie_ipv4(&before, before.epoch, ADDRESS);

    secrets_close(secrets);
    secrets = open_well(fixture, NOW + 60);
    after = secrets_cookies(secrets, NOW + 60);
    assert_true(cookie_valid_ipv4(&after, id, ADDRESS));
    assert_memory_equal(&swarms, secrets_swarms(secrets), sizeof(swarms));
    secrets_close(secrets);
}

static void a_rotation_loses_no_id_and_then_signs_with_the_new_key(void **state)
{
    struct fixture *fixture = *state;
    struct secrets *secrets = open_well(fixture, NOW);
    struct cookie_state before = secrets_cookies(secrets, NOW + 3600);
    struct cookie_state at;

    assert_int_equal(secrets_rotate(secrets, NOW + 3600, fixture->error), 0);
    /* Whoever still has the settings of before agrees with those who have the new ones. */
    at = secrets_cookies(secrets, NOW + 3660);
    before.epoch = at.epoch;
    assert_int_equal(cookie_ipv4(&at, at.epoch, ADDRESS), cookie_ipv4(&before, at.epoch, ADDRESS));
    for (time_t age = 0; age <= 600; age += 10) {
        uint64_t id = cookie_ipv4(&at, at.epoch, ADDRESS);
        struct cookie_state later = secrets_cookies(secrets, NOW + 3660 + age);

        if (age <= 120)
            assert_true(cookie_valid_ipv4(&later, id, ADDRESS));
    }
    at = secrets_cookies(secrets, NOW + 3600 + SECRETS_LEAD * 60);
    before.epoch = at.epoch;
    assert_int_not_equal(cookie_ipv4(&at, at.epoch, ADDRESS),
                         cookie_ipv4(&before, at.epoch, ADDRESS));
    secrets_close(secrets);
}

static void a_rotation_outlives_a_restart(void **state)
{
    struct fixture *fixture = *state;
    struct secrets *secrets = open_well(fixture, NOW);
    struct cookie_state before, after;

    assert_int_equal(secrets_rotate(secrets, NOW + 3600, fixture->error), 0);
    before = secrets_cookies(secrets, NOW + 3600);
    secrets_close(secrets);
    secrets = open_well(fixture, NOW + 3600);
    after = secrets_cookies(secrets, NOW + 3600);
    assert_memory_equal(&before, &after, sizeof(before));
    secrets_close(secrets);
}

static void a_rotation_that_would_drop_a_key_in_use_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct secrets *secrets = open_well(fixture, NOW);
    struct cookie_state first, second;

    assert_int_equal(secrets_rotate(secrets, NOW + 3600, fixture->error), 0);
    first = secrets_cookies(secrets, NOW + 3600);
    assert_int_equal(secrets_rotate(secrets, NOW + 3600, fixture->error), -EAGAIN);
    assert_int_equal(secrets_rotate(secrets, NOW + 3600 + 180, fixture->error), -EAGAIN);
    second = secrets_cookies(secrets, NOW + 3600);
    assert_memory_equal(&first, &second, sizeof(first));
    assert_int_equal(secrets_rotate(secrets, NOW + 3600 + 240, fixture->error), 0);
    secrets_close(secrets);
}

static void a_rotation_that_cannot_be_written_changes_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct secrets *secrets = open_well(fixture, NOW);
    struct cookie_state before = secrets_cookies(secrets, NOW + 3600), after;
    char blocked[80];

    snprintf(blocked, sizeof(blocked), "%s.new", fixture->path);
    assert_int_equal(mkdir(blocked, 0700), 0);
    assert_int_not_equal(secrets_rotate(secrets, NOW + 3600, fixture->error), 0);
    assert_int_equal(rmdir(blocked), 0);
    after = secrets_cookies(secrets, NOW + 3600);
    assert_memory_equal(&before, &after, sizeof(before));
    secrets_close(secrets);
}

static void rotation_is_due_after_its_period(void **state)
{
    struct fixture *fixture = *state;
    struct secrets *secrets = open_well(fixture, NOW);

    assert_false(secrets_due(secrets, NOW, 3600));
    assert_false(secrets_due(secrets, NOW + 3500, 3600));
    assert_true(secrets_due(secrets, NOW + 3660, 3600));
    assert_false(secrets_due(secrets, NOW - 86400, 3600)); /* a clock set back */
    secrets_close(secrets);
}

static void a_file_that_others_may_read_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct secrets *secrets = open_well(fixture, NOW);

    secrets_close(secrets);
    assert_int_equal(chmod(fixture->path, 0640), 0);
    assert_int_equal(secrets_open(fixture->path, NOW, &secrets, fixture->error), -EPERM);
    assert_null(secrets);
    assert_non_null(strstr(fixture->error, fixture->path));
}

static void a_damaged_file_is_refused_and_kept(void **state)
{
    struct fixture *fixture = *state;
    struct secrets *secrets = open_well(fixture, NOW);
    char text[1024], again[1024];
    size_t size = read_file(fixture, text, sizeof(text));

    secrets_close(secrets);
    for (size_t i = 0; i < size; i++) {
        char old = text[i];

        write_file(fixture, text, i); /* cut off */
        assert_int_equal(secrets_open(fixture->path, NOW, &secrets, fixture->error), -EINVAL);
        text[i] = 'x';
        write_file(fixture, text, size);
        assert_int_equal(secrets_open(fixture->path, NOW, &secrets, fixture->error), -EINVAL);
        assert_int_equal(read_file(fixture, again, sizeof(again)), size);
        text[i] = old;
    }
    write_file(fixture, text, size);
    secrets_close(open_well(fixture, NOW));
    memset(text + size, '\n', 1);
    write_file(fixture, text, size + 1);
    assert_int_equal(secrets_open(fixture->path, NOW, &secrets, fixture->error), -EINVAL);
}

static void reload_takes_a_new_file_and_ignores_a_damaged_one(void **state)
{
    struct fixture *fixture = *state;
    struct secrets *secrets = open_well(fixture, NOW);
    struct cookie_state before = secrets_cookies(secrets, NOW), after;
    struct secrets *other;

    write_file(fixture, "junk", 4);
    assert_int_equal(secrets_reload(secrets, fixture->error), -EINVAL);
    after = secrets_cookies(secrets, NOW);
    assert_memory_equal(&before, &after, sizeof(before));

    unlink(fixture->path);
    other = open_well(fixture, NOW);
    assert_int_equal(secrets_reload(secrets, fixture->error), 0);
    before = secrets_cookies(other, NOW);
    after = secrets_cookies(secrets, NOW);
    assert_memory_equal(&before, &after, sizeof(before));
    secrets_close(other);
    secrets_close(secrets);
}

static void a_full_disk_leaves_the_keys_as_they_were(void **state)
{
    struct fixture *fixture = *state;
    struct secrets *secrets = open_well(fixture, NOW);
    struct cookie_state before = secrets_cookies(secrets, NOW), after;
    int result;

    disk_fill(100);
    result = secrets_rotate(secrets, NOW + 3600, fixture->error);
    disk_free();
    assert_int_equal(result, -EFBIG);
    assert_non_null(strstr(fixture->error, "can't write"));
    after = secrets_cookies(secrets, NOW);
    assert_memory_equal(&before, &after, sizeof(before));
    secrets_close(secrets);
    secrets = open_well(fixture, NOW);
    after = secrets_cookies(secrets, NOW);
    assert_memory_equal(&before, &after, sizeof(before));
    secrets_close(secrets);
}

static void what_is_no_file_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct secrets *secrets;
    char path[5000];

    assert_int_equal(secrets_open(fixture->folder, NOW, &secrets, fixture->error), -EINVAL);
    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    assert_int_equal(secrets_open(path, NOW, &secrets, fixture->error), -ENAMETOOLONG);
}

static void a_file_in_no_folder_is_an_error_that_says_so(void **state)
{
    char error[SECRETS_ERROR_SIZE];
    struct secrets *secrets;

    assert_int_equal(secrets_open("/nowhere/at/all/key", NOW, &secrets, error), -ENOENT);
    assert_non_null(strstr(error, "/nowhere/at/all/key"));
}

#define secrets_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        secrets_test(a_missing_file_is_made_readable_by_its_owner_alone),
        secrets_test(secrets_outlive_a_restart),
        secrets_test(a_rotation_loses_no_id_and_then_signs_with_the_new_key),
        secrets_test(a_rotation_outlives_a_restart),
        secrets_test(a_rotation_that_would_drop_a_key_in_use_is_refused),
        secrets_test(a_rotation_that_cannot_be_written_changes_nothing),
        secrets_test(a_full_disk_leaves_the_keys_as_they_were),
        secrets_test(what_is_no_file_is_refused),
        secrets_test(rotation_is_due_after_its_period),
        secrets_test(a_file_that_others_may_read_is_refused),
        secrets_test(a_damaged_file_is_refused_and_kept),
        secrets_test(reload_takes_a_new_file_and_ignores_a_damaged_one),
        cmocka_unit_test(a_file_in_no_folder_is_an_error_that_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "controlplane/ban_file.h"

/* The maps of the XDP program: an exact copy of what it was told. */
enum { MAP_MAX = 256 };

struct fixture {
    struct bans *bans;
    struct ban map[MAP_MAX];
    size_t map_count;
    unsigned calls, fail_after;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    fixture->bans = bans_new();
    fixture->fail_after = UINT32_MAX;
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    bans_free(fixture->bans);
    free(fixture);
    return 0;
}

static struct ban prefix(const char *text, uint64_t until)
{
    struct ban ban = {.until = until};

    assert_int_equal(bans_parse(text, &ban), 0);
    return ban;
}

static void add(struct fixture *fixture, const char *text, uint64_t until)
{
    struct ban ban = prefix(text, until);

    assert_int_equal(bans_add(fixture->bans, &ban), 0);
}

static int delete_one(struct fixture *fixture, const char *text)
{
    struct ban ban = prefix(text, 0);

    return bans_delete(fixture->bans, &ban);
}

static struct ban *in_map(struct fixture *fixture, const struct ban *ban)
{
    for (size_t i = 0; i < fixture->map_count; i++)
        if (ban_compare(&fixture->map[i], ban) == 0)
            return &fixture->map[i];
    return NULL;
}

static int on_add(void *user, const struct ban *ban)
{
    struct fixture *fixture = user;
    struct ban *there = in_map(fixture, ban);

    if (fixture->calls++ >= fixture->fail_after)
        return -ENOSPC;
    if (!there)
        there = &fixture->map[fixture->map_count++];
    *there = *ban;
    return 0;
}

static int on_lift(void *user, const struct ban *ban)
{
    struct fixture *fixture = user;
    struct ban *there = in_map(fixture, ban);

    if (fixture->calls++ >= fixture->fail_after)
        return -ENOMEM;
    assert_non_null(there);
    *there = fixture->map[--fixture->map_count];
    return 0;
}

static unsigned apply(struct fixture *fixture)
{
    fixture->calls = 0;
    assert_int_equal(bans_apply(fixture->bans, on_add, on_lift, fixture), 0);
    return fixture->calls;
}

static uint64_t end_in_map(struct fixture *fixture, const char *text)
{
    struct ban ban = prefix(text, 0);
    struct ban *there = in_map(fixture, &ban);

    return there ? there->until : 0;
}

static void prefixes_are_read_and_written(void **state)
{
    static const char *const pairs[][2] = {
        {"192.0.2.7", "192.0.2.7"},
        {"192.0.2.7/32", "192.0.2.7"},
        {"192.0.2.7/24", "192.0.2.0/24"},
        {"0.0.0.0/0", "0.0.0.0/0"},
        {"2001:db8::1", "2001:db8::1"},
        {"2001:db8:ffff:ffff::/33", "2001:db8:8000::/33"},
        {"::/0", "::/0"},
        {"255.255.255.255/1", "128.0.0.0/1"},
    };
    char text[BANS_TEXT_SIZE];

    for (unsigned i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        struct ban ban = prefix(pairs[i][0], 0);

        bans_format(&ban, text);
        assert_string_equal(text, pairs[i][1]);
    }
}

static void what_is_no_prefix_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "/",
        "192.0.2.7/",
        "192.0.2.7/33",
        "192.0.2.7/-1",
        "192.0.2/24",
        "::/129",
        "192.0.2.7/24x",
        "192.0.2.7/ 24",
        "host",
        "1.2.3.4/99999999999999999999",
        "2001:db8::1/0x10",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    };
    struct ban ban;

    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_int_equal(bans_parse(texts[i], &ban), -EINVAL);
}

static void the_maps_are_told_of_changes_only(void **state)
{
    struct fixture *fixture = *state;

    add(fixture, "192.0.2.0/24", BAN_FOR_GOOD);
    add(fixture, "2001:db8::/32", 100);
    assert_int_equal(apply(fixture), 2);
    assert_int_equal(apply(fixture), 0);
    add(fixture, "2001:db8::/32", 200);
    assert_int_equal(apply(fixture), 1);
    assert_int_equal(end_in_map(fixture, "2001:db8::/32"), 200);
    assert_int_equal(delete_one(fixture, "192.0.2.0/24"), 0);
    assert_int_equal(delete_one(fixture, "192.0.2.0/24"), -ENOENT);
    assert_int_equal(apply(fixture), 1);
    assert_int_equal(fixture->map_count, 1);
}

static void a_nested_prefix_ends_with_the_last_that_covers_it(void **state)
{
    struct fixture *fixture = *state;

    add(fixture, "10.1.1.1", 10);
    add(fixture, "10.0.0.0/8", 100);
    add(fixture, "10.1.0.0/16", 50);
    add(fixture, "11.1.1.1", 10);
    apply(fixture);
    assert_int_equal(end_in_map(fixture, "10.1.1.1"), 100);
    assert_int_equal(end_in_map(fixture, "10.1.0.0/16"), 100);
    assert_int_equal(end_in_map(fixture, "11.1.1.1"), 10);
    delete_one(fixture, "10.0.0.0/8");
    apply(fixture);
    assert_int_equal(end_in_map(fixture, "10.1.1.1"), 50);
    assert_int_equal(end_in_map(fixture, "10.1.0.0/16"), 50);
}

static void what_has_ended_is_taken_out(void **state)
{
    struct fixture *fixture = *state;
    size_t count;

    add(fixture, "192.0.2.1", 10);
    add(fixture, "192.0.2.2", 20);
    add(fixture, "192.0.2.3", BAN_FOR_GOOD);
    apply(fixture);
    assert_false(bans_expire(fixture->bans, 9));
    assert_true(bans_expire(fixture->bans, 10));
    bans_list(fixture->bans, &count);
    assert_int_equal(count, 2);
    apply(fixture);
    assert_int_equal(fixture->map_count, 2);
    assert_int_equal(end_in_map(fixture, "192.0.2.1"), 0);
}

static void a_prefix_lifted_and_banned_again_stays_in_the_maps(void **state)
{
    struct fixture *fixture = *state;

    add(fixture, "192.0.2.1", 10);
    apply(fixture);
    delete_one(fixture, "192.0.2.1");
    add(fixture, "192.0.2.1", 10);
    assert_int_equal(apply(fixture), 0);
    assert_int_equal(end_in_map(fixture, "192.0.2.1"), 10);
}

static void what_failed_is_tried_again(void **state)
{
    struct fixture *fixture = *state;

    add(fixture, "192.0.2.1", 10);
    add(fixture, "192.0.2.2", 20);
    fixture->calls = 0;
    fixture->fail_after = 1;
    assert_int_equal(bans_apply(fixture->bans, on_add, on_lift, fixture), -ENOSPC);
    fixture->fail_after = UINT32_MAX;
    apply(fixture);
    assert_int_equal(fixture->map_count, 2);
    delete_one(fixture, "192.0.2.1");
    delete_one(fixture, "192.0.2.2");
    fixture->calls = 0;
    fixture->fail_after = 1;
    assert_int_equal(bans_apply(fixture->bans, on_add, on_lift, fixture), -ENOMEM);
    fixture->fail_after = UINT32_MAX;
    apply(fixture);
    assert_int_equal(fixture->map_count, 0);
}

static void workers_get_a_new_set_for_each_change(void **state)
{
    struct fixture *fixture = *state;
    const uint8_t address[] = {192, 0, 2, 1};
    const struct ban_set *set;

    assert_null(bans_set(fixture->bans));
    add(fixture, "192.0.2.0/24", 10);
    set = bans_set(fixture->bans);
    assert_true(ban_set_holds_ipv4(set, address, 1));
    assert_ptr_equal(bans_set(fixture->bans), set);
    delete_one(fixture, "192.0.2.0/24");
    assert_null(bans_set(fixture->bans));
    assert_true(ban_set_holds_ipv4(set, address, 1)); /* still there for who uses it */
    bans_settled(fixture->bans);
}

/* Against a list that is searched as a whole. */
static void random_changes_leave_maps_and_list_in_agreement(void **state)
{
    struct fixture *fixture = *state;

    srand(1);
    for (unsigned round = 0; round < 3000; round++) {
        char text[32];
        const struct ban *list;
        size_t count;

        snprintf(text, sizeof(text), "10.%d.%d.0/%d", rand() % 3, rand() % 3, rand() % 25);
        if (rand() % 2)
            add(fixture, text, (uint64_t)(1 + rand() % 50));
        else
            delete_one(fixture, text);
        if (rand() % 20 == 0)
            bans_expire(fixture->bans, (uint64_t)(rand() % 10));
        if (rand() % 3 == 0)
            continue;
        apply(fixture);
        list = bans_list(fixture->bans, &count);
        assert_int_equal(fixture->map_count, count);
        for (size_t i = 0; i < count; i++) {
            uint64_t end = 0;

            for (size_t j = 0; j < count; j++)
                if (ban_covers(&list[j], &list[i]) && list[j].until > end)
                    end = list[j].until;
            assert_int_equal(in_map(fixture, &list[i])->until, end);
        }
    }
}

#define bans_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* The file ------------------------------------------------------------------------------------- */

enum { NOW = 1800000000 };

static const uint64_t second = 1000000000;

static char folder[] = "/tmp/muster-bans-XXXXXX";
static char path[64];

static void write_text(const char *text)
{
    FILE *file = fopen(path, "w");

    fputs(text, file);
    fclose(file);
}

static int make_folder(void **state)
{
    char key_file[sizeof(folder) + sizeof("/key")];

    strcpy(folder, "/tmp/muster-bans-XXXXXX");
    snprintf(key_file, sizeof(key_file), "%s/key", mkdtemp(folder));
    ban_file_path(key_file, path, sizeof(path));
    return setup(state);
}

static int remove_folder(void **state)
{
    unlink(path);
    rmdir(folder);
    return teardown(state);
}

static void bans_come_back_from_their_file(void **state)
{
    struct fixture *fixture = *state;
    struct bans *after = bans_new();
    const struct ban *list;
    char error[256], text[BANS_TEXT_SIZE];
    struct ban ban;
    size_t count;

    assert_int_equal(ban_file_read(path, NOW, after, error, sizeof(error)), 0); /* none yet */
    assert_false(bans_unsaved(fixture->bans));
    bans_parse("198.51.100.0/24", &ban);
    ban.until = BAN_FOR_GOOD;
    bans_add(fixture->bans, &ban);
    bans_parse("2001:db8::/32", &ban);
    ban.until = bans_clock() + 1000 * second;
    bans_add(fixture->bans, &ban);
    bans_parse("203.0.113.7", &ban);
    ban.until = bans_clock() + 10 * second;
    bans_add(fixture->bans, &ban);
    assert_true(bans_unsaved(fixture->bans));
    assert_int_equal(ban_file_write(path, NOW, fixture->bans), 0);

    assert_int_equal(ban_file_read(path, NOW + 100, after, error, sizeof(error)), 0);
    assert_false(bans_unsaved(after));
    list = bans_list(after, &count);
    assert_int_equal(count, 2);
    bans_format(&list[0], text);
    assert_string_equal(text, "198.51.100.0/24");
    assert_true(list[0].until == BAN_FOR_GOOD);
    bans_format(&list[1], text);
    assert_string_equal(text, "2001:db8::/32");
    assert_in_range((list[1].until - bans_clock()) / second, 898, 901);
    bans_free(after);
}

static void a_wrong_line_of_the_file_is_named(void **state)
{
    static const char *const wrong[] = {"198.51.100.7\n",    "198.51.100.7 soon\n",
                                        "me forever\n",      "198.51.100.0/33 forever\n",
                                        "198.51.100.7 -5\n", "198.51.100.7 forever and ever\n"};
    struct fixture *fixture = *state;
    char error[256], text[128];
    size_t count;

    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        snprintf(text, sizeof(text), "# ours\n\n%s", wrong[i]);
        write_text(text);
        assert_int_equal(ban_file_read(path, NOW, fixture->bans, error, sizeof(error)), -EINVAL);
        assert_non_null(strstr(error, "/bans:3: expected a prefix"));
    }
    bans_list(fixture->bans, &count);
    assert_int_equal(count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prefixes_are_read_and_written),
        cmocka_unit_test(what_is_no_prefix_is_refused),
        bans_test(the_maps_are_told_of_changes_only),
        bans_test(a_nested_prefix_ends_with_the_last_that_covers_it),
        bans_test(what_has_ended_is_taken_out),
        bans_test(a_prefix_lifted_and_banned_again_stays_in_the_maps),
        bans_test(what_failed_is_tried_again),
        bans_test(workers_get_a_new_set_for_each_change),
        bans_test(random_changes_leave_maps_and_list_in_agreement),
        cmocka_unit_test_setup_teardown(bans_come_back_from_their_file, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_wrong_line_of_the_file_is_named, make_folder,
                                        remove_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands that can't be done, or not now: what each says, what to do about it, and that nothing
 * has changed. */
#include <errno.h>
#include <event2/event.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "controlplane/bans.h"
#include "controlplane/operator/commands/commands.h"
#include "controlplane/persistence.h"
#include "fake_controlplane.h"
#include "fake_dataplane.h"

static char folder[] = "/tmp/muster-test-XXXXXX";

static int set_up(void **state)
{
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    fake_dataplane_fill();
    return fake_controlplane_start(folder);
}

static int tear_down(void **state)
{
    char command[64];

    fake_controlplane_stop();
    fake_refusal = 0;
    snprintf(command, sizeof(command), "rm -r %s", folder);
    return system(command);
}

/* Asking --------------------------------------------------------------------------------------- */

static void on_reply(void *user, json_t *reply)
{
    *(json_t **)user = reply;
}

/* Begins a call; its reply will be in *reply. Steals `params`. */
static void begin(const char *method, json_t *params, json_t **reply)
{
    static struct call_service service;
    json_t *request = json_pack("{s:s, s:i, s:s, s:o*}", "jsonrpc", "2.0", "id", 1, "method",
                                method, "params", params);

    service = (struct call_service){.table = command_table,
                                    .handlers = command_handlers,
                                    .count = COMMANDS_COUNT,
                                    .context = fake_console};
    *reply = NULL;
    call_start(&service, request, on_reply, reply);
    json_decref(request);
}

static void wait_for(json_t *const *reply)
{
    while (!*reply)
        event_base_loop(fake_controlplane.events, EVLOOP_ONCE);
}

static json_t *ask(const char *method, json_t *params)
{
    json_t *reply;

    begin(method, params, &reply);
    wait_for(&reply);
    return reply;
}

/* `message` and `hint` are parts of what it says. Steals `reply`. */
static void assert_refused(json_t *reply, enum json_rpc_code code, const char *message,
                           const char *hint)
{
    const json_t *error = json_object_get(reply, "error");
    const char *said = json_string_value(json_object_get(error, "message"));
    const char *advice = json_string_value(json_object_get(json_object_get(error, "data"), "hint"));

    assert_non_null(error);
    assert_int_equal(json_integer_value(json_object_get(error, "code")), code);
    if (!strstr(said, message) || (hint && !strstr(advice, hint)))
        fail_msg("it says: %s (%s)", said, advice);
    json_decref(reply);
}

/* Steals `reply`. */
static void assert_done(json_t *reply)
{
    assert_non_null(json_object_get(reply, "result"));
    json_decref(reply);
}

static const char *write_file(const char *name, const char *text)
{
    static char path[64];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
    return path;
}

/* Bans ----------------------------------------------------------------------------------------- */

static size_t bans_count(void)
{
    size_t count;

    bans_list(fake_controlplane.bans, &count);
    return count;
}

static void a_ban_that_makes_no_sense_is_refused(void **state)
{
    assert_refused(ask("ban.add", json_pack("{s:s}", "prefix", "192.0.2.0/33")),
                   JSON_RPC_INVALID_PARAMS, "\"192.0.2.0/33\" is no address or prefix",
                   "2001:db8::/48");
    assert_refused(
        ask("ban.add", json_pack("{s:s, s:s}", "prefix", "192.0.2.1", "duration", "soon")),
        JSON_RPC_INVALID_PARAMS, "\"soon\" is no duration", "90s");
    assert_refused(ask("ban.del", json_pack("{s:s}", "prefix", "everybody")),
                   JSON_RPC_INVALID_PARAMS, "is no address or prefix", NULL);
    assert_int_equal(bans_count(), 0);
}

static void only_a_ban_that_is_there_is_lifted(void **state)
{
    assert_done(ask("ban.add", json_pack("{s:s}", "prefix", "192.0.2.0/24")));
    assert_refused(ask("ban.del", json_pack("{s:s}", "prefix", "192.0.2.1")), JSON_RPC_NOT_FOUND,
                   "there is no ban of 192.0.2.1", "ban list");
    assert_int_equal(bans_count(), 1);
    assert_done(ask("ban.del", json_pack("{s:s}", "prefix", "192.0.2.77/24")));
    assert_int_equal(bans_count(), 0);
}

/* Or the operator would rely on it. */
static void a_ban_that_not_everybody_took_is_none(void **state)
{
    fake_refusal = -E2BIG;
    assert_refused(ask("ban.add", json_pack("{s:s}", "prefix", "192.0.2.1")), JSON_RPC_REFUSED,
                   "the ban can't be put in force: Argument list too long", "see the log");
    assert_int_equal(bans_count(), 0);
}

static void one_ban_too_many_is_refused(void **state)
{
    struct ban ban = {.until = BAN_FOR_GOOD};
    char text[32];

    for (unsigned i = 0; i < BANS_MAX; i++) {
        snprintf(text, sizeof(text), "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
        assert_int_equal(bans_parse(text, &ban), 0);
        assert_int_equal(bans_add(fake_controlplane.bans, &ban), 0);
    }
    assert_refused(ask("ban.add", json_pack("{s:s}", "prefix", "192.0.2.1")), JSON_RPC_REFUSED,
                   "there are 262144 bans already", "wider prefix");
    /* Another end for one that is there takes no room. */
    assert_done(ask("ban.add", json_pack("{s:s, s:s}", "prefix", "10.0.0.1", "duration", "1h")));
    assert_int_equal(bans_count(), BANS_MAX);
}

/* Workers -------------------------------------------------------------------------------------- */

static void a_worker_that_is_busy_says_so(void **state)
{
    static const char hash[] = "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1";

    fake_dataplane.busy = true;
    assert_refused(ask("swarms.top", NULL), JSON_RPC_BUSY, "a worker couldn't look into its table",
                   "try again");
    assert_refused(ask("swarms.show", json_pack("{s:s}", "hash", hash)), JSON_RPC_BUSY,
                   "a worker couldn't look into its table", "try again");
    assert_refused(ask("clients", NULL), JSON_RPC_BUSY, "a worker couldn't look into its table",
                   "try again");
    fake_dataplane.busy = false;
    assert_done(ask("swarms.top", NULL));
    assert_done(ask("swarms.show", json_pack("{s:s}", "hash", hash)));
    assert_done(ask("clients", NULL));
}

static void a_data_plane_that_does_not_drain_is_told_of(void **state)
{
    fake_refusal = -EIO;
    assert_refused(ask("drain", NULL), JSON_RPC_REFUSED,
                   "the data plane would not take it: Input/output error", "see the log");
    fake_refusal = 0;
    assert_done(ask("drain", NULL));
    assert_done(ask("undrain", NULL));
}

/* The configuration ---------------------------------------------------------------------------- */

static void a_key_that_is_not_there_is_not_found(void **state)
{
    assert_refused(ask("config.show", json_pack("{s:s}", "key", "tracker.banana")),
                   JSON_RPC_NOT_FOUND, "there is no key or section \"tracker.banana\"",
                   "config show");
    assert_refused(ask("config.show", json_pack("{s:s}", "key", "track")), JSON_RPC_NOT_FOUND,
                   "there is no key or section", NULL);
    assert_refused(
        ask("config.set", json_pack("{s:s, s:s}", "key", "tracker.banana", "value", "1")),
        JSON_RPC_NOT_FOUND, "tracker.banana", "`config show` lists all of them");
}

static void a_file_that_is_wrong_changes_nothing(void **state)
{
    json_t *reply;

    write_file("muster.yaml", "tracker: {interval: soon}\n");
    assert_refused(ask("config.reload", NULL), JSON_RPC_REFUSED, "tracker.interval",
                   "mend the file");
    assert_refused(ask("config.diff", NULL), JSON_RPC_REFUSED, "tracker.interval", "mend the file");
    reply = ask("config.check", NULL);
    assert_true(json_is_false(json_object_get(json_object_get(reply, "result"), "valid")));
    assert_done(reply);
}

/* Access lists --------------------------------------------------------------------------------- */

static void a_list_has_to_be_named_once(void **state)
{
    assert_refused(ask("access.load", NULL), JSON_RPC_INVALID_PARAMS, "no list is configured",
                   "access.file");
}

static void lists_are_read_one_at_a_time(void **state)
{
    static const char hash[] = "00112233445566778899aabbccddeeff00112233";
    const char *path = write_file("list", "ffffffffffffffffffffffffffffffffffffffff\n");
    json_t *first;

    begin("access.load", json_pack("{s:s}", "file", path), &first);
    assert_refused(ask("access.load", json_pack("{s:s}", "file", path)), JSON_RPC_BUSY,
                   "a list is being read", "try again");
    assert_refused(ask("access.add", json_pack("{s:s}", "hash", hash)), JSON_RPC_BUSY,
                   "a list is being read", "access show");
    wait_for(&first);
    assert_done(first);
    assert_done(ask("access.add", json_pack("{s:s}", "hash", hash)));
}

static void a_list_that_is_wrong_is_named_with_its_line(void **state)
{
    assert_refused(
        ask("access.load", json_pack("{s:s}", "file", write_file("list", "# mine\nbanana\n"))),
        JSON_RPC_REFUSED, "list:2: ", "the list is as it was");
    assert_refused(ask("access.load", json_pack("{s:s}", "file", "/nonexistent/list")),
                   JSON_RPC_REFUSED, "No such file or directory", "the list is as it was");
}

/* Store and fleet ------------------------------------------------------------------------------ */

static void where_nothing_is_stored_there_is_nothing_to_tell(void **state)
{
    static const char *const methods[] = {"store", "fleet", "snapshot"};

    for (unsigned i = 0; i < 3; i++)
        assert_refused(ask(methods[i], NULL), JSON_RPC_UNAVAILABLE,
                       "nothing is stored: store.type is none", "store.type");
}

static void what_is_being_loaded_is_not_written_yet(void **state)
{
    static const struct swarms_secret secret;
    static const struct swarms_timeouts timeouts = {.peer = 1800, .torrent = 3600};
    struct persistence_settings settings = {
        .kind = PERSISTENCE_FILE, .interval = 60, .refresh = 1800};
    char error[256];
    json_t *reply, *result;

    snprintf(settings.directory, sizeof(settings.directory), "%s/store", folder);
    fake_controlplane.persistence =
        persistence_start(&(struct persistence_config){.settings = &settings,
                                                       .base = fake_controlplane.events,
                                                       .jobs = fake_controlplane.jobs,
                                                       .secret = &secret,
                                                       .timeouts = &timeouts},
                          error, sizeof(error));
    assert_non_null(fake_controlplane.persistence);
    assert_refused(ask("snapshot", NULL), JSON_RPC_UNAVAILABLE,
                   "what is stored is still being loaded", "how far it is");
    assert_refused(ask("fleet", NULL), JSON_RPC_UNAVAILABLE, "this appliance is in no fleet",
                   "fleet.enabled");
    reply = ask("store", NULL);
    result = json_object_get(reply, "result");
    assert_string_equal(json_string_value(json_object_get(result, "kind")), "file");
    assert_string_equal(json_string_value(json_object_get(result, "state")), "loading");
    assert_true(json_is_null(json_object_get(result, "slots")));
    assert_int_equal(json_array_size(json_object_get(result, "nodes")), 0);
    json_decref(reply);
    persistence_free(fake_controlplane.persistence);
    fake_controlplane.persistence = NULL;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    static const struct CMUnitTest tests[] = {
        TEST(a_ban_that_makes_no_sense_is_refused),
        TEST(only_a_ban_that_is_there_is_lifted),
        TEST(a_ban_that_not_everybody_took_is_none),
        TEST(one_ban_too_many_is_refused),
        TEST(a_worker_that_is_busy_says_so),
        TEST(a_data_plane_that_does_not_drain_is_told_of),
        TEST(a_key_that_is_not_there_is_not_found),
        TEST(a_file_that_is_wrong_changes_nothing),
        TEST(a_list_has_to_be_named_once),
        TEST(lists_are_read_one_at_a_time),
        TEST(a_list_that_is_wrong_is_named_with_its_line),
        TEST(where_nothing_is_stored_there_is_nothing_to_tell),
        TEST(what_is_being_loaded_is_not_written_yet),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "fake_commands.h"

static void keep(void *user, json_t *reply)
{
    json_t **kept = user;

    *kept = reply;
}

/* The reply to a request written in JSON, as compact JSON; static. */
static const char *ask(const char *request)
{
    static char text[4096];
    json_t *json = json_loads(request, JSON_DECODE_ANY, NULL);
    json_t *reply = NULL;

    assert_non_null(json);
    assert_null(call_start(&fake_service, json, keep, &reply));
    json_decref(json);
    text[json_dumpb(reply, text, sizeof(text) - 1, JSON_COMPACT | JSON_SORT_KEYS)] = '\0';
    json_decref(reply);
    return text;
}

static int error_code(const char *request)
{
    json_t *reply = json_loads(ask(request), 0, NULL);
    json_t *error = json_object_get(reply, "error");
    int code = (int)json_integer_value(json_object_get(error, "code"));

    assert_non_null(json_string_value(json_object_get(error, "message")));
    json_decref(reply);
    return code;
}

static void answers_with_the_id_of_the_request(void **state)
{
    assert_string_equal(
        ask("{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"echo\",\"params\":{\"text\":\"hi\"}}"),
        "{\"id\":7,\"jsonrpc\":\"2.0\",\"result\":{\"loud\":false,\"text\":\"hi\",\"times\":1}}");
    assert_string_equal(
        ask("{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":\"echo\",\"params\":[\"hi\",2]}"),
        "{\"id\":\"a\",\"jsonrpc\":\"2.0\",\"result\":{\"loud\":false,\"text\":\"hi\",\"times\":2}"
        "}");
}

static void errors_carry_code_message_and_hint(void **state)
{
    assert_string_equal(ask("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"no\"}"),
                        "{\"error\":{\"code\":-32000,\"data\":{\"hint\":\"ask another\"},"
                        "\"message\":\"the answer is no\"},\"id\":1,\"jsonrpc\":\"2.0\"}");
    assert_non_null(strstr(ask("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"swarms.show\"}"),
                           "swarms show HASH"));
}

static void a_notification_runs_and_gets_no_reply(void **state)
{
    json_t *json = json_loads("{\"jsonrpc\":\"2.0\",\"method\":\"note\"}", 0, NULL);
    json_t *reply = json_null();
    unsigned before = fake_notes;

    assert_null(call_start(&fake_service, json, keep, &reply));
    assert_null(reply);
    assert_int_equal(fake_notes, before + 1);
    json_decref(json);
}

static void invalid_requests_are_told_so(void **state)
{
    static const char *const invalid[] = {
        "1",
        "\"text\"",
        "{}",
        "{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"note\"}",
        "{\"id\":1,\"method\":\"note\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":3}",
        "{\"jsonrpc\":\"2.0\",\"id\":[1],\"method\":\"note\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"note\",\"params\":\"x\"}",
    };

    for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++)
        assert_int_equal(error_code(invalid[i]), JSON_RPC_INVALID_REQUEST);
    assert_int_equal(error_code("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"nothing\"}"),
                     JSON_RPC_METHOD_NOT_FOUND);
}

static void parameters_are_checked_against_the_table(void **state)
{
    static const char *const wrong[] = {
        "{}",
        "{\"text\":1}",
        "{\"text\":\"\"}",
        "{\"text\":\"a\",\"times\":0}",
        "{\"text\":\"a\",\"times\":4}",
        "{\"text\":\"a\",\"times\":1.5}",
        "{\"text\":\"a\",\"times\":\"2\"}",
        "{\"text\":\"a\",\"loud\":1}",
        "{\"text\":\"a\",\"by\":\"peer\"}",
        "{\"text\":\"a\",\"by\":\"peers|rate\"}",
        "{\"text\":\"a\",\"by\":\"|\"}",
        "{\"text\":\"a\",\"more\":1}",
        "[\"a\",1,true,\"rate\",5]",
        "[]",
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char request[256];

        snprintf(request, sizeof(request),
                 "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":%s}", wrong[i]);
        assert_int_equal(error_code(request), JSON_RPC_INVALID_PARAMS);
    }
    assert_non_null(strstr(ask("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\","
                               "\"params\":{\"text\":\"a\",\"by\":\"rate\",\"loud\":true}}"),
                           "\"by\":\"rate\",\"loud\":true"));
}

static void an_info_hash_is_forty_hexadecimal_digits(void **state)
{
    static const char request[] =
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"swarms.show\",\"params\":[\"%s\"]}";
    char text[256];

    snprintf(text, sizeof(text), request, "0123456789abcdefABCDEF0123456789abcdef01");
    assert_non_null(strstr(ask(text), "\"result\""));
    snprintf(text, sizeof(text), request, "0123456789abcdefABCDEF0123456789abcdef0");
    assert_int_equal(error_code(text), JSON_RPC_INVALID_PARAMS);
    snprintf(text, sizeof(text), request, "0123456789abcdefABCDEF0123456789abcdef0g");
    assert_int_equal(error_code(text), JSON_RPC_INVALID_PARAMS);
}

static void a_call_may_be_answered_later_or_abandoned(void **state)
{
    json_t *json = json_loads("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"later\"}", 0, NULL);
    json_t *first = NULL, *second = NULL;

    assert_non_null(call_start(&fake_service, json, keep, &first));
    call_abandon(call_start(&fake_service, json, keep, &second));
    json_decref(json);
    fake_answer();
    fake_answer();
    assert_string_equal(json_string_value(json_object_get(first, "result")), "at last");
    assert_null(second);
    json_decref(first);
}

static void every_row_of_the_table_is_whole(void **state)
{
    char usage[256];

    for (unsigned i = 0; i < COMMANDS_COUNT; i++) {
        const struct command *command = &command_table[i];
        const struct argument *argument;
        bool optional = false;

        assert_non_null(command->noun);
        assert_non_null(command->summary);
        assert_non_null(command->result);
        assert_ptr_equal(command_by_method(command_table, COMMANDS_COUNT, command->method),
                         command);
        assert_ptr_equal(
            command_by_words(command_table, COMMANDS_COUNT, command->noun, command->verb), command);
        for (unsigned n = 0; (argument = command_argument(command, n)) != NULL; n++) {
            assert_non_null(argument->help);
            assert_true((argument->kind == ARGUMENT_CHOICE) == (argument->choices != NULL));
            assert_false(argument->required && (optional || argument->option));
            optional |= !argument->required;
        }
        command_usage(command, usage, sizeof(usage));
        assert_true(strlen(usage) >= strlen(command->noun));
    }
}

static void usage_shows_what_is_optional(void **state)
{
    char usage[256];

    command_usage(&command_table[COMMAND_swarms_top], usage, sizeof(usage));
    assert_string_equal(usage, "swarms top [--by peers|rate] [--limit N]");
    command_usage(&command_table[COMMAND_ban_add], usage, sizeof(usage));
    assert_string_equal(usage, "ban add PREFIX [DURATION]");
    command_usage(&command_table[COMMAND_drops], usage, sizeof(usage));
    assert_string_equal(usage, "drops [--all]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_with_the_id_of_the_request),
        cmocka_unit_test(errors_carry_code_message_and_hint),
        cmocka_unit_test(a_notification_runs_and_gets_no_reply),
        cmocka_unit_test(invalid_requests_are_told_so),
        cmocka_unit_test(parameters_are_checked_against_the_table),
        cmocka_unit_test(an_info_hash_is_forty_hexadecimal_digits),
        cmocka_unit_test(a_call_may_be_answered_later_or_abandoned),
        cmocka_unit_test(every_row_of_the_table_is_whole),
        cmocka_unit_test(usage_shows_what_is_optional),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

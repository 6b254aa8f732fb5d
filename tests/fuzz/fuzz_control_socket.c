/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whatever a client says to the control socket: it is answered line by line with well-formed
 * JSON-RPC, and hung up on in the end. Behind the real table of commands stand handlers that answer
 * with their parameters.
 */
#include <event2/event.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>

#include "controlplane/operator/control_socket.h"
#include "stream_client.h"

static struct event_base *base;
static struct sockaddr_un address = {.sun_family = AF_UNIX};

static void answer(struct call *call)
{
    for (unsigned n = 0; n < COMMANDS_COUNT; n++) {
        const struct argument *argument;

        for (unsigned i = 0; (argument = command_argument(&command_table[n], i)) != NULL; i++) {
            call_text(call, argument->name);
            call_flag(call, argument->name);
            call_number(call, argument->name, 1);
        }
    }
    call_result(call, json_string("done"));
}

static void remove_file(void)
{
    unlink(address.sun_path);
}

static void start(void)
{
    static call_handler *handlers[COMMANDS_COUNT];
    static struct control_socket *control;
    const struct call_service service = {command_table, handlers, COMMANDS_COUNT, NULL};
    char error[256];

    signal(SIGPIPE, SIG_IGN);
    base = event_base_new();
    for (unsigned n = 0; n < COMMANDS_COUNT; n++)
        handlers[n] = answer;
    snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/muster-fuzz-%d.sock", (int)getpid());
    if (control_socket_open(base, address.sun_path, "", &service, &control, error, sizeof(error)) !=
        0)
        abort();
    atexit(remove_file);
}

static void check_reply(const json_t *reply)
{
    const json_t *error = json_object_get(reply, "error");

    if (json_object_get(reply, "id") == NULL ||
        (json_object_get(reply, "result") == NULL) == (error == NULL))
        abort();
    if (error != NULL && (!json_is_integer(json_object_get(error, "code")) ||
                          !json_is_string(json_object_get(error, "message"))))
        abort();
}

static void check_line(const char *line)
{
    json_t *json = json_loads(line, 0, NULL), *reply;
    size_t i;

    if (json == NULL)
        abort();
    if (json_is_array(json)) {
        json_array_foreach(json, i, reply) check_reply(reply);
    } else {
        check_reply(json);
    }
    json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t length;
    char *replies, *rest, *line;

    if (base == NULL)
        start();
    replies = rest = stream_exchange(base, &address, data, size, &length);
    if (strlen(replies) != length || (length > 0 && replies[length - 1] != '\n'))
        abort();
    while ((line = strsep(&rest, "\n")) != NULL) {
        if (line[0] != '\0')
            check_line(line);
    }
    free(replies);
    return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "call.h"

struct call {
    const struct call_service *service;
    json_t *params;    /* by name, checked */
    json_t *id;        /* NULL: a notification */
    call_reply *reply; /* NULL: abandoned */
    void *user;
    bool starting; /* call_start() hasn't returned yet */
    bool ended;
};

void *call_context(const struct call *call)
{
    return call->service->context;
}

const char *call_text(const struct call *call, const char *name)
{
    return json_string_value(json_object_get(call->params, name));
}

bool call_flag(const struct call *call, const char *name)
{
    return json_is_true(json_object_get(call->params, name));
}

long call_number(const struct call *call, const char *name, long fallback)
{
    const json_t *value = json_object_get(call->params, name);

    return value ? (long)json_integer_value(value) : fallback;
}

static void call_free(struct call *call)
{
    json_decref(call->params);
    json_decref(call->id);
    free(call);
}

/* Steals `reply`. */
static void end(struct call *call, json_t *reply)
{
    if (!call->id) {
        json_decref(reply);
        reply = NULL;
    }
    if (call->reply)
        call->reply(call->user, reply);
    else
        json_decref(reply);
    if (call->starting)
        call->ended = true;
    else
        call_free(call);
}

void call_result(struct call *call, json_t *result)
{
    if (!result)
        end(call, json_rpc_error(call->id, JSON_RPC_INTERNAL_ERROR, "out of memory", NULL));
    else
        end(call, json_rpc_result(call->id, result));
}

void call_error(struct call *call, enum json_rpc_code code, const char *hint, const char *format,
                ...)
{
    char *message = NULL;
    va_list arguments;

    va_start(arguments, format);
    if (vasprintf(&message, format, arguments) < 0)
        message = NULL;
    va_end(arguments);
    end(call, json_rpc_error(call->id, code, message ? message : "out of memory", hint));
    free(message);
}

static void run(struct call *call, const struct json_rpc_request *request)
{
    const struct call_service *service = call->service;
    const struct command *command =
        command_by_method(service->table, service->count, request->method);
    char usage[256], hint[300], problem[160];

    if (!command) {
        call_error(call, JSON_RPC_METHOD_NOT_FOUND, "docs/control.md lists the methods",
                   "there is no method \"%.64s\"", request->method);
        return;
    }
    call->params = command_check_params(command, request->params, problem, sizeof(problem));
    if (!call->params) {
        command_usage(command, usage, sizeof(usage));
        snprintf(hint, sizeof(hint), "as a command: %s", usage);
        call_error(call, JSON_RPC_INVALID_PARAMS, hint, "%s", problem);
        return;
    }
    service->handlers[command - service->table](call);
}

struct call *call_start(const struct call_service *service, json_t *json, call_reply *reply,
                        void *user)
{
    struct json_rpc_request request;
    const char *problem = json_rpc_parse(json, &request);
    struct call *call;

    if (problem) {
        reply(user, json_rpc_error(request.id, JSON_RPC_INVALID_REQUEST, problem,
                                   "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\"}"));
        return NULL;
    }
    call = calloc(1, sizeof(*call));
    if (!call) {
        reply(user, NULL);
        return NULL;
    }
    *call = (struct call){
        .service = service,
        .id = json_incref(request.id),
        .reply = reply,
        .user = user,
        .starting = true,
    };
    run(call, &request);
    call->starting = false;
    if (!call->ended)
        return call;
    call_free(call);
    return NULL;
}

void call_abandon(struct call *call)
{
    call->reply = NULL;
}

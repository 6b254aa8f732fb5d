/* SPDX-License-Identifier: BSD-3-Clause */
/* A command that a client asked for, as its handler sees it: parameters in, one answer out. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "command_table.h"
#include "json_rpc.h"

struct call;

/* Ends in exactly one call_result() or call_error(), before it returns or later. */
typedef void call_handler(struct call *call);

/* What is served: a table, a handler for each of its rows, and what the handlers work on. */
struct call_service {
    const struct command *table;
    call_handler *const *handlers;
    unsigned count;
    void *context;
};

/* The handlers' `context`. */
void *call_context(const struct call *call);

/* Parameters, checked against the table: NULL, false or `fallback` when they weren't given. */
const char *call_text(const struct call *call, const char *name);
bool call_flag(const struct call *call, const char *name);
long call_number(const struct call *call, const char *name, long fallback);

/* Ends the call; steals `result`. */
void call_result(struct call *call, json_t *result);

/* Ends the call. `hint` says what to do about it, NULL when there is nothing to say. */
void call_error(struct call *call, enum json_rpc_code code, const char *hint, const char *format,
                ...) __attribute__((format(printf, 4, 5)));

/* For the side that runs calls --------------------------------------------------------------- */

/* Takes the reply, a new reference; NULL for a notification, which gets none. */
typedef void call_reply(void *user, json_t *reply);

/*
 * Runs one request. `reply` is called once, within this function or later. Returns the call while
 * it is under way, NULL when it has ended.
 */
struct call *call_start(const struct call_service *service, json_t *request, call_reply *reply,
                        void *user);

/* Nobody waits for the answer any more; the handler finishes undisturbed. */
void call_abandon(struct call *call);

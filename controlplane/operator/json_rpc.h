/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * JSON-RPC 2.0 (https://www.jsonrpc.org/specification): requests taken apart, replies put together.
 * Every error carries, besides code and message, `data.hint`: what to do about it.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum json_rpc_code {
    JSON_RPC_PARSE_ERROR = -32700,
    JSON_RPC_INVALID_REQUEST = -32600,
    JSON_RPC_METHOD_NOT_FOUND = -32601,
    JSON_RPC_INVALID_PARAMS = -32602,
    JSON_RPC_INTERNAL_ERROR = -32603,

    /* Ours, in the range that the specification leaves to servers. */
    JSON_RPC_REFUSED = -32000,     /* understood, and not done */
    JSON_RPC_UNAVAILABLE = -32001, /* switched off in the config, or not started yet */
    JSON_RPC_NOT_FOUND = -32002,   /* no such swarm, key, ban */
    JSON_RPC_BUSY = -32003,        /* the same is being done already */
    JSON_RPC_TOO_LONG = -32004,    /* request larger than the cap */
};

struct json_rpc_request {
    const char *method;
    json_t *params; /* object or array; NULL when there are none */
    json_t *id;     /* NULL for a notification, which gets no reply */
    bool notification;
};

/* Borrows from `json`. NULL, or what is wrong with it. */
const char *json_rpc_parse(json_t *json, struct json_rpc_request *request);

/* New replies. `id` is borrowed, NULL means null; json_rpc_result() steals `result`. */
json_t *json_rpc_result(json_t *id, json_t *result);
json_t *json_rpc_error(json_t *id, enum json_rpc_code code, const char *message, const char *hint);

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * JSON-RPC 2.0 (https://www.jsonrpc.org/specification): requests taken apart, replies put together.
 * Every error carries, besides code and message, `data.hint`: what to do about it.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* X(name, code, meaning). Those from -32000 on are ours, in the range left to servers. */
#define JSON_RPC_CODES(X)                                                                          \
    X(PARSE_ERROR, -32700, "the line isn't JSON")                                                  \
    X(INVALID_REQUEST, -32600, "JSON, but no request of JSON-RPC 2.0")                             \
    X(METHOD_NOT_FOUND, -32601, "there is no such method")                                         \
    X(INVALID_PARAMS, -32602, "a parameter is missing, unknown, or of the wrong kind")             \
    X(INTERNAL_ERROR, -32603, "the daemon is out of memory")                                       \
    X(REFUSED, -32000, "understood, and not done: the message says why")                           \
    X(UNAVAILABLE, -32001, "not configured, so there is nothing to ask")                           \
    X(NOT_FOUND, -32002, "there is no such key, swarm or ban")                                     \
    X(BUSY, -32003, "the same is being done already: try again")                                   \
    X(TOO_LONG, -32004, "the request is longer than 65536 bytes; the connection is closed")

enum json_rpc_code {
#define JSON_RPC_CODE(name, code, meaning) JSON_RPC_##name = (code),
    JSON_RPC_CODES(JSON_RPC_CODE)
#undef JSON_RPC_CODE
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

/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "json_rpc.h"

const char *json_rpc_parse(json_t *json, struct json_rpc_request *request)
{
    json_t *id = json_object_get(json, "id");
    const char *version = json_string_value(json_object_get(json, "jsonrpc"));

    *request = (struct json_rpc_request){
        .method = json_string_value(json_object_get(json, "method")),
        .params = json_object_get(json, "params"),
        .notification = !id,
    };
    if (!json_is_object(json))
        return "a request is a JSON object";
    if (id && !json_is_string(id) && !json_is_number(id) && !json_is_null(id))
        return "\"id\" must be a string, a number or null";
    request->id = id;
    if (!version || strcmp(version, "2.0") != 0)
        return "\"jsonrpc\" must be \"2.0\"";
    if (!request->method)
        return "\"method\" must be a string";
    if (request->params && !json_is_object(request->params) && !json_is_array(request->params))
        return "\"params\" must be an object or an array";
    return NULL;
}

static json_t *reply_to(json_t *id)
{
    return json_pack("{s:s, s:O}", "jsonrpc", "2.0", "id", id ? id : json_null());
}

json_t *json_rpc_result(json_t *id, json_t *result)
{
    json_t *reply = reply_to(id);

    json_object_set_new(reply, "result", result);
    return reply;
}

json_t *json_rpc_error(json_t *id, enum json_rpc_code code, const char *message, const char *hint)
{
    json_t *reply = reply_to(id);
    json_t *error = json_pack("{s:i, s:s}", "code", code, "message", message);

    if (!error) /* a message that isn't UTF-8 */
        error = json_pack("{s:i, s:s}", "code", code, "message", "(unprintable)");
    if (hint)
        json_object_set_new(error, "data", json_pack("{s:s}", "hint", hint));
    json_object_set_new(reply, "error", error);
    return reply;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>

#include "control_socket.h"
#include "listener.h"
#include "server.h"

enum {
    REQUEST_SECONDS = 30, /* for a line to arrive; a person pasting into nc is the slowest */
    REPLY_SECONDS = 10,   /* without a byte taken; a reply fits most socket buffers whole */
};

struct control_socket {
    struct server *server;
    struct call_service service;
    struct listener_file listener;
};

/* What a line asked for, and what has been answered so far. */
struct exchange {
    struct client *client; /* NULL: it hung up */
    const struct call_service *service;
    json_t *requests; /* an array, of one unless the line was a batch */
    json_t *replies;
    size_t next;
    bool batch;
    bool running;      /* within advance() */
    struct call *call; /* under way */
};

static void send_json(struct client *client, const json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(9));

    if (text) {
        client_send(client, text, strlen(text));
        client_send(client, "\n", 1);
    }
    free(text);
}

static void exchange_end(struct exchange *exchange)
{
    struct client *client = exchange->client;

    if (client) {
        if (exchange->batch && json_array_size(exchange->replies) > 0)
            send_json(client, exchange->replies);
        else if (!exchange->batch && json_array_size(exchange->replies) == 1)
            send_json(client, json_array_get(exchange->replies, 0));
        client_done(client);
    }
    json_decref(exchange->requests);
    json_decref(exchange->replies);
    free(exchange);
}

static void advance(struct exchange *exchange);

static void on_reply(void *user, json_t *reply)
{
    struct exchange *exchange = user;

    if (reply)
        json_array_append_new(exchange->replies, reply);
    exchange->call = NULL;
    if (!exchange->running)
        advance(exchange);
}

/* Runs requests until one of them takes longer, or all are done. */
static void advance(struct exchange *exchange)
{
    exchange->running = true;
    while (!exchange->call && exchange->next < json_array_size(exchange->requests)) {
        json_t *request = json_array_get(exchange->requests, exchange->next++);

        exchange->call = call_start(exchange->service, request, on_reply, exchange);
    }
    exchange->running = false;
    if (!exchange->call)
        exchange_end(exchange);
}

static void refuse(struct client *client, enum json_rpc_code code, const char *message,
                   const char *hint)
{
    json_t *reply = json_rpc_error(NULL, code, message, hint);

    send_json(client, reply);
    json_decref(reply);
}

static void start_exchange(struct client *client, json_t *json)
{
    struct control_socket *socket = client_context(client);
    struct exchange *exchange = calloc(1, sizeof(*exchange));

    if (!exchange) {
        json_decref(json);
        client_close(client);
        return;
    }
    *exchange = (struct exchange){
        .client = client,
        .service = &socket->service,
        .requests = json_is_array(json) ? json : json_pack("[o]", json),
        .replies = json_array(),
        .batch = json_is_array(json),
    };
    client_set_request(client, exchange);
    advance(exchange);
}

static void handle(struct client *client, char *line, size_t length)
{
    json_error_t problem;
    char message[256];
    json_t *json;

    if (strspn(line, " \t\r\n") == length) { /* an empty line asks nothing */
        client_done(client);
        return;
    }
    json = json_loadb(line, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &problem);
    if (!json) {
        snprintf(message, sizeof(message), "not JSON: %s at byte %d", problem.text,
                 problem.position);
        refuse(client, JSON_RPC_PARSE_ERROR, message, "one JSON object a line");
        client_done(client);
    } else if (json_is_array(json) &&
               (json_array_size(json) == 0 || json_array_size(json) > CONTROL_SOCKET_BATCH_MAX)) {
        refuse(client, JSON_RPC_INVALID_REQUEST, "a batch holds 1 to 64 requests", NULL);
        json_decref(json);
        client_done(client);
    } else {
        start_exchange(client, json);
    }
}

static void gone(struct client *client)
{
    struct exchange *exchange = client_request(client);

    exchange->client = NULL;
    if (exchange->call) {
        call_abandon(exchange->call);
        exchange_end(exchange);
    }
}

static void overlong(struct client *client)
{
    refuse(client, JSON_RPC_TOO_LONG, "a request is at most 65536 bytes",
           "long lists go into a file that the daemon reads");
}

static size_t complete(struct evbuffer *input)
{
    struct evbuffer_ptr newline = evbuffer_search(input, "\n", 1, NULL);

    return newline.pos < 0 ? 0 : (size_t)newline.pos + 1;
}

static const struct server_protocol protocol = {
    .clients_max = CONTROL_SOCKET_CLIENTS_MAX,
    .request_max = CONTROL_SOCKET_REQUEST_MAX,
    .request_seconds = REQUEST_SECONDS,
    .reply_seconds = REPLY_SECONDS,
    .complete = complete,
    .handle = handle,
    .overlong = overlong,
    .gone = gone,
};

int control_socket_open(struct event_base *base, const char *path, const char *group,
                        const struct call_service *service, struct control_socket **opened,
                        char *error, size_t error_size)
{
    struct control_socket *socket = calloc(1, sizeof(*socket));
    int status;

    if (!socket)
        return -ENOMEM;
    socket->service = *service;
    status =
        listener_file_open(&socket->listener, path, group, CONTROL_SOCKET_MODE, error, error_size);
    if (status != 0) {
        free(socket);
        return status;
    }
    socket->server = server_new(base, socket->listener.fd, &protocol, socket);
    if (!socket->server) {
        listener_file_remove(&socket->listener);
        free(socket);
        return -ENOMEM;
    }
    *opened = socket;
    return 0;
}

void control_socket_close(struct control_socket *socket)
{
    if (!socket)
        return;
    server_free(socket->server);
    listener_file_remove(&socket->listener);
    free(socket);
}

unsigned control_socket_clients(const struct control_socket *socket)
{
    return server_clients(socket->server);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A stream server whose clients can cost it only so much: so many connections, so many bytes, so
 * much time. The control socket and HTTP both stand on it.
 *
 * A client's requests are handled one after the other, one a turn of the event loop, each only when
 * the replies before it have gone out. So nobody's pipelining delays the others, and what is held
 * for a client is at most one request and one reply.
 *
 * The process has to ignore SIGPIPE.
 */
#pragma once

#include <stddef.h>

struct client; /* one connection */
struct evbuffer;
struct event_base;
struct server;

struct server_protocol {
    unsigned clients_max;     /* one more, and the client that was silent longest has to go */
    size_t request_max;       /* bytes */
    unsigned request_seconds; /* from a request's first byte to its last */
    unsigned reply_seconds;   /* without a byte taken of a reply that waits */
    unsigned idle_seconds;    /* without a request; 0: for ever */

    /* The length of the first request in `input`, terminator included; 0 when it isn't complete. */
    size_t (*complete)(struct evbuffer *input);

    /* One request, NUL-terminated, the handler's to change. To be ended by client_done(), now or
     * later. */
    void (*handle)(struct client *client, char *request, size_t length);

    /* Longer than request_max: last words, before the connection is closed. */
    void (*overlong)(struct client *client);

    /* The connection is gone while a request is being handled: don't use `client` any more. */
    void (*gone)(struct client *client);
};

/* Serves the listening socket `fd`, which becomes the server's. NULL when out of memory. */
struct server *server_new(struct event_base *base, int fd, const struct server_protocol *protocol,
                          void *context);
void server_free(struct server *server);

unsigned server_clients(const struct server *server);

/* server_new()'s `context`. */
void *client_context(const struct client *client);

/* What the protocol keeps for the request that is being handled. */
void client_set_request(struct client *client, void *request);
void *client_request(const struct client *client);

void client_send(struct client *client, const void *bytes, size_t length);

/* Moves all of `buffer` to the client. */
void client_send_buffer(struct client *client, struct evbuffer *buffer);

/* The request is answered; the next one may come. */
void client_done(struct client *client);

/* Ends the request, and the connection once what was sent has been taken. */
void client_close(struct client *client);

/* SPDX-License-Identifier: BSD-3-Clause */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server.h"

enum {
    BACKLOG = 64,
    /* After accept() failed (no file descriptors left), before the next try: level-triggered, the
     * listener would spin. */
    ACCEPT_PAUSE_SECONDS = 1,
};

struct client {
    TAILQ_ENTRY(client) link; /* in order of last activity, the longest silent first */
    struct server *server;
    struct bufferevent *stream;
    struct event *deadline; /* for the rest of a request, or for the first byte of one */
    struct event *turn;     /* handles the next request */
    void *request;
    bool busy;    /* a request is being handled */
    bool eof;     /* nothing more will come */
    bool closing; /* close once all is sent */
};

struct server {
    const struct server_protocol *protocol;
    void *context;
    struct event_base *base;
    struct evconnlistener *listener;
    struct event *resume; /* accepting */
    TAILQ_HEAD(, client) clients;
    unsigned clients_count;
};

static void client_free(struct client *client)
{
    struct server *server = client->server;

    if (client->busy)
        server->protocol->gone(client);
    TAILQ_REMOVE(&server->clients, client, link);
    server->clients_count--;
    if (client->stream)
        bufferevent_free(client->stream);
    if (client->deadline)
        event_free(client->deadline);
    if (client->turn)
        event_free(client->turn);
    free(client);
}

static void touch(struct client *client)
{
    TAILQ_REMOVE(&client->server->clients, client, link);
    TAILQ_INSERT_TAIL(&client->server->clients, client, link);
}

static void set_deadline(struct client *client, unsigned seconds)
{
    const struct timeval timeout = {.tv_sec = seconds};

    if (seconds > 0)
        evtimer_add(client->deadline, &timeout);
    else
        evtimer_del(client->deadline);
}

/* An incomplete request is in the buffer: it may grow to its limit, and take its time. */
static void await_rest(struct client *client, size_t waiting)
{
    const struct server_protocol *protocol = client->server->protocol;

    if (waiting >= protocol->request_max) {
        protocol->overlong(client);
        client_close(client);
    } else if (client->eof) {
        client_close(client);
    } else if (waiting > 0 && !evtimer_pending(client->deadline, NULL)) {
        set_deadline(client, protocol->request_seconds);
    }
}

static void handle_request(struct client *client, struct evbuffer *input, size_t length)
{
    const struct server_protocol *protocol = client->server->protocol;
    char *request = malloc(length + 1);

    set_deadline(client, 0);
    if (!request) {
        client_free(client);
        return;
    }
    evbuffer_remove(input, request, length);
    request[length] = '\0';
    client->busy = true;
    touch(client);
    protocol->handle(client, request, length);
    free(request);
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
    struct client *client = arg;
    struct evbuffer *input = bufferevent_get_input(client->stream);
    size_t length;

    if (client->busy || client->closing ||
        evbuffer_get_length(bufferevent_get_output(client->stream)) > 0)
        return;
    length = client->server->protocol->complete(input);
    if (length > 0 && length <= client->server->protocol->request_max)
        handle_request(client, input, length);
    else
        await_rest(client, evbuffer_get_length(input));
}

static void schedule(struct client *client)
{
    event_active(client->turn, 0, 0);
}

static void on_read(struct bufferevent *stream, void *arg)
{
    struct client *client = arg;

    if (client->closing)
        evbuffer_drain(bufferevent_get_input(stream), SIZE_MAX);
    else
        schedule(client);
}

/* All that was to be sent is out. */
static void on_written(struct bufferevent *stream, void *arg)
{
    struct client *client = arg;

    if (!client->closing)
        schedule(client);
    else if (client->eof)
        client_free(client);
    else /* until it hangs up, too: closing with bytes unread would throw the reply away */
        shutdown(bufferevent_getfd(stream), SHUT_WR);
}

static void on_event(struct bufferevent *stream, short what, void *arg)
{
    struct client *client = arg;
    bool unsent = evbuffer_get_length(bufferevent_get_output(stream)) > 0;

    if (!(what & BEV_EVENT_EOF)) {
        client_free(client);
        return;
    }
    client->eof = true; /* what came before is still answered: "echo ... | nc -U" works */
    if (!client->closing)
        schedule(client);
    else if (!unsent)
        client_free(client);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    client_free(arg);
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
    struct server *server = arg;

    evconnlistener_enable(server->listener);
}

static void on_accept_error(struct evconnlistener *listener, void *arg)
{
    const struct timeval pause = {.tv_sec = ACCEPT_PAUSE_SECONDS};
    struct server *server = arg;

    evconnlistener_disable(listener);
    evtimer_add(server->resume, &pause);
}

/* Makes room for one more by closing the longest silent client. False when all have requests under
 * way. */
static bool make_room(struct server *server)
{
    struct client *client;

    if (server->clients_count < server->protocol->clients_max)
        return true;
    TAILQ_FOREACH(client, &server->clients, link)
    {
        if (!client->busy) {
            client_free(client);
            return true;
        }
    }
    return false;
}

static bool client_open(struct client *client, evutil_socket_t fd)
{
    const struct server_protocol *protocol = client->server->protocol;
    const struct timeval reply = {.tv_sec = protocol->reply_seconds};

    client->stream = bufferevent_socket_new(client->server->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!client->stream) {
        close(fd);
        return false;
    }
    client->deadline = evtimer_new(client->server->base, on_deadline, client);
    client->turn = evtimer_new(client->server->base, on_turn, client);
    if (!client->deadline || !client->turn)
        return false;
    bufferevent_setcb(client->stream, on_read, on_written, on_event, client);
    bufferevent_setwatermark(client->stream, EV_READ, 0, protocol->request_max);
    bufferevent_set_timeouts(client->stream, NULL, &reply);
    set_deadline(client, protocol->idle_seconds);
    return bufferevent_enable(client->stream, EV_READ | EV_WRITE) == 0;
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
                      int length, void *arg)
{
    struct server *server = arg;
    struct client *client = make_room(server) ? calloc(1, sizeof(*client)) : NULL;

    if (!client) {
        close(fd);
        return;
    }
    client->server = server;
    TAILQ_INSERT_TAIL(&server->clients, client, link);
    server->clients_count++;
    if (!client_open(client, fd))
        client_free(client);
}

struct server *server_new(struct event_base *base, int fd, const struct server_protocol *protocol,
                          void *context)
{
    struct server *server = calloc(1, sizeof(*server));

    if (!server) {
        close(fd);
        return NULL;
    }
    TAILQ_INIT(&server->clients);
    server->protocol = protocol;
    server->context = context;
    server->base = base;
    server->listener = evconnlistener_new(
        base, on_accept, server, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, BACKLOG, fd);
    if (!server->listener)
        close(fd);
    server->resume = evtimer_new(base, on_resume, server);
    if (!server->listener || !server->resume) {
        server_free(server);
        return NULL;
    }
    evconnlistener_set_error_cb(server->listener, on_accept_error);
    return server;
}

/* What the socket takes without waiting: the reply to "shutdown" is of this kind. */
static void flush(struct client *client)
{
    struct evbuffer *output = bufferevent_get_output(client->stream);

    evbuffer_unfreeze(output, 1); /* bufferevents let nobody else take from it */
    evbuffer_write(output, bufferevent_getfd(client->stream));
}

void server_free(struct server *server)
{
    struct client *client;

    if (!server)
        return;
    while ((client = TAILQ_FIRST(&server->clients)) != NULL) {
        flush(client); /* NOLINT(clang-analyzer-unix.Malloc): who was freed has left the list */
        client_free(client);
    }
    if (server->listener)
        evconnlistener_free(server->listener);
    if (server->resume)
        event_free(server->resume);
    free(server);
}

unsigned server_clients(const struct server *server)
{
    return server->clients_count;
}

void *client_context(const struct client *client)
{
    return client->server->context;
}

void client_set_request(struct client *client, void *request)
{
    client->request = request;
}

void *client_request(const struct client *client)
{
    return client->request;
}

void client_send(struct client *client, const void *bytes, size_t length)
{
    bufferevent_write(client->stream, bytes, length);
}

void client_send_buffer(struct client *client, struct evbuffer *buffer)
{
    bufferevent_write_buffer(client->stream, buffer);
}

void client_done(struct client *client)
{
    client->busy = false;
    client->request = NULL;
    touch(client);
    set_deadline(client, client->server->protocol->idle_seconds);
    schedule(client);
}

void client_close(struct client *client)
{
    const struct timeval at_once = {0};

    client->busy = false;
    client->closing = true;
    set_deadline(client, client->server->protocol->reply_seconds);
    if (evbuffer_get_length(bufferevent_get_output(client->stream)) == 0)
        evtimer_add(client->deadline,
                    &at_once); /* not at once: the caller may be in its callback */
}

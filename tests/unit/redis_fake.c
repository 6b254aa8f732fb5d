/* SPDX-License-Identifier: BSD-3-Clause */
#include "redis_fake.h"

#include <arpa/inet.h>
#include <assert.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct redis_fake_client {
    struct redis_fake *fake;
    struct bufferevent *stream;
    redisReader *reader;
    struct redis_fake_client *next;
};

static void client_free(struct redis_fake_client *client)
{
    struct redis_fake_client **link = &client->fake->clients;

    while (*link != client)
        link = &(*link)->next;
    *link = client->next;
    bufferevent_free(client->stream);
    redisReaderFree(client->reader);
    free(client);
}

static void on_event(struct bufferevent *stream, short what, void *user)
{
    if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
        client_free(user);
}

/* False if the client is gone. */
static bool serve(struct redis_fake_client *client, redisReply *request)
{
    struct redis_fake *fake = client->fake;
    char *argv[16];
    const char *answer;
    bool asking;

    assert(request->type == REDIS_REPLY_ARRAY && request->elements <= 16);
    for (size_t i = 0; i < request->elements; i++)
        argv[i] = request->element[i]->str;
    fake->commands++;
    fake->gets += !strcmp(argv[0], "GET");
    fake->sets += !strcmp(argv[0], "SET");
    fake->slots_asked += !strcmp(argv[0], "CLUSTER");
    asking = !strcmp(argv[0], "ASKING");
    answer = fake->answer(fake, (int)request->elements, argv);
    fake->asking = asking;
    if (!answer) {
        client_free(client);
        return false;
    }
    bufferevent_write(client->stream, answer, strlen(answer));
    return true;
}

static void on_read(struct bufferevent *stream, void *user)
{
    struct redis_fake_client *client = user;
    char buffer[4096];
    size_t size;
    void *request;

    while ((size = bufferevent_read(stream, buffer, sizeof(buffer))) > 0)
        redisReaderFeed(client->reader, buffer, size);
    while (redisReaderGetReply(client->reader, &request) == REDIS_OK && request) {
        bool alive = serve(client, request);

        freeReplyObject(request);
        if (!alive)
            return;
    }
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
                      int length, void *user)
{
    struct redis_fake *fake = user;
    struct redis_fake_client *client = calloc(1, sizeof(*client));

    fake->connections++;
    fake->authenticated = false;
    client->fake = fake;
    client->reader = redisReaderCreate();
    client->stream = bufferevent_socket_new(fake->base, fd, BEV_OPT_CLOSE_ON_FREE);
    client->next = fake->clients;
    fake->clients = client;
    bufferevent_setcb(client->stream, on_read, NULL, on_event, client);
    bufferevent_enable(client->stream, EV_READ | EV_WRITE);
}

void redis_fake_open(struct redis_fake *fake, struct event_base *base)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons(fake->port)};
    socklen_t size = sizeof(address);

    fake->base = base;
    if (!fake->answer)
        fake->answer = redis_fake_usual;
    if (!fake->run_id[0])
        strcpy(fake->run_id, "first");
    fake->listener =
        evconnlistener_new_bind(base, on_accept, fake, LEV_OPT_REUSEABLE | LEV_OPT_CLOSE_ON_FREE,
                                -1, (struct sockaddr *)&address, sizeof(address));
    assert(fake->listener);
    getsockname(evconnlistener_get_fd(fake->listener), (struct sockaddr *)&address, &size);
    fake->port = ntohs(address.sin_port);
}

void redis_fake_close(struct redis_fake *fake)
{
    while (fake->clients)
        client_free(fake->clients);
    if (fake->listener)
        evconnlistener_free(fake->listener);
    fake->listener = NULL;
}

const char *redis_fake_usual(struct redis_fake *fake, int argc, char **argv)
{
    static char text[256];

    if (!strcmp(argv[0], "AUTH")) {
        fake->authenticated = fake->password && !strcmp(argv[argc - 1], fake->password);
        return fake->authenticated ? "+OK\r\n" : "-WRONGPASS invalid username-password pair\r\n";
    }
    if (fake->password && !fake->authenticated)
        return "-NOAUTH Authentication required.\r\n";
    if (!strcmp(argv[0], "INFO")) {
        snprintf(text, sizeof(text), "$%zu\r\nrole:master\r\nrun_id:%s\r\n\r\n",
                 strlen(fake->run_id) + 22, fake->run_id);
        return text;
    }
    if (!strcmp(argv[0], "CLUSTER"))
        return fake->slots ? fake->slots : "-ERR This instance has cluster support disabled\r\n";
    if (!strcmp(argv[0], "SET")) {
        snprintf(fake->value, sizeof(fake->value), "%s", argv[2]);
        return "+OK\r\n";
    }
    if (!strcmp(argv[0], "GET")) {
        if (!fake->value[0])
            return "$-1\r\n";
        snprintf(text, sizeof(text), "$%zu\r\n%s\r\n", strlen(fake->value), fake->value);
        return text;
    }
    return "+OK\r\n";
}

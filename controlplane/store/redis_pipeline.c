/* SPDX-License-Identifier: BSD-3-Clause */
#include "redis_pipeline.h"

#include <errno.h>
#include <event2/event.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    SEND_VECTORS = 64,      /* commands in one system call */
    RECEIVE_SIZE = 1 << 17, /* bytes in one system call */
    RECEIVE_ROUNDS = 8,     /* then other connections have their turn */
    READER_KEEP = 1 << 20,  /* bytes of buffer that the parser keeps between replies */

    /*
     * What a server may make us hold, however it may lie: an answer is at most one value and what
     * is around it, and no answer that we ask for has nearly as many elements.
     */
    REPLY_SIZE_MAX = 300 << 20,
    REPLY_ELEMENTS_MAX = 1 << 17,
};

struct redis_pipeline {
    struct redis_pipeline_owner owner;
    redisContext *context;
    struct event *readable, *writable;
    bool connected;
    uint64_t heard; /* ms: when the server last sent something, or wasn't owing anything */

    struct redis_commands commands; /* without an answer, oldest first */
    struct redis_command *unsent;   /* the first that is not wholly sent, or NULL */
    size_t sent;                    /* bytes of it */
    unsigned depth;
};

static void *(*create_array_unlimited)(const redisReadTask *task, int elements);

static void *create_array(const redisReadTask *task, int elements)
{
    return elements <= REPLY_ELEMENTS_MAX ? create_array_unlimited(task, elements) : NULL;
}

static void limit_replies(redisReader *reader)
{
    static redisReplyObjectFunctions functions;

    if (!create_array_unlimited) {
        functions = *reader->fn;
        create_array_unlimited = functions.createArray;
        functions.createArray = create_array;
    }
    reader->fn = &functions;
    reader->maxbuf = READER_KEEP;
}

static void pipeline_free(struct redis_pipeline *pipeline)
{
    if (pipeline->readable)
        event_free(pipeline->readable);
    if (pipeline->writable)
        event_free(pipeline->writable);
    if (pipeline->context)
        redisFree(pipeline->context);
    free(pipeline);
}

void redis_pipeline_close(struct redis_pipeline *pipeline, enum redis_error error, const char *text)
{
    struct redis_commands orphans = TAILQ_HEAD_INITIALIZER(orphans);

    TAILQ_CONCAT(&orphans, &pipeline->commands, link);
    pipeline->owner.on_close(pipeline->owner.context, error, text, &orphans);
    pipeline_free(pipeline); /* last: the text may be the connection's own */
}

/* Sends what the socket takes. 0, or an errno. */
static int send_some(struct redis_pipeline *pipeline)
{
    while (pipeline->unsent) {
        struct iovec vectors[SEND_VECTORS];
        struct msghdr message = {.msg_iov = vectors};
        struct redis_command *command = pipeline->unsent;
        size_t skip = pipeline->sent;
        ssize_t sent;

        for (; command && message.msg_iovlen < SEND_VECTORS; command = TAILQ_NEXT(command, link)) {
            vectors[message.msg_iovlen++] =
                (struct iovec){command->bytes + skip, command->size - skip};
            skip = 0;
        }
        sent = sendmsg(pipeline->context->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0)
            return errno == EAGAIN || errno == EINTR ? 0 : errno;
        /* No answer can be expected yet while the first command is still on its way. */
        if (pipeline->unsent == TAILQ_FIRST(&pipeline->commands))
            pipeline->heard = monotonic_ms();

        pipeline->sent += (size_t)sent;
        while (pipeline->unsent && pipeline->sent >= pipeline->unsent->size) {
            pipeline->sent -= pipeline->unsent->size;
            pipeline->unsent = TAILQ_NEXT(pipeline->unsent, link);
        }
    }
    return 0;
}

static int finish_connect(struct redis_pipeline *pipeline)
{
    int error = 0, one = 1;
    socklen_t size = sizeof(error);

    if (getsockopt(pipeline->context->fd, SOL_SOCKET, SO_ERROR, &error, &size))
        error = errno;
    if (error)
        return error;
    setsockopt(pipeline->context->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    pipeline->connected = true;
    pipeline->heard = monotonic_ms();
    event_add(pipeline->readable, NULL);
    return 0;
}

static void on_writable(evutil_socket_t fd, short what, void *user)
{
    struct redis_pipeline *pipeline = user;
    int error = 0;

    if (!pipeline->connected) {
        error = finish_connect(pipeline);
        if (error) {
            redis_pipeline_close(pipeline, REDIS_ERROR_connect, strerror(error));
            return;
        }
        pipeline->owner.on_connect(pipeline->owner.context);
    }
    error = send_some(pipeline);
    if (error)
        redis_pipeline_close(pipeline, REDIS_ERROR_closed, strerror(error));
    else if (pipeline->unsent)
        event_add(pipeline->writable, NULL);
}

/* Hands out the replies that are complete. False if the pipeline was closed. */
static bool take_replies(struct redis_pipeline *pipeline)
{
    redisReader *reader = pipeline->context->reader;
    struct redis_command *command;
    void *reply;
    bool go_on;

    for (;;) {
        if (redisReaderGetReply(reader, &reply) != REDIS_OK || reader->len > REPLY_SIZE_MAX) {
            redis_pipeline_close(pipeline, REDIS_ERROR_protocol,
                                 reader->err ? reader->errstr : "answer is too long");
            return false;
        }
        if (!reply)
            return true;
        command = TAILQ_FIRST(&pipeline->commands);
        if (!command || command == pipeline->unsent) {
            freeReplyObject(reply);
            redis_pipeline_close(pipeline, REDIS_ERROR_protocol, "answer without a question");
            return false;
        }
        TAILQ_REMOVE(&pipeline->commands, command, link);
        pipeline->depth--;
        go_on = pipeline->owner.on_reply(pipeline->owner.context, command, reply);
        freeReplyObject(reply);
        if (!go_on) {
            redis_pipeline_close(pipeline, REDIS_ERROR_closed, "gave up the connection");
            return false;
        }
    }
}

static void on_readable(evutil_socket_t fd, short what, void *user)
{
    static char buffer[RECEIVE_SIZE];
    struct redis_pipeline *pipeline = user;

    for (unsigned round = 0; round < RECEIVE_ROUNDS; round++) {
        ssize_t size = read(pipeline->context->fd, buffer, sizeof(buffer));

        if (size < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (size <= 0) {
            redis_pipeline_close(pipeline, REDIS_ERROR_closed,
                                 size ? strerror(errno) : "closed by the server");
            return;
        }
        pipeline->heard = monotonic_ms();
        redisReaderFeed(pipeline->context->reader, buffer, (size_t)size);
        if (!take_replies(pipeline) || (size_t)size < sizeof(buffer))
            return;
    }
}

struct redis_pipeline *redis_pipeline_open(struct event_base *base,
                                           const struct redis_address *address,
                                           const struct redis_pipeline_owner *owner)
{
    struct redis_pipeline *pipeline = calloc(1, sizeof(*pipeline));

    if (!pipeline)
        return NULL;
    pipeline->owner = *owner;
    pipeline->heard = monotonic_ms();
    TAILQ_INIT(&pipeline->commands);
    pipeline->context = redisConnectNonBlock(address->host, address->port);
    if (!pipeline->context || pipeline->context->err)
        goto fail;
    limit_replies(pipeline->context->reader);
    pipeline->readable =
        event_new(base, pipeline->context->fd, EV_READ | EV_PERSIST, on_readable, pipeline);
    pipeline->writable = event_new(base, pipeline->context->fd, EV_WRITE, on_writable, pipeline);
    if (!pipeline->readable || !pipeline->writable || event_add(pipeline->writable, NULL))
        goto fail;
    return pipeline;

fail:
    pipeline_free(pipeline);
    return NULL;
}

void redis_pipeline_send(struct redis_pipeline *pipeline, struct redis_command *command)
{
    if (TAILQ_EMPTY(&pipeline->commands))
        pipeline->heard = monotonic_ms();
    TAILQ_INSERT_TAIL(&pipeline->commands, command, link);
    pipeline->depth++;
    if (!pipeline->unsent) {
        pipeline->unsent = command;
        pipeline->sent = 0;
    }
    /* Written from the event loop, so that what is submitted together goes out together. */
    event_add(pipeline->writable, NULL);
}

bool redis_pipeline_check(struct redis_pipeline *pipeline, uint32_t connect_ms, uint32_t reply_ms)
{
    uint64_t silent = monotonic_ms() - pipeline->heard;

    if (!pipeline->connected && silent > connect_ms) {
        redis_pipeline_close(pipeline, REDIS_ERROR_connect, "no answer to the connection request");
        return false;
    }
    if (pipeline->connected && pipeline->depth > 0 && silent > reply_ms) {
        redis_pipeline_close(pipeline, REDIS_ERROR_timeout, "no answer in time");
        return false;
    }
    return true;
}

unsigned redis_pipeline_depth(const struct redis_pipeline *pipeline)
{
    return pipeline->depth;
}

uint64_t redis_pipeline_silence(const struct redis_pipeline *pipeline)
{
    return pipeline->depth > 0 ? monotonic_ms() - pipeline->heard : 0;
}

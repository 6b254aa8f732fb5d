/* SPDX-License-Identifier: BSD-3-Clause */
#include "forged_redis.h"

#include <hiredis/hiredis.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xxhash.h>

#include "controlplane/fleet/member_record.h"
#include "controlplane/store/bytes.h"
#include "controlplane/store/redis_slots.h"

enum {
    CONNECTIONS = 64, /* then connecting fails */
    ANSWERS_MAX = 600,
    ANSWER_SIZE = 8192,
    PIECE = 1024, /* bytes of the input that go into one answer */
    NODES = 3,
};

static struct input *input;

struct connection {
    int fd;
    redisReader *reader;
};

static struct connection connections[CONNECTIONS];
static unsigned connections_count, answers;

/* Stands in front of hiredis' own. */
redisContext *redisConnectNonBlock(const char *ip, int port)
{
    redisContext *context = calloc(1, sizeof(*context));
    int pair[2];

    if (connections_count == CONNECTIONS || input_u8(input) == 255 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair)) {
        free(context);
        return NULL;
    }
    context->fd = pair[0];
    context->flags = REDIS_CONNECTED;
    context->reader = redisReaderCreate();
    connections[connections_count++] =
        (struct connection){.fd = pair[1], .reader = redisReaderCreate()};
    return context;
}

static void hang_up(struct connection *connection)
{
    if (connection->reader)
        redisReaderFree(connection->reader);
    if (connection->fd >= 0)
        close(connection->fd);
    *connection = (struct connection){.fd = -1};
}

/* An answer being made. */
struct answer {
    size_t size;
    char bytes[ANSWER_SIZE];
};

static void say(struct answer *answer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void say(struct answer *answer, const char *format, ...)
{
    va_list arguments;
    int size;

    va_start(arguments, format);
    size = vsnprintf(answer->bytes + answer->size, sizeof(answer->bytes) - answer->size, format,
                     arguments);
    va_end(arguments);
    if (size > 0 && (size_t)size < sizeof(answer->bytes) - answer->size)
        answer->size += (size_t)size;
}

static void say_bulk(struct answer *answer, const void *bytes, size_t size)
{
    if (sizeof(answer->bytes) - answer->size < size + 32)
        return;
    say(answer, "$%zu\r\n", size);
    memcpy(answer->bytes + answer->size, bytes, size);
    answer->size += size;
    say(answer, "\r\n");
}

static void say_input(struct answer *answer)
{
    size_t most = input_u8(input) * 4u;

    if (most > sizeof(answer->bytes) - answer->size)
        most = sizeof(answer->bytes) - answer->size;
    answer->size += input_bytes(input, answer->bytes + answer->size, most);
}

/* A piece of the input behind a header that would pass: magic, version, size and checksum. */
static size_t sealed(uint8_t piece[PIECE], const char *magic, uint16_t header_size)
{
    size_t size = header_size;

    memset(piece, 0, PIECE);
    memcpy(piece, magic, 4);
    bytes_put_u16(piece + 4, (uint16_t)(1 + (input_u8(input) == 200)));
    bytes_put_u16(piece + 6, header_size);
    bytes_put_u16(piece + 16, FORGED_REDIS_MEMBER);
    size = 16 + input_bytes(input, piece + 16, 16u + input_u8(input) * 3u);
    if (size < header_size)
        size = header_size;
    if (!strcmp(magic, "MSCK")) /* else hardly any would pass */
        bytes_put_u32(piece + 20, (uint32_t)(size - header_size));
    bytes_put_u64(piece + 8, XXH64(piece + 16, size - 16, bytes_get_u64(piece)));
    return size;
}

static void say_slots(struct answer *answer)
{
    unsigned rows = 1 + input_u8(input) % 4, first = 0;

    say(answer, "*%u\r\n", rows);
    for (unsigned row = 0; row < rows; row++) {
        unsigned last = row + 1 == rows ? REDIS_SLOTS - 1 : first + input_u16(input) % 8192;
        unsigned port = FORGED_REDIS_PORT + input_u8(input) % NODES;

        say(answer, "*3\r\n:%u\r\n:%u\r\n*3\r\n$9\r\n127.0.0.1\r\n:%u\r\n$1\r\nx\r\n", first, last,
            port);
        first = last + 1;
    }
}

static void say_proper(struct answer *answer, const char *name)
{
    if (!strcmp(name, "INFO"))
        say(answer, "$42\r\nrole:master\r\nrun_id:%010u\r\nused_memory:1\r\r\n",
            input_u8(input) / 250);
    else if (!strcmp(name, "CLUSTER"))
        say_slots(answer);
    else if (!strcmp(name, "GET") || !strcmp(name, "XREAD"))
        say(answer, "%s", name[0] == 'G' ? "$-1\r\n" : "*-1\r\n");
    else
        say(answer, "+OK\r\n");
}

/* What the question asks for, made of the input. */
static void say_forged(struct answer *answer, const char *name, const char *key)
{
    uint8_t piece[PIECE];
    size_t size;

    if (!strcmp(name, "GET")) {
        bool member = strstr(key, ":m:") != NULL;

        size = sealed(piece, member ? "MSMB" : "MSCK", member ? MEMBER_RECORD_HEADER_SIZE : 64);
        say_bulk(answer, piece, size);
    } else if (!strcmp(name, "XREAD")) {
        unsigned entries = 1 + input_u8(input) % 3;

        say(answer, "*1\r\n*2\r\n$1\r\nk\r\n*%u\r\n", entries);
        for (unsigned i = 0; i < entries; i++) {
            say(answer, "*2\r\n$3\r\n%u-%u\r\n*2\r\n$1\r\nb\r\n", i % 10, input_u8(input) % 10);
            size = sealed(piece, "MSDL", 64);
            say_bulk(answer, piece, size);
        }
    } else {
        say_slots(answer);
    }
}

static void say_error(struct answer *answer)
{
    static const char *const texts[] = {
        "MOVED 12182 127.0.0.1:7002",
        "MOVED 0 :7003",
        "MOVED 99999 127.0.0.1:1",
        "ASK 12182 127.0.0.1:7002",
        "ASK 1 [::1]:7001",
        "TRYAGAIN",
        "CLUSTERDOWN",
        "LOADING",
        "READONLY",
        "OOM command not allowed",
        "NOAUTH",
        "NOPERM",
        "WRONGTYPE",
        "MASTERDOWN Link",
        "BUSY",
        "MOVED 5 nowhere.example:1",
        "MOVED 5 127.0.0.1:",
        "ERR",
    };
    unsigned choice = input_u8(input) % (sizeof(texts) / sizeof(texts[0]) + 2);

    if (choice < sizeof(texts) / sizeof(texts[0])) {
        say(answer, "-%s\r\n", texts[choice]);
        return;
    }
    say(answer, "-%s", choice & 1 ? "MOVED " : "ASK ");
    say_input(answer);
    say(answer, "\r\n");
}

/* False: hangs up. */
static bool make_answer(struct answer *answer, const redisReply *request)
{
    const char *name = request->element[0]->str;
    const char *key = request->elements > 1 ? request->element[1]->str : "";
    enum { FORGED, RAW, ERROR, HANG_UP, SILENCE, NIL, NUMBER, CUT, HUGE, EMPTY, KINDS };
    unsigned choice = input_left(input) > 0 ? input_u8(input) % (2 * KINDS) : KINDS;

    switch (choice) {
    case FORGED:
        say_forged(answer, name, key);
        break;
    case RAW:
        say_input(answer);
        break;
    case ERROR:
        say_error(answer);
        break;
    case HANG_UP:
        return false;
    case SILENCE:
        break;
    case NIL:
        say(answer, "%s", input_u8(input) & 1 ? "$-1\r\n" : "*-1\r\n");
        break;
    case NUMBER:
        say(answer, ":%d\r\n", (int)input_u32(input));
        break;
    case CUT:
        say_proper(answer, name);
        answer->size -= answer->size > 0 ? 1 + input_u8(input) % answer->size : 0;
        break;
    case HUGE:
        say(answer, "%c%u\r\n", input_u8(input) & 1 ? '*' : '$', input_u32(input));
        break;
    case EMPTY:
        say(answer, "%s", input_u8(input) & 1 ? "$0\r\n\r\n" : "*0\r\n");
        break;
    default:
        say_proper(answer, name);
    }
    return true;
}

/* Answers all that has come over a connection. */
static void serve(struct connection *connection)
{
    char buffer[16384];
    ssize_t size;
    void *request;

    while (connection->fd >= 0 && (size = read(connection->fd, buffer, sizeof(buffer))) >= 0) {
        if (size == 0) {
            hang_up(connection);
            return;
        }
        redisReaderFeed(connection->reader, buffer, (size_t)size);
        while (connection->fd >= 0 &&
               redisReaderGetReply(connection->reader, &request) == REDIS_OK && request) {
            struct answer answer = {0};
            bool stays = ++answers < ANSWERS_MAX && make_answer(&answer, request);

            freeReplyObject(request);
            if (answer.size > 0 && write(connection->fd, answer.bytes, answer.size) < 0)
                stays = false;
            if (!stays)
                hang_up(connection);
        }
    }
}

void forged_redis_begin(struct input *from)
{
    input = from;
}

void forged_redis_serve(void)
{
    for (unsigned i = 0; i < connections_count; i++)
        serve(&connections[i]);
}

void forged_redis_end(void)
{
    for (unsigned i = 0; i < connections_count; i++)
        hang_up(&connections[i]);
    connections_count = answers = 0;
}

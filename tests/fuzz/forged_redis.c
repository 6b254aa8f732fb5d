/* SPDX-License-Identifier: BSD-3-Clause */
#include "forged_redis.h"

#include <hiredis/hiredis.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include "controlplane/fleet/delta_batch.h"
#include "controlplane/fleet/member_record.h"
#include "controlplane/store/bytes.h"
#include "controlplane/store/chunk.h"
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

/* What a field ought to be; now and then something else. */
static uint32_t likely(uint32_t value)
{
    return input_u8(input) < 240 ? value : input_u32(input);
}

/* Puts magic, version, size and checksum right, so that the rest is looked at. */
static size_t seal(uint8_t *piece, size_t size, const char *magic, uint16_t header_size)
{
    memcpy(piece, magic, 4);
    bytes_put_u16(piece + 4, (uint16_t)likely(1));
    bytes_put_u16(piece + 6, header_size);
    bytes_put_u64(piece + 8, XXH64(piece + 16, size - 16, bytes_get_u64(piece)));
    return size;
}

static size_t forge_chunk(uint8_t *piece, unsigned chunk)
{
    unsigned entries = input_u8(input) % 4, peers = 0;
    size_t size = CHUNK_HEADER_SIZE;

    for (unsigned i = 0; i < entries; i++) {
        unsigned count = input_u8(input) % 8, family = input_u8(input) & 1;

        size += input_bytes(input, piece + size, 20);
        piece[size++] = (uint8_t)likely(count << 1 | family);
        piece[size++] = input_u8(input);
        size += input_bytes(input, piece + size, count * chunk_peer_size(family));
        peers += count;
    }
    bytes_put_u16(piece + 16, (uint16_t)likely(FORGED_REDIS_MEMBER));
    bytes_put_u16(piece + 18, (uint16_t)likely(chunk));
    bytes_put_u32(piece + 20, likely((uint32_t)size - CHUNK_HEADER_SIZE));
    bytes_put_u32(piece + 24, likely(entries));
    bytes_put_u32(piece + 28, likely(peers));
    bytes_put_u64(piece + 56, (uint64_t)time(NULL) + input_u8(input) - 128);
    return seal(piece, size, "MSCK", CHUNK_HEADER_SIZE);
}

static size_t forge_batch(uint8_t *piece, unsigned stream, unsigned sequence)
{
    unsigned records = input_u8(input) % 8;
    size_t size = DELTA_BATCH_HEADER_SIZE;

    for (unsigned i = 0; i < records; i++) {
        unsigned kind = likely(input_u8(input) & 3);

        piece[size++] = (uint8_t)kind;
        size += input_bytes(input, piece + size, kind & 1 ? 40 : 28);
    }
    bytes_put_u16(piece + 16, (uint16_t)likely(FORGED_REDIS_MEMBER));
    bytes_put_u16(piece + 18, (uint16_t)likely(stream));
    bytes_put_u32(piece + 20, likely(records));
    bytes_put_u64(piece + 24, likely(1));
    bytes_put_u64(piece + 32, likely(sequence));
    bytes_put_u64(piece + 40, likely(0));
    bytes_put_u64(piece + 48, (uint64_t)time(NULL) * 1000 + input_u16(input));
    return seal(piece, size, "MSDL", DELTA_BATCH_HEADER_SIZE);
}

static size_t forge_member(uint8_t *piece, unsigned number)
{
    unsigned streams = input_u8(input) % 4;
    size_t size = MEMBER_RECORD_HEADER_SIZE;

    input_bytes(input, piece + 24, size - 24);
    size += 24 * (size_t)streams;
    input_bytes(input, piece + MEMBER_RECORD_HEADER_SIZE, size - MEMBER_RECORD_HEADER_SIZE);
    bytes_put_u16(piece + 16, (uint16_t)likely(number));
    bytes_put_u16(piece + 18, (uint16_t)likely(input_u8(input) % 3));
    bytes_put_u16(piece + 20, (uint16_t)likely(1));
    bytes_put_u16(piece + 22, (uint16_t)likely(streams));
    bytes_put_u64(piece + 40, input_u8(input)); /* beat */
    return seal(piece, size, "MSMB", MEMBER_RECORD_HEADER_SIZE);
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

/* What the question asks for, made of the input; `key`: {tag}:kind:appliance[:chunk or stream]. */
static void say_forged(struct answer *answer, const char *name, const char *key)
{
    const char *last = strrchr(key, ':');
    unsigned number = last ? (unsigned)atoi(last + 1) : 0;
    uint8_t piece[PIECE] = {0};

    if (!strcmp(name, "GET") && strstr(key, ":m:")) {
        say_bulk(answer, piece, forge_member(piece, number));
    } else if (!strcmp(name, "GET")) {
        say_bulk(answer, piece, forge_chunk(piece, number));
    } else if (!strcmp(name, "XREAD")) {
        unsigned entries = 1 + input_u8(input) % 3, first = 1 + input_u8(input) % 4;

        say(answer, "*1\r\n*2\r\n$1\r\nk\r\n*%u\r\n", entries);
        for (unsigned i = 0; i < entries; i++) {
            memset(piece, 0, sizeof(piece));
            say(answer, "*2\r\n$3\r\n%u-%u\r\n*2\r\n$1\r\nb\r\n", i % 10, input_u8(input) % 10);
            say_bulk(answer, piece, forge_batch(piece, number, first + i));
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
    bool read = !strcmp(name, "XREAD") && request->elements > 4;
    const char *key = read                    ? request->element[4]->str
                      : request->elements > 1 ? request->element[1]->str
                                              : "";
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

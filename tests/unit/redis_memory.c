/* SPDX-License-Identifier: BSD-3-Clause */
#include "redis_memory.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

enum { ITEMS_MAX = 200, KEY_SIZE = 64, NAMES_MAX = 16 };

struct redis_trouble redis_trouble;
bool redis_full;

/* What is kept --------------------------------------------------------------------------------- */

struct entry {
    uint64_t ms, number;
    size_t size;
    uint8_t *bytes;
};

/* A string is an item of one entry. */
static struct item {
    char key[KEY_SIZE];
    bool is_stream;
    unsigned count;
    struct entry *entries;
} items[ITEMS_MAX];

static struct item *find(const char *key)
{
    for (unsigned i = 0; i < ITEMS_MAX && *items[i].key; i++) {
        if (!strcmp(items[i].key, key))
            return &items[i];
    }
    return NULL;
}

static struct item *find_or_make(const char *key, bool is_stream)
{
    struct item *item = find(key);

    for (unsigned i = 0; i < ITEMS_MAX && !item; i++) {
        if (!*items[i].key)
            item = &items[i];
    }
    assert(item && strlen(key) < KEY_SIZE);
    strcpy(item->key, key);
    item->is_stream = is_stream;
    return item;
}

static void drop_oldest(struct item *item, unsigned count)
{
    if (count == 0)
        return;
    for (unsigned i = 0; i < count; i++)
        free(item->entries[i].bytes);
    memmove(item->entries, item->entries + count, (item->count - count) * sizeof(*item->entries));
    item->count -= count;
}

static void append(struct item *item, struct entry entry, const void *bytes)
{
    item->entries = realloc(item->entries, (item->count + 1) * sizeof(*item->entries));
    entry.bytes = malloc(entry.size + 1);
    memcpy(entry.bytes, bytes, entry.size);
    item->entries[item->count++] = entry;
}

void redis_memory_put(const char *key, const void *bytes, size_t size)
{
    struct item *item = find_or_make(key, false);

    drop_oldest(item, item->count);
    append(item, (struct entry){.size = size}, bytes);
}

const void *redis_memory_get(const char *key, size_t *size)
{
    const struct item *item = find(key);

    assert(item && item->count == 1);
    *size = item->entries[0].size;
    return item->entries[0].bytes;
}

void redis_memory_append(const char *key, uint64_t ms, uint64_t number, const void *bytes,
                         size_t size)
{
    append(find_or_make(key, true), (struct entry){.ms = ms, .number = number, .size = size},
           bytes);
}

void redis_memory_trim(const char *key, unsigned count)
{
    struct item *item = find(key);

    assert(item && item->count >= count);
    drop_oldest(item, item->count - count);
}

/* Commands ------------------------------------------------------------------------------------- */

static const char wrong_type[] =
    "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";

static void say_bulk(FILE *out, const void *bytes, size_t size)
{
    fprintf(out, "$%zu\r\n", size);
    if (fwrite(bytes, 1, size, out) != size)
        abort();
    fputs("\r\n", out);
}

static void get(FILE *out, const struct item *item)
{
    if (!item)
        fputs("$-1\r\n", out);
    else if (item->is_stream)
        fputs(wrong_type, out);
    else
        say_bulk(out, item->entries[0].bytes, item->entries[0].size);
}

static bool is_later(const struct entry *entry, const struct entry *than)
{
    return entry->ms > than->ms || (entry->ms == than->ms && entry->number > than->number);
}

static void read_id(const char *text, uint64_t *ms, uint64_t *number)
{
    char *rest;

    *ms = strtoull(text, &rest, 10);
    *number = strtoull(rest + 1, NULL, 10);
}

/* XADD key MINID ~ oldest id field value; nothing is ever trimmed. */
static void xadd(FILE *out, const struct redis_request *request)
{
    struct item *item = find_or_make(request->argv[1], true);
    struct entry entry = {.size = request->sizes[7]};

    read_id(request->argv[5], &entry.ms, &entry.number);
    if (item->count > 0 && !is_later(&entry, &item->entries[item->count - 1])) {
        fputs("-ERR The ID specified in XADD is equal or smaller than the target stream top item"
              "\r\n",
              out);
        return;
    }
    append(item, entry, request->argv[7]);
    say_bulk(out, request->argv[5], request->sizes[5]);
}

/* XREAD COUNT count STREAMS key id */
static void xread(FILE *out, const struct redis_request *request)
{
    const struct item *item = find(request->argv[4]);
    unsigned most = (unsigned)atoi(request->argv[2]), first = 0, count;
    struct entry last;

    read_id(request->argv[5], &last.ms, &last.number);
    while (item && first < item->count && !is_later(&item->entries[first], &last))
        first++;
    if (!item || first == item->count) {
        fputs("*-1\r\n", out);
        return;
    }
    count = item->count - first < most ? item->count - first : most;
    fputs("*1\r\n*2\r\n", out);
    say_bulk(out, request->argv[4], request->sizes[4]);
    fprintf(out, "*%u\r\n", count);
    for (unsigned i = first; i < first + count; i++) {
        char id[48];

        snprintf(id, sizeof(id), "%llu-%llu", (unsigned long long)item->entries[i].ms,
                 (unsigned long long)item->entries[i].number);
        fputs("*2\r\n", out);
        say_bulk(out, id, strlen(id));
        fputs("*2\r\n$1\r\nb\r\n", out);
        say_bulk(out, item->entries[i].bytes, item->entries[i].size);
    }
}

static void carry_out(FILE *out, const struct redis_request *request)
{
    const char *name = request->argv[0];

    if (!strcmp(name, "GET")) {
        get(out, find(request->argv[1]));
    } else if (!strcmp(name, "SET")) {
        redis_memory_put(request->argv[1], request->argv[2], request->sizes[2]);
        fputs("+OK\r\n", out);
    } else if (!strcmp(name, "XADD")) {
        xadd(out, request);
    } else if (!strcmp(name, "XREAD")) {
        xread(out, request);
    } else {
        assert(!strcmp(name, "EXPIRE"));
        fputs(":1\r\n", out);
    }
}

/* Answers -------------------------------------------------------------------------------------- */

struct answer {
    STAILQ_ENTRY(answer) link;
    redis_done *done;
    void *user;
    struct redis_result result;
    redisReply *reply;
};

static STAILQ_HEAD(, answer) answers = STAILQ_HEAD_INITIALIZER(answers);
static unsigned waiting;
static struct event *delivery;

static struct {
    char name[8];
    unsigned count;
} asked[NAMES_MAX];

static unsigned *asked_of(const char *command)
{
    unsigned i = 0;

    while (*asked[i].name && strcmp(asked[i].name, command) != 0)
        i++;
    assert(i < NAMES_MAX && strlen(command) < sizeof(asked[i].name));
    strcpy(asked[i].name, command);
    return &asked[i].count;
}

unsigned redis_memory_asked(const char *command)
{
    return *asked_of(command);
}

static redisReply *parse(const char *text, size_t size)
{
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;

    redisReaderFeed(reader, text, size);
    assert(redisReaderGetReply(reader, &reply) == REDIS_OK && reply);
    redisReaderFree(reader);
    return reply;
}

static bool is_in_trouble(const struct redis_request *request)
{
    const struct redis_trouble *trouble = &redis_trouble;

    return trouble->command && trouble->times > 0 && !strcmp(trouble->command, request->argv[0]) &&
           (!trouble->key || strstr(request->argv[request->key], trouble->key));
}

static void make_answer(struct answer *answer, const struct redis_request *request)
{
    bool trouble = is_in_trouble(request);
    size_t size;
    char *text;
    FILE *out = open_memstream(&text, &size);

    if (!trouble || redis_trouble.carried_out)
        carry_out(out, request);
    fclose(out);
    if (trouble && redis_trouble.reply)
        answer->reply = parse(redis_trouble.reply, strlen(redis_trouble.reply));
    else if (!trouble)
        answer->reply = parse(text, size);
    free(text);
    answer->result.reply = answer->reply;
    answer->result.outcome = trouble ? redis_trouble.outcome : REDIS_ANSWERED;
    if (trouble)
        redis_trouble.times--;
    if (answer->reply && answer->reply->type == REDIS_REPLY_ERROR) {
        answer->result.outcome = REDIS_REFUSED;
        answer->result.error = redis_error_parse(answer->reply->str, answer->reply->len);
    }
}

int submit(struct redis_cluster *cluster, const struct redis_request *request) __asm__(
    "__wrap_redis_cluster_submit"); /* as the linker calls it */

int submit(struct redis_cluster *cluster, const struct redis_request *request)
{
    struct answer *answer;

    if (redis_full)
        return -EAGAIN;
    answer = calloc(1, sizeof(*answer));
    answer->done = request->done;
    answer->user = request->user;
    ++*asked_of(request->argv[0]);
    make_answer(answer, request);
    STAILQ_INSERT_TAIL(&answers, answer, link);
    waiting++;
    event_active(delivery, EV_TIMEOUT, 0);
    return 0;
}

static void deliver(void)
{
    struct answer *answer = STAILQ_FIRST(&answers);

    STAILQ_REMOVE_HEAD(&answers, link);
    waiting--;
    if (answer->done)
        answer->done(answer->user, &answer->result);
    if (answer->reply)
        freeReplyObject(answer->reply);
    free(answer);
}

/* What is submitted meanwhile has to wait. */
static void on_delivery(evutil_socket_t fd, short what, void *user)
{
    for (unsigned due = waiting; due > 0; due--)
        deliver();
}

void redis_memory_settle(void)
{
    while (waiting > 0)
        deliver();
}

void redis_memory_open(struct event_base *base)
{
    delivery = event_new(base, -1, 0, on_delivery, NULL);
    redis_trouble = (struct redis_trouble){0};
    redis_full = false;
    memset(asked, 0, sizeof(asked));
}

void redis_memory_close(void)
{
    while (waiting > 0) {
        STAILQ_FIRST(&answers)->result = (struct redis_result){.outcome = REDIS_CANCELLED};
        deliver();
    }
    event_free(delivery);
    for (unsigned i = 0; i < ITEMS_MAX; i++) {
        drop_oldest(&items[i], items[i].count);
        free(items[i].entries);
    }
    memset(items, 0, sizeof(items));
}

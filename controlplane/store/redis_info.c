/* SPDX-License-Identifier: BSD-3-Clause */
#include "redis_info.h"

#include <stdlib.h>
#include <string.h>

/* A line `name:value`. */
struct line {
    const char *name, *value;
    size_t name_size, value_size;
};

/* Takes the next line that has a colon; false at the end. */
static bool next_line(const char **at, const char *end, struct line *line)
{
    while (*at < end) {
        const char *start = *at;
        const char *stop = memchr(start, '\n', (size_t)(end - start));
        const char *colon;

        *at = stop ? stop + 1 : end;
        stop = stop ? stop : end;
        if (stop > start && stop[-1] == '\r')
            stop--;
        colon = memchr(start, ':', (size_t)(stop - start));
        if (!colon)
            continue;
        *line =
            (struct line){start, colon + 1, (size_t)(colon - start), (size_t)(stop - colon - 1)};
        return true;
    }
    return false;
}

static bool is(const struct line *line, const char *name)
{
    return strlen(name) == line->name_size && !memcmp(line->name, name, line->name_size);
}

static uint64_t number(const char *text, size_t size)
{
    uint64_t value = 0;

    for (; size > 0 && *text >= '0' && *text <= '9'; text++, size--)
        value = value * 10 + (uint64_t)(*text - '0');
    return value;
}

/* `slave0:ip=...,port=...,state=online,offset=123,lag=0` */
static void replica_line(struct redis_server_info *info, const struct line *line)
{
    static const char key[] = "offset=";
    const char *at = memmem(line->value, line->value_size, key, sizeof(key) - 1);
    uint64_t offset;

    if (!at)
        return;
    at += sizeof(key) - 1;
    offset = number(at, (size_t)(line->value + line->value_size - at));
    if (info->replicas == 0 || offset < info->slowest)
        info->slowest = offset;
    info->replicas++;
}

void redis_server_info_parse(struct redis_server_info *info, const char *text, size_t size)
{
    const char *end = text + size;
    struct line line;

    memset(info, 0, sizeof(*info));
    while (next_line(&text, end, &line)) {
        uint64_t value = number(line.value, line.value_size);

        if (is(&line, "run_id") && line.value_size < sizeof(info->run_id)) {
            memcpy(info->run_id, line.value, line.value_size);
            info->run_id[line.value_size] = '\0';
        } else if (is(&line, "role")) {
            info->role = line.value_size == 6 && !memcmp(line.value, "master", 6)
                             ? REDIS_ROLE_MASTER
                             : REDIS_ROLE_REPLICA;
        } else if (is(&line, "master_repl_offset")) {
            info->offset = value;
        } else if (is(&line, "used_memory")) {
            info->memory_used = value;
        } else if (is(&line, "maxmemory")) {
            info->memory_max = value;
        } else if (line.name_size > 5 && !memcmp(line.name, "slave", 5) && line.name[5] <= '9') {
            replica_line(info, &line);
        }
    }
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "redis_slots.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* CRC16 of the XMODEM kind: polynomial 0x1021, from 0, highest bit first. */
static uint16_t crc16(const char *bytes, size_t size)
{
    uint16_t crc = 0;

    for (size_t i = 0; i < size; i++) {
        crc ^= (uint16_t)((uint8_t)bytes[i] << 8);
        for (unsigned bit = 0; bit < 8; bit++)
            crc = (uint16_t)(crc << 1 ^ (crc & 0x8000 ? 0x1021 : 0));
    }
    return crc;
}

unsigned redis_key_slot(const char *key, size_t size)
{
    const char *open = memchr(key, '{', size);

    if (open) {
        const char *tag = open + 1;
        const char *close = memchr(tag, '}', size - (size_t)(tag - key));

        if (close && close > tag)
            return crc16(tag, (size_t)(close - tag)) % REDIS_SLOTS;
    }
    return crc16(key, size) % REDIS_SLOTS;
}

static char tags[REDIS_SLOTS][REDIS_TAG_SIZE];

/* 109,758 numbers are enough for all slots. */
static void find_tags(void)
{
    unsigned found = 0;

    for (unsigned number = 0; found < REDIS_SLOTS; number++) {
        char text[16];
        int size = snprintf(text, sizeof(text), "%u", number);
        char *tag = tags[crc16(text, (size_t)size) % REDIS_SLOTS];

        if (tag[0])
            continue;
        memcpy(tag, text, (size_t)size + 1);
        found++;
    }
}

const char *redis_slot_tag(unsigned slot)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, find_tags);
    return tags[slot % REDIS_SLOTS];
}

/* The map's number for a node, given as [host, port, ...]; REDIS_NO_NODE if it makes no sense. */
static uint16_t map_node(struct redis_slot_map *map, const redisReply *node,
                         const struct redis_address *asked)
{
    struct redis_address address = *asked;
    const redisReply *host, *port;

    if (node->type != REDIS_REPLY_ARRAY || node->elements < 2)
        return REDIS_NO_NODE;
    host = node->element[0];
    port = node->element[1];
    if (port->type != REDIS_REPLY_INTEGER || port->integer < 1 || port->integer > UINT16_MAX)
        return REDIS_NO_NODE;
    address.port = (uint16_t)port->integer;
    if (host->type == REDIS_REPLY_STRING && host->len > 0) {
        if ((size_t)host->len >= sizeof(address.host) || memchr(host->str, '\0', (size_t)host->len))
            return REDIS_NO_NODE;
        memcpy(address.host, host->str, (size_t)host->len);
        address.host[host->len] = '\0';
    } else if (host->type != REDIS_REPLY_NIL && host->type != REDIS_REPLY_STRING) {
        return REDIS_NO_NODE;
    }

    for (unsigned i = 0; i < map->nodes_count; i++) {
        if (redis_address_equal(&map->nodes[i], &address))
            return (uint16_t)i;
    }
    if (map->nodes_count == REDIS_NODES_MAX)
        return REDIS_NO_NODE;
    map->nodes[map->nodes_count] = address;
    return (uint16_t)map->nodes_count++;
}

/* One row: [first slot, last slot, master, replica...]. */
static bool map_row(struct redis_slot_map *map, const redisReply *row,
                    const struct redis_address *asked)
{
    long long first, last;
    uint16_t master;

    if (row->type != REDIS_REPLY_ARRAY || row->elements < 3 ||
        row->element[0]->type != REDIS_REPLY_INTEGER ||
        row->element[1]->type != REDIS_REPLY_INTEGER)
        return false;
    first = row->element[0]->integer;
    last = row->element[1]->integer;
    if (first < 0 || last < first || last >= REDIS_SLOTS)
        return false;
    master = map_node(map, row->element[2], asked);
    if (master == REDIS_NO_NODE)
        return false;
    map->is_master[master] = true;
    for (long long slot = first; slot <= last; slot++) {
        if (map->owner[slot] != REDIS_NO_NODE)
            return false;
        map->owner[slot] = master;
    }
    for (size_t i = 3; i < row->elements; i++)
        map_node(map, row->element[i], asked);
    return true;
}

int redis_slot_map_parse(struct redis_slot_map *map, const redisReply *reply,
                         const struct redis_address *asked)
{
    if (reply->type != REDIS_REPLY_ARRAY)
        return -EBADMSG;
    map->nodes_count = 0;
    memset(map->is_master, 0, sizeof(map->is_master));
    for (unsigned slot = 0; slot < REDIS_SLOTS; slot++)
        map->owner[slot] = REDIS_NO_NODE;
    for (size_t i = 0; i < reply->elements; i++) {
        if (!map_row(map, reply->element[i], asked))
            return -EBADMSG;
    }
    return 0;
}

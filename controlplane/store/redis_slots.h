/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Redis Cluster's hash slots: which slot a key is in, a key for a wanted slot, and who serves what.
 *
 * Source: Redis Cluster specification, "Key distribution model" and "Hash tags"; CLUSTER SLOTS.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "redis_address.h"

struct redisReply;

enum {
    REDIS_SLOTS = 16384,
    REDIS_TAG_SIZE = 8, /* bytes of a slot's tag, with the terminating 0 */
    REDIS_NODES_MAX = 256,
};

/* The slot of a key: of the part between the first { and the next }, if that isn't empty. */
unsigned redis_key_slot(const char *key, size_t size);

/* The shortest decimal number that lies in the slot: `{tag}anything` is a key of it. */
const char *redis_slot_tag(unsigned slot);

/* Who serves what, as one node sees it. */
struct redis_slot_map {
    unsigned nodes_count;
    struct redis_address nodes[REDIS_NODES_MAX];
    uint8_t is_master[REDIS_NODES_MAX];
    uint16_t owner[REDIS_SLOTS]; /* index of the master, or REDIS_NO_NODE */
};

#define REDIS_NO_NODE UINT16_MAX

/*
 * Reads the reply to CLUSTER SLOTS; `asked` is the node that gave it, and stands for nodes that
 * don't know their own address. 0, or -EBADMSG.
 */
int redis_slot_map_parse(struct redis_slot_map *map, const struct redisReply *reply,
                         const struct redis_address *asked);

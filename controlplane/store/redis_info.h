/* SPDX-License-Identifier: BSD-3-Clause */
/* What INFO says of a server. Source: INFO (Redis 7). */
#pragma once

#include "redis_cluster.h"

enum { REDIS_RUN_ID_SIZE = 41 };

struct redis_server_info {
    char run_id[REDIS_RUN_ID_SIZE]; /* "" unknown */
    enum redis_role role;
    uint64_t offset;   /* replication offset: of a replica, what it has */
    uint64_t slowest;  /* offset of the slowest connected replica; of a master with replicas */
    unsigned replicas; /* connected */
    uint64_t memory_used, memory_max; /* bytes */
};

/* Reads the text of a reply to INFO; fields that aren't there, or make no sense, stay zero. */
void redis_server_info_parse(struct redis_server_info *info, const char *text, size_t size);

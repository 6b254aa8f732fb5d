/* SPDX-License-Identifier: BSD-3-Clause */
/* Addresses of Redis nodes, as people write them and as nodes tell them of each other. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REDIS_HOST_SIZE = 256 };

struct redis_address {
    char host[REDIS_HOST_SIZE]; /* name or number; IPv6 without brackets */
    uint16_t port;
};

bool redis_address_equal(const struct redis_address *a, const struct redis_address *b);

/* Reads `host:port` or `[host]:port`. 0 or -EINVAL. */
int redis_address_parse(struct redis_address *address, const char *text, size_t size);

/* Where a MOVED or ASK error points. An empty host means that of `asked`. 0 or -EBADMSG. */
int redis_redirect_parse(const char *text, size_t size, const struct redis_address *asked,
                         unsigned *slot, struct redis_address *to);

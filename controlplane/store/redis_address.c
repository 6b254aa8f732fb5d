/* SPDX-License-Identifier: BSD-3-Clause */
#include "redis_address.h"

#include <errno.h>
#include <string.h>

enum { SLOT_MAX = 16383 };

bool redis_address_equal(const struct redis_address *a, const struct redis_address *b)
{
    return a->port == b->port && !strcmp(a->host, b->host);
}

/* Reads a decimal number of at most `max` that fills the text. */
static bool parse_number(const char *text, size_t size, unsigned long max, unsigned long *number)
{
    *number = 0;
    if (size == 0 || size > 10)
        return false;
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        *number = *number * 10 + (unsigned long)(text[i] - '0');
    }
    return *number <= max;
}

/* As redis_address_parse(), but the host may be empty. */
static int parse_address(struct redis_address *address, const char *text, size_t size)
{
    const char *colon = memrchr(text, ':', size);
    size_t host_size;
    unsigned long port;

    if (!colon)
        return -EINVAL;
    host_size = (size_t)(colon - text);
    if (!parse_number(colon + 1, size - host_size - 1, UINT16_MAX, &port) || port == 0)
        return -EINVAL;
    if (host_size >= 2 && text[0] == '[' && text[host_size - 1] == ']') {
        text++;
        host_size -= 2;
    }
    if (host_size >= sizeof(address->host) || memchr(text, '\0', host_size))
        return -EINVAL;
    memcpy(address->host, text, host_size);
    address->host[host_size] = '\0';
    address->port = (uint16_t)port;
    return 0;
}

int redis_address_parse(struct redis_address *address, const char *text, size_t size)
{
    int error = parse_address(address, text, size);

    return error ? error : address->host[0] ? 0 : -EINVAL;
}

int redis_redirect_parse(const char *text, size_t size, const struct redis_address *asked,
                         unsigned *slot, struct redis_address *to)
{
    const char *end = text + size, *number = memchr(text, ' ', size), *address;
    unsigned long value;

    if (!number++)
        return -EBADMSG;
    address = memchr(number, ' ', (size_t)(end - number));
    if (!address || !parse_number(number, (size_t)(address - number), SLOT_MAX, &value))
        return -EBADMSG;
    address++;
    if (parse_address(to, address, (size_t)(end - address)))
        return -EBADMSG;
    if (!to->host[0])
        memcpy(to->host, asked->host, sizeof(to->host));
    *slot = (unsigned)value;
    return 0;
}

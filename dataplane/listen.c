/* SPDX-License-Identifier: BSD-3-Clause */
#include "listen.h"

#include <errno.h>
#include <string.h>

static int listen_add_ipv4(struct listen_table *listen, const struct dataplane_address *address)
{
    struct listen_ipv4 *entry = &listen->ipv4[listen->ipv4_count++];

    memcpy(&entry->address, address->bytes, sizeof(entry->address));
    entry->port = __builtin_bswap16(address->port);
    return entry->address == 0 || rules_ipv4_unicast(entry->address) ? 0 : -EINVAL;
}

static int listen_add_ipv6(struct listen_table *listen, const struct dataplane_address *address)
{
    struct listen_ipv6 *entry = &listen->ipv6[listen->ipv6_count++];

    memcpy(&entry->high, address->bytes, sizeof(entry->high));
    memcpy(&entry->low, address->bytes + sizeof(entry->high), sizeof(entry->low));
    entry->port = __builtin_bswap16(address->port);
    return (entry->high | entry->low) == 0 || rules_ipv6_unicast(entry->high) ? 0 : -EINVAL;
}

int listen_init(struct listen_table *listen, const struct dataplane_address *addresses,
                unsigned count)
{
    memset(listen, 0, sizeof(*listen));
    if (count > DATAPLANE_LISTEN_MAX)
        return -EINVAL;
    for (unsigned i = 0; i < count; i++) {
        const struct dataplane_address *address = &addresses[i];
        int error = -EINVAL;

        if (address->port == 0)
            return -EINVAL;
        if (address->family == 4)
            error = listen_add_ipv4(listen, address);
        else if (address->family == 6)
            error = listen_add_ipv6(listen, address);
        if (error)
            return error;
    }
    return 0;
}

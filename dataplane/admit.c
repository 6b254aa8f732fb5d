/* SPDX-License-Identifier: BSD-3-Clause */
#include "admit.h"

#include <endian.h>
#include <string.h>

/* Addresses as they stand in the packet. */
static inline uint32_t source_ipv4(const struct request *request)
{
    const struct wire_ipv4 *ipv4 = (const void *)(request->frame + request->network);

    return ipv4->source;
}

static inline void source_ipv6(const struct request *request, uint64_t halves[2])
{
    const struct wire_ipv6 *ipv6 = (const void *)(request->frame + request->network);

    memcpy(halves, ipv6->source, sizeof(ipv6->source));
}

uint64_t admit_issue(const struct cookie_state *cookies, const struct request *request)
{
    uint64_t source[2];

    if (request->family == SWARMS_IPV4)
        return cookie_ipv4(cookies, cookies->epoch, source_ipv4(request));
    source_ipv6(request, source);
    return cookie_ipv6(cookies, cookies->epoch, source[0], source[1]);
}

bool admit_verify(const struct cookie_state *cookies, const struct request *request)
{
    const struct bep15_request *header = (const void *)request_payload(request);
    uint64_t id = be64toh(header->connection_id);
    uint64_t source[2];

    if (request->family == SWARMS_IPV4)
        return cookie_valid_ipv4(cookies, id, source_ipv4(request));
    source_ipv6(request, source);
    return cookie_valid_ipv6(cookies, id, source[0], source[1]);
}

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

bool admit_banned(const struct ban_set *bans, const struct request *request, uint64_t now)
{
    const void *network = request->frame + request->network;

    if (!bans)
        return false;
    if (request->family == SWARMS_IPV4)
        return ban_set_holds_ipv4(
            bans, (const uint8_t *)&((const struct wire_ipv4 *)network)->source, now);
    return ban_set_holds_ipv6(bans, ((const struct wire_ipv6 *)network)->source, now);
}

static inline enum limiter_class class_of(const struct request *request)
{
    return request->verdict == REQUEST_CONNECT ? LIMITER_CONNECT : LIMITER_ESTABLISHED;
}

bool admit_limited(struct limiter_line *lines, const struct limiter_config *config,
                   const struct request *request, uint64_t now)
{
    uint64_t source[2];

    if (request->family == SWARMS_IPV4)
        return !limiter_admit_ipv4(lines, config, class_of(request), source_ipv4(request), now);
    source_ipv6(request, source);
    return !limiter_admit_ipv6(lines, config, class_of(request), source[0], now);
}

void admit_prefetch(const struct limiter_line *lines, const struct limiter_config *config,
                    const struct request *request)
{
    uint64_t source[2];

    if (request->family == SWARMS_IPV4) {
        limiter_prefetch_ipv4(lines, config, class_of(request), source_ipv4(request));
    } else {
        source_ipv6(request, source);
        limiter_prefetch_ipv6(lines, config, class_of(request), source[0]);
    }
}

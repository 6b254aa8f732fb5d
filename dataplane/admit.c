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

enum { LANES = 8 };

typedef uint64_t lanes __attribute__((vector_size(LANES * sizeof(uint64_t))));
typedef int64_t signed_lanes __attribute__((vector_size(LANES * sizeof(int64_t))));

_Static_assert(SWARMS_BURST_MAX % LANES == 0, "a burst fills its lanes");

/* Of the requests of a burst: the ID that they bear, and the IPv4 source that it is checked for. */
struct verification {
    uint64_t claimed[SWARMS_BURST_MAX], source[SWARMS_BURST_MAX];
};

/* The faster builds are picked at load time: before ThreadSanitizer is ready for anything. */
#ifdef __SANITIZE_THREAD__
#define LANES_BUILDS
#else
#define LANES_BUILDS __attribute__((target_clones("avx512f", "avx2", "default")))
#endif

#define LANES_SELECT(which, yes, no) (((lanes)(which) & (yes)) | (~(lanes)(which) & (no)))

/* cookie_claimed_epoch() and cookie_ipv4() for LANES requests from `first` on. ids[i] is set;
 * wrong[i] is 0 when it is the one claimed, and honoured. */
LANES_BUILDS static void verify_lanes(const struct cookie_state *cookies,
                                      const struct verification *verification, unsigned first,
                                      uint64_t ids[], uint64_t wrong[LANES])
{
    const struct cookie_key *current = &cookies->current, *previous = &cookies->previous;
    const uint64_t length = UINT64_C(8) << 56;
    lanes claimed, source, epoch, message, id, k0, k1, v0, v1, v2, v3;
    signed_lanes age, is_current, fresh;

    memcpy(&claimed, verification->claimed + first, sizeof(claimed));
    memcpy(&source, verification->source + first, sizeof(source));
    age = (signed_lanes)(((cookies->epoch - (claimed >> 56)) & 0xff) ^ 0x80) - 0x80;
    epoch = cookies->epoch - (lanes)age;
    fresh = (age >= -COOKIE_EPOCHS_AHEAD) & (age <= COOKIE_EPOCHS_HONOURED);
    is_current = (signed_lanes)epoch >= (int64_t)current->since;
    k0 = LANES_SELECT(is_current, current->k0, previous->k0);
    k1 = LANES_SELECT(is_current, current->k1, previous->k1);
    message = epoch << 32 | source;
    COOKIE_SIPINIT(k0, k1, v0, v1, v2, v3);
    COOKIE_SIPBLOCK(message, v0, v1, v2, v3);
    COOKIE_SIPBLOCK(length, v0, v1, v2, v3);
    COOKIE_SIPFINISH(v0, v1, v2, v3);
    id = epoch << 56 | ((v0 ^ v1 ^ v2 ^ v3) & COOKIE_TAG_MASK);
    memcpy(ids + first, &id, sizeof(id));
    id = (id ^ claimed) | ~(lanes)fresh;
    memcpy(wrong, &id, sizeof(id));
}

/* The ID that a request bears; a connect is taken to claim one of this epoch. */
static inline uint64_t claimed_id(const struct cookie_state *cookies, const struct request *request)
{
    const struct bep15_request *header = (const void *)request_payload(request);
    uint64_t id = be64toh(header->connection_id);

    return request->verdict == REQUEST_CONNECT ? cookies->epoch << 56 : id;
}

uint64_t admit_burst(const struct cookie_state *cookies, struct request *const requests[],
                     unsigned count, uint64_t ids[])
{
    struct verification verification;
    uint64_t verified = 0, ipv6 = 0, wrong[LANES];
    unsigned i;

    for (i = 0; i < count; i++) {
        verification.claimed[i] = claimed_id(cookies, requests[i]);
        verification.source[i] = source_ipv4(requests[i]); /* of IPv6: any bytes of the header */
        ipv6 |= (uint64_t)(requests[i]->family == SWARMS_IPV6) << i;
    }
    for (; i % LANES != 0; i++)
        verification.claimed[i] = verification.source[i] = 0;
    for (unsigned first = 0; first < count; first += LANES) {
        verify_lanes(cookies, &verification, first, ids, wrong);
        for (unsigned lane = 0; lane < LANES; lane++)
            verified |= (uint64_t)(wrong[lane] == 0) << (first + lane);
    }
    for (verified &= ~ipv6; ipv6 != 0; ipv6 &= ipv6 - 1) {
        i = (unsigned)__builtin_ctzll(ipv6);
        if (requests[i]->verdict == REQUEST_CONNECT)
            ids[i] = admit_issue(cookies, requests[i]);
        else
            verified |= (uint64_t)admit_verify(cookies, requests[i]) << i;
    }
    return verified;
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

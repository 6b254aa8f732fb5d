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

/* IPv4 sources whose connection IDs are to be verified together. */
struct verification {
    uint64_t k0[LANES], k1[LANES], message[LANES], claimed[LANES], epoch[LANES];
    uint8_t request[LANES]; /* its place in the burst */
    unsigned count;
};

/* The faster builds are picked at load time: before ThreadSanitizer is ready for anything. */
#ifdef __SANITIZE_THREAD__
#define LANES_BUILDS
#else
#define LANES_BUILDS __attribute__((target_clones("avx512f", "avx2", "default")))
#endif

/* SipHash-2-4 of one block, for every lane with its own key: cookie_siphash(), eight times. */
LANES_BUILDS static void siphash_lanes(const struct verification *verification,
                                       uint64_t tags[LANES])
{
    const uint64_t length = UINT64_C(8) << 56;
    lanes k0, k1, message, v0, v1, v2, v3;

    memcpy(&k0, verification->k0, sizeof(k0));
    memcpy(&k1, verification->k1, sizeof(k1));
    memcpy(&message, verification->message, sizeof(message));
    COOKIE_SIPINIT(k0, k1, v0, v1, v2, v3);
    COOKIE_SIPBLOCK(message, v0, v1, v2, v3);
    COOKIE_SIPBLOCK(length, v0, v1, v2, v3);
    COOKIE_SIPFINISH(v0, v1, v2, v3);
    v0 ^= v1 ^ v2 ^ v3;
    memcpy(tags, &v0, sizeof(v0));
}

/* Returns the bits of those that are verified, and empties the lanes. */
static uint64_t verify_lanes(struct verification *verification)
{
    uint64_t tags[LANES], verified = 0;

    siphash_lanes(verification, tags);
    for (unsigned i = 0; i < verification->count; i++) {
        uint64_t id = verification->epoch[i] << 56 | (tags[i] & COOKIE_TAG_MASK);

        verified |= (uint64_t)(id == verification->claimed[i]) << verification->request[i];
    }
    verification->count = 0;
    return verified;
}

static void add_lane(struct verification *verification, const struct cookie_state *cookies,
                     const struct request *request, unsigned number)
{
    const struct bep15_request *header = (const void *)request_payload(request);
    uint64_t id = be64toh(header->connection_id);
    unsigned lane = verification->count;
    const struct cookie_key *key;
    int fresh;

    verification->epoch[lane] = cookie_claimed_epoch(cookies, id, &fresh);
    key = cookie_key_of(cookies, verification->epoch[lane]);
    verification->k0[lane] = key->k0;
    verification->k1[lane] = key->k1;
    verification->message[lane] = verification->epoch[lane] << 32 | source_ipv4(request);
    verification->claimed[lane] = id;
    verification->request[lane] = (uint8_t)number;
    verification->count += (unsigned)fresh;
}

uint64_t admit_verify_burst(const struct cookie_state *cookies, struct request *const requests[],
                            unsigned count)
{
    struct verification verification = {.count = 0};
    uint64_t verified = 0;

    for (unsigned i = 0; i < count; i++) {
        if (requests[i]->verdict == REQUEST_CONNECT)
            continue;
        if (requests[i]->family == SWARMS_IPV6) {
            verified |= (uint64_t)admit_verify(cookies, requests[i]) << i;
            continue;
        }
        add_lane(&verification, cookies, requests[i], i);
        if (verification.count == LANES)
            verified |= verify_lanes(&verification);
    }
    return verification.count != 0 ? verified | verify_lanes(&verification) : verified;
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

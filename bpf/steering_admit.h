/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who may ask: bans, connection IDs, rate limits, in this order. A forged ID so never uses up the
 * budget of the address that it pretends to come from.
 */
#pragma once

#include "steering_parse.h"

STEERING_INLINE int ban_holds(const struct steering_ban *ban)
{
    return ban && ban->until > bpf_ktime_get_coarse_ns();
}

STEERING_INLINE int banned(const struct steering_packet *packet,
                           const struct steering_config *config)
{
    if (packet->is_ipv6) {
        struct steering_ban_ipv6 key = {.prefix_length = 128};

        if (config->bans_ipv6 == 0)
            return 0;
        __builtin_memcpy(key.address, &packet->source6, sizeof(key.address));
        return ban_holds(bpf_map_lookup_elem(&STEERING_MAP(bans_ipv6), &key));
    } else {
        struct steering_ban_ipv4 key = {.prefix_length = 32};

        if (config->bans_ipv4 == 0)
            return 0;
        __builtin_memcpy(key.address, &packet->source, sizeof(key.address));
        return ban_holds(bpf_map_lookup_elem(&STEERING_MAP(bans_ipv4), &key));
    }
}

STEERING_INLINE int connection_id_valid(const struct steering_packet *packet,
                                        const struct steering_config *config)
{
    __u64 id = bpf_be64_to_cpu(load64(&packet->request->connection_id));

    return packet->is_ipv6
               ? cookie_valid_ipv6(&config->cookies, id, packet->source6.high, packet->source6.low)
               : cookie_valid_ipv4(&config->cookies, id, packet->source);
}

/* One prefix of a source, and where its requests are booked. `line` is NULL without a limit. */
struct steering_budget {
    struct limiter_line *line;
    limiter_place place;
    __u64 hash;
    const struct limiter_limit *limit;
};

/* A global function: the verifier goes through the search once, not once for every path to it. */
__noinline __u64 budget_search(const struct limiter_line *line, __u64 hash, __u64 now)
{
    return line ? limiter_search(line, hash, now) : 0;
}

/* Returns 0 when the prefix is over its limit. */
STEERING_INLINE int budget_open(struct steering_budget *budget,
                                const struct steering_config *config, enum limiter_class kind,
                                enum limiter_prefix prefix, __u64 bits, __u64 now)
{
    __u32 index;

    *budget = (struct steering_budget){.limit = &config->limiter.limits[kind][prefix]};
    if (budget->limit->cost == 0)
        return 1;
    budget->hash = limiter_hash(&config->limiter, kind, prefix, bits);
    index = limiter_line_index(budget->hash);
    budget->line = bpf_map_lookup_elem(&STEERING_MAP(limiter), &index);
    if (!budget->line)
        return 1;
    budget->place = limiter_is_home(budget->line, budget->hash)
                        ? limiter_place_at(budget->line, limiter_home(budget->hash), now)
                        : budget_search(budget->line, budget->hash, now);
    return limiter_has_room(budget->place, budget->limit);
}

STEERING_INLINE void budget_charge(const struct steering_budget *budget, __u64 now)
{
    if (budget->line)
        limiter_charge(budget->line, budget->place, budget->hash, now, budget->limit);
}

/* Both prefixes of a source are charged, or none. */
STEERING_INLINE int limited(const struct steering_packet *packet,
                            const struct steering_config *config, enum limiter_class kind)
{
    __u64 now = limiter_ticks(bpf_ktime_get_coarse_ns());
    struct steering_budget narrow, wide;
    __u64 bits = packet->is_ipv6 ? packet->source6.high : packet->source;
    __u64 mask = packet->is_ipv6 ? LIMITER_MASK_48 : LIMITER_MASK_24;
    enum limiter_prefix prefix = packet->is_ipv6 ? LIMITER_IPV6_64 : LIMITER_IPV4_32;

    if (!budget_open(&narrow, config, kind, prefix, bits, now) ||
        !budget_open(&wide, config, kind, prefix + 1, bits & mask, now))
        return 1;
    budget_charge(&narrow, now);
    budget_charge(&wide, now);
    return 0;
}

/* The verdict of a well-formed request; *would_limit is set when only dry_run let it through. */
STEERING_INLINE enum steering_counter steering_admit(const struct steering_packet *packet,
                                                     const struct steering_config *config,
                                                     enum steering_counter verdict,
                                                     int *would_limit)
{
    int connect = verdict == STEERING_connect_steered;

    *would_limit = 0;
    if (banned(packet, config))
        return STEERING_banned;
    if (!connect && !connection_id_valid(packet, config))
        return STEERING_connection_id;
    if (limited(packet, config, connect ? LIMITER_CONNECT : LIMITER_ESTABLISHED)) {
        if (!config->limiter.dry_run)
            return connect ? STEERING_limited_connect : STEERING_limited_established;
        *would_limit = 1;
    }
    return verdict;
}

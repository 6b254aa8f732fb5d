/* SPDX-License-Identifier: BSD-3-Clause */
#include "limiter.h"

/* A source's two prefixes in the table. A line is NULL where nothing is limited. */
struct budget {
    const struct limiter_limit *limit;
    struct limiter_line *line;
    uint64_t hash;
};

static inline struct budget budget_of(struct limiter_line *lines,
                                      const struct limiter_config *config, enum limiter_class kind,
                                      enum limiter_prefix prefix, uint64_t bits)
{
    struct budget budget = {.limit = &config->limits[kind][prefix]};

    if (budget.limit->cost == 0)
        return budget;
    budget.hash = limiter_hash(config, kind, prefix, bits);
    budget.line = &lines[limiter_line_index(budget.hash)];
    return budget;
}

static inline bool budget_open(const struct budget *budget, uint64_t now, limiter_place *place)
{
    if (!budget->line)
        return true;
    *place = limiter_find(budget->line, budget->hash, now);
    return limiter_has_room(*place, budget->limit);
}

static inline void budget_charge(const struct budget *budget, uint64_t now, limiter_place place)
{
    if (budget->line)
        limiter_charge(budget->line, place, budget->hash, now, budget->limit);
}

static inline bool admit(const struct budget *narrow, const struct budget *wide, uint64_t now)
{
    limiter_place narrow_place = 0, wide_place = 0;

    if (!budget_open(narrow, now, &narrow_place) || !budget_open(wide, now, &wide_place))
        return false;
    budget_charge(narrow, now, narrow_place);
    budget_charge(wide, now, wide_place);
    return true;
}

bool limiter_admit_ipv4(struct limiter_line *lines, const struct limiter_config *config,
                        enum limiter_class kind, uint32_t source, uint64_t now)
{
    struct budget narrow = budget_of(lines, config, kind, LIMITER_IPV4_32, source);
    struct budget wide = budget_of(lines, config, kind, LIMITER_IPV4_24, source & LIMITER_MASK_24);

    return admit(&narrow, &wide, limiter_ticks(now));
}

bool limiter_admit_ipv6(struct limiter_line *lines, const struct limiter_config *config,
                        enum limiter_class kind, uint64_t source, uint64_t now)
{
    struct budget narrow = budget_of(lines, config, kind, LIMITER_IPV6_64, source);
    struct budget wide = budget_of(lines, config, kind, LIMITER_IPV6_48, source & LIMITER_MASK_48);

    return admit(&narrow, &wide, limiter_ticks(now));
}

static inline void prefetch(const struct limiter_line *lines, const struct limiter_config *config,
                            enum limiter_class kind, enum limiter_prefix prefix, uint64_t bits)
{
    if (config->limits[kind][prefix].cost != 0)
        __builtin_prefetch(&lines[limiter_line_index(limiter_hash(config, kind, prefix, bits))], 1);
}

void limiter_prefetch_ipv4(const struct limiter_line *lines, const struct limiter_config *config,
                           enum limiter_class kind, uint32_t source)
{
    prefetch(lines, config, kind, LIMITER_IPV4_32, source);
    prefetch(lines, config, kind, LIMITER_IPV4_24, source & LIMITER_MASK_24);
}

void limiter_prefetch_ipv6(const struct limiter_line *lines, const struct limiter_config *config,
                           enum limiter_class kind, uint64_t source)
{
    prefetch(lines, config, kind, LIMITER_IPV6_64, source);
    prefetch(lines, config, kind, LIMITER_IPV6_48, source & LIMITER_MASK_48);
}

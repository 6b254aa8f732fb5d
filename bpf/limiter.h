/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rate limits by source prefix, in memory that never grows: one algorithm for XDP and for the
 * workers.
 *
 * A cell is a leaky bucket in one number: the time at which its debt will be paid off. Debt decays
 * by itself as time goes by, so nothing ever sweeps the table. Each admitted request adds 1/rate
 * seconds of debt; a request that would take the debt over burst/rate seconds is over the limit,
 * and adds none. A source that floods therefore writes nothing: its line stays shared among the
 * CPUs' caches.
 *
 *   cell    bits 63..48: tag of the source; 47..0: the time in ticks of 256 ns (2.3 years)
 *   line    LIMITER_WAYS cells, one cache line
 *   table   LIMITER_LINES lines, 4 MiB
 *
 * A source is known while it has debt: at 10 requests/s allowed, 0.1 s after each request. The
 * 524,288 cells of the table so hold 2.6 M sources/s (each takes two cells: narrow and wide
 * prefix), five times the peak of the busiest tracker known.
 *
 * A collision of lines costs nobody until nine sources in debt share one: then the newcomer takes
 * the place, and inherits the debt, of the one with the least. So nobody escapes a limit by
 * crowding a line, and a stranger pays at most the smallest of eight debts. A collision of lines
 * and tags (1 in 2^32 for any two sources) makes them share one budget. Which sources collide
 * depends on a secret and can't be chosen; the hash is mixing, not a PRF, and its value is never
 * seen outside.
 *
 * Cells are read and written whole but not locked. Two CPUs that count the same line at the same
 * moment may lose one of the counts: somebody gets a request for free.
 */
#pragma once

#include <stdint.h>

enum {
    LIMITER_WAY_BITS = 3,
    LIMITER_WAYS = 1 << LIMITER_WAY_BITS,
    LIMITER_LINES_BITS = 16, /* lower: strangers inherit debt; higher: memory, cache misses */
    LIMITER_LINES = 1 << LIMITER_LINES_BITS,

    LIMITER_TICK_SHIFT = 8, /* nanoseconds to ticks: 256 ns, 1 % at 39,000 requests/s */
    LIMITER_TICKS_SECOND = 1000000000 >> LIMITER_TICK_SHIFT,
    LIMITER_RATE_MAX = 1000000,     /* requests/s */
    LIMITER_DEBT_SECONDS_MAX = 600, /* burst / rate; more is taken for a wrapped clock */
};

#define LIMITER_DEBT_MAX  ((uint64_t)LIMITER_DEBT_SECONDS_MAX * LIMITER_TICKS_SECOND)
#define LIMITER_TIME_MASK UINT64_C(0x0000ffffffffffff)

/* What a prefix leaves of an address as loaded from the packet (IPv6: of its first half). */
#define LIMITER_MASK_24 UINT64_C(0x0000000000ffffff)
#define LIMITER_MASK_48 UINT64_C(0x0000ffffffffffff)

struct limiter_line {
    uint64_t cells[LIMITER_WAYS];
} __attribute__((aligned(64)));

_Static_assert(sizeof(struct limiter_line) == 64, "a line of the limiter is a cache line");

/* What is limited, apart from each other: sources that can be forged, and proven ones. */
enum limiter_class {
    LIMITER_CONNECT,     /* connect requests */
    LIMITER_ESTABLISHED, /* announces and scrapes with a valid connection ID */
    LIMITER_CLASSES,
};

/* The narrow prefix of a family, and the wide one right behind it. */
enum limiter_prefix {
    LIMITER_IPV4_32,
    LIMITER_IPV4_24,
    LIMITER_IPV6_64,
    LIMITER_IPV6_48,
    LIMITER_PREFIXES,
};

/* In ticks; from limiter_limit(). All zero: no limit. */
struct limiter_limit {
    uint64_t cost;   /* debt of one request */
    uint64_t credit; /* debt that may be had */
};

struct limiter_config {
    uint64_t secret[3];
    struct limiter_limit limits[LIMITER_CLASSES][LIMITER_PREFIXES];
    uint32_t dry_run; /* count what is over its limit, and let it through */
    uint32_t reserved;
};

#define LIMITER_INLINE static inline __attribute__((always_inline))

/* `rate` requests a second (0: no limit), and up to `burst` of them at once, at least one. */
LIMITER_INLINE struct limiter_limit limiter_limit(uint32_t rate, uint32_t burst)
{
    struct limiter_limit limit = {0, 0};

    if (rate == 0)
        return limit;
    if (rate > LIMITER_RATE_MAX)
        rate = LIMITER_RATE_MAX;
    limit.cost = LIMITER_TICKS_SECOND / rate;
    limit.credit = limit.cost * (burst ? burst : 1);
    if (limit.credit > LIMITER_DEBT_MAX)
        limit.credit = LIMITER_DEBT_MAX;
    return limit;
}

LIMITER_INLINE uint64_t limiter_ticks(uint64_t nanoseconds)
{
    return nanoseconds >> LIMITER_TICK_SHIFT & LIMITER_TIME_MASK;
}

/* `bits` is the prefix, its address as loaded from the packet and masked. */
LIMITER_INLINE uint64_t limiter_hash(const struct limiter_config *config, enum limiter_class kind,
                                     enum limiter_prefix prefix, uint64_t bits)
{
    uint64_t hash = bits ^ config->secret[0];

    hash += (uint64_t)(prefix * LIMITER_CLASSES + kind + 1) * UINT64_C(0x9e3779b97f4a7c15);
    hash *= config->secret[1] | 1;
    hash ^= hash >> 32;
    hash *= config->secret[2] | 1;
    return hash ^ hash >> 29;
}

LIMITER_INLINE uint32_t limiter_line_index(uint64_t hash)
{
    return (uint32_t)hash & (LIMITER_LINES - 1);
}

/* Debt of a cell, or 0 when it was paid off long ago. */
LIMITER_INLINE uint64_t limiter_debt(uint64_t cell, uint64_t now)
{
    uint64_t debt = (cell - now) & LIMITER_TIME_MASK;

    return debt <= LIMITER_DEBT_MAX ? debt : 0;
}

/*
 * Where a request would be booked: a way, in the lowest LIMITER_WAY_BITS, and the debt there above
 * them. So the place with the least debt is the least number.
 */
typedef uint64_t limiter_place;

LIMITER_INLINE unsigned limiter_home(uint64_t hash)
{
    return hash >> 32 & (LIMITER_WAYS - 1);
}

LIMITER_INLINE limiter_place limiter_place_at(const struct limiter_line *line, uint64_t way,
                                              uint64_t now)
{
    return limiter_debt(line->cells[way], now) << LIMITER_WAY_BITS | way;
}

/* A source's cell is most often at home. */
LIMITER_INLINE int limiter_is_home(const struct limiter_line *line, uint64_t hash)
{
    return line->cells[limiter_home(hash)] >> 48 == hash >> 48;
}

/* The source's own cell, wherever it is, else the one with the least debt: at home if it may be. */
LIMITER_INLINE limiter_place limiter_search(const struct limiter_line *line, uint64_t hash,
                                            uint64_t now)
{
    limiter_place least = limiter_place_at(line, limiter_home(hash), now);

#pragma GCC unroll 8
    for (uint64_t way = 0; way < LIMITER_WAYS; way++) {
        limiter_place place = limiter_place_at(line, way, now);

        if (line->cells[way] >> 48 == hash >> 48)
            return place;
        if (place >> LIMITER_WAY_BITS < least >> LIMITER_WAY_BITS)
            least = place;
    }
    return least;
}

LIMITER_INLINE limiter_place limiter_find(const struct limiter_line *line, uint64_t hash,
                                          uint64_t now)
{
    return limiter_is_home(line, hash) ? limiter_place_at(line, limiter_home(hash), now)
                                       : limiter_search(line, hash, now);
}

LIMITER_INLINE int limiter_has_room(limiter_place place, const struct limiter_limit *limit)
{
    return (place >> LIMITER_WAY_BITS) + limit->cost <= limit->credit;
}

LIMITER_INLINE void limiter_charge(struct limiter_line *line, limiter_place place, uint64_t hash,
                                   uint64_t now, const struct limiter_limit *limit)
{
    uint64_t paid_off = now + (place >> LIMITER_WAY_BITS) + limit->cost;

    line->cells[place & (LIMITER_WAYS - 1)] = hash >> 48 << 48 | (paid_off & LIMITER_TIME_MASK);
}

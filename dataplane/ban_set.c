/* SPDX-License-Identifier: BSD-3-Clause */
#include "ban_set.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned __int128 address_t; /* host byte order; IPv4 in the upper 32 bits */

/* Ranges without gaps or overlaps, each from its start to the next one's; `until` 0 in the free
 * ones. */
struct ban_range {
    address_t start;
    uint64_t until;
};

struct ban_ranges {
    size_t count;
    struct ban_range *ranges;
};

struct ban_set {
    struct ban_ranges ipv4, ipv6;
    struct ban_range storage[];
};

static address_t address_load(const uint8_t *bytes, size_t size)
{
    uint64_t halves[2] = {0, 0};

    memcpy(halves, bytes, size);
    return (address_t)be64toh(halves[0]) << 64 | be64toh(halves[1]);
}

/* The last address of a prefix. */
static address_t ban_end(const struct ban *ban)
{
    address_t start = address_load(ban->bytes, sizeof(ban->bytes));

    return ban->length == 0 ? ~(address_t)0 : start | (((address_t)1 << (128 - ban->length)) - 1);
}

int ban_compare(const void *a, const void *b)
{
    const struct ban *left = a, *right = b;
    int order = (int)left->family - right->family;

    if (order == 0)
        order = memcmp(left->bytes, right->bytes, sizeof(left->bytes));
    return order ? order : (int)left->length - right->length;
}

bool ban_covers(const struct ban *outer, const struct ban *inner)
{
    address_t start = address_load(inner->bytes, sizeof(inner->bytes));

    return outer->family == inner->family && outer->length <= inner->length &&
           start >= address_load(outer->bytes, sizeof(outer->bytes)) && start <= ban_end(outer);
}

static void ranges_put(struct ban_ranges *ranges, address_t start, uint64_t until)
{
    if (ranges->count > 0 && ranges->ranges[ranges->count - 1].start == start)
        ranges->count--;
    ranges->ranges[ranges->count++] = (struct ban_range){start, until};
}

/* Closes the prefixes on the stack that end before `next`. */
static size_t ranges_close(struct ban_ranges *ranges, const struct ban_range *stack, size_t depth,
                           const address_t *next)
{
    while (depth > 0 && (!next || stack[depth - 1].start < *next)) {
        address_t end = stack[--depth].start;

        if (end != ~(address_t)0)
            ranges_put(ranges, end + 1, depth ? stack[depth - 1].until : 0);
    }
    return depth;
}

/* Of one family's sorted bans. On the stack: the prefixes around, by their end and their time. */
static void ranges_fill(struct ban_ranges *ranges, const struct ban *bans, size_t count)
{
    struct ban_range stack[130];
    size_t depth = 0;

    ranges_put(ranges, 0, 0);
    for (size_t i = 0; i < count; i++) {
        address_t start = address_load(bans[i].bytes, sizeof(bans[i].bytes));
        uint64_t until = bans[i].until;

        depth = ranges_close(ranges, stack, depth, &start);
        if (depth > 0 && stack[depth - 1].until > until)
            until = stack[depth - 1].until;
        if (i > 0 && ban_compare(&bans[i - 1], &bans[i]) == 0)
            depth--; /* the same prefix again */
        stack[depth++] = (struct ban_range){ban_end(&bans[i]), until};
        ranges_put(ranges, start, until);
    }
    ranges_close(ranges, stack, depth, NULL);
}

struct ban_set *ban_set_create(const struct ban *bans, size_t count)
{
    struct ban_set *set = calloc(1, sizeof(*set) + (2 * count + 2) * sizeof(set->storage[0]));
    struct ban *sorted = malloc((count + 1) * sizeof(*sorted));
    size_t ipv4 = 0;

    if (!set || !sorted) {
        free(set);
        free(sorted);
        return NULL;
    }
    if (count > 0)
        memcpy(sorted, bans, count * sizeof(*sorted));
    qsort(sorted, count, sizeof(*sorted), ban_compare);
    while (ipv4 < count && sorted[ipv4].family == 4)
        ipv4++;
    set->ipv4.ranges = set->storage;
    ranges_fill(&set->ipv4, sorted, ipv4);
    set->ipv6.ranges = set->storage + set->ipv4.count;
    ranges_fill(&set->ipv6, sorted + ipv4, count - ipv4);
    free(sorted);
    return set;
}

void ban_set_free(struct ban_set *set)
{
    free(set);
}

static bool ranges_hold(const struct ban_ranges *ranges, address_t address, uint64_t now)
{
    const struct ban_range *range = ranges->ranges;

    for (size_t count = ranges->count; count > 1;) {
        size_t half = count / 2;

        if (range[half].start <= address)
            range += half;
        count -= half;
    }
    return range->until > now;
}

bool ban_set_holds_ipv4(const struct ban_set *set, const uint8_t address[4], uint64_t now)
{
    return set && ranges_hold(&set->ipv4, address_load(address, 4), now);
}

bool ban_set_holds_ipv6(const struct ban_set *set, const uint8_t address[16], uint64_t now)
{
    return set && ranges_hold(&set->ipv6, address_load(address, 16), now);
}

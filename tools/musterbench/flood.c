/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * musterbench flood: the tables with a million info-hashes, and a million peers of one swarm, that
 * somebody chose who takes the hashes to be without a secret; against random ones.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "../../dataplane/swarms/swarms.h"
#include "../workload/option_table.h"
#include "../workload/random.h"
#include "../workload/report.h"
#include "bench.h"
#include "machine.h"

enum {
    KEYS = 1000000,
    CHOSEN_BITS = 6, /* of their hashes: all would be in a 64th of the buckets */
    PARTS = 10,      /* of the time measured, chosen and random in turn */
    BURST = 32,
    NUMWANT = 30,
    PEER_SIZE = 6,
    INFO_HASH_SIZE = 20,
    NOW = 1000000,
};

/* Both are as many bytes as an announce has of them. */
struct key {
    uint8_t info_hash[INFO_HASH_SIZE];
    uint8_t peer[PEER_SIZE];
};

/* A table with its keys. */
struct side {
    struct key *keys;
    struct swarms_secret secret;
    struct swarms *swarms;
    void *memory;
    size_t size;
    enum machine_pages pages;
    uint64_t random;
    double rates[PARTS]; /* announces a second */
};

static const char usage_text[] =
    "usage: musterbench flood [OPTION...]\n"
    "\n"
    "Announces of a million torrents, and of a million peers of one torrent: with info-hashes and\n"
    "ports chosen against tables without a secret, and with random ones.\n"
    "\n"
    "  --seconds N  seconds measured, of each kind, in ten parts whose median is reported (1)\n"
    "  --json       for scripts\n";

/* The next bytes after `bytes`, as a number, whose public hash begins with zeros. */
static void next_chosen(uint8_t *bytes, size_t size)
{
    uint32_t number;

    memcpy(&number, bytes, sizeof(number));
    do {
        number++;
        memcpy(bytes, &number, sizeof(number));
    } while (XXH3_64bits(bytes, size) >> (64 - CHOSEN_BITS) != 0);
}

static void next_random(uint64_t *state, uint8_t *bytes, size_t size)
{
    uint64_t words[3] = {random_next(state), random_next(state), random_next(state)};

    memcpy(bytes, words, size);
}

/* `torrents`: each key is one; else all are peers of one torrent. */
static void make_keys(struct key *keys, bool torrents, bool chosen)
{
    struct key key = {.peer = {10, 0, 0, 1, 0x1a, 0xe1}};
    uint8_t *bytes = torrents ? key.info_hash : key.peer;
    size_t size = torrents ? INFO_HASH_SIZE : PEER_SIZE;
    uint64_t state = 1;

    for (unsigned i = 0; i < KEYS; i++) {
        if (chosen)
            next_chosen(bytes, size);
        else
            next_random(&state, bytes, size);
        keys[i] = key;
    }
}

static bool side_init(struct side *side, bool torrents, bool chosen)
{
    struct swarms_limits limits = {
        .torrents = torrents ? KEYS + KEYS / 20 : 1, .peers = 2 * KEYS, .hash_last = UINT64_MAX};

    *side = (struct side){.pages = MACHINE_PAGES_2M, .random = 1};
    side->size = swarms_memory(&limits);
    side->memory = machine_memory(side->size, &side->pages);
    side->keys = malloc(KEYS * sizeof(*side->keys));
    if (!side->memory || !side->keys)
        return false;
    for (unsigned i = 0; i < sizeof(side->secret.bytes); i++)
        side->secret.bytes[i] = (uint8_t)random_next(&side->random);
    side->swarms = swarms_init(side->memory, &limits, &side->secret, 1);
    make_keys(side->keys, torrents, chosen);
    return true;
}

static void side_free(struct side *side)
{
    if (side->memory)
        machine_memory_free(side->memory, side->size, side->pages);
    free(side->keys);
}

/* Announces of a burst of keys. */
static void serve(struct side *side, const unsigned numbers[BURST])
{
    static uint8_t replies[BURST][NUMWANT * PEER_SIZE + SWARMS_REPLY_SLACK];
    struct swarms_announce announces[BURST], *burst[BURST];

    for (unsigned i = 0; i < BURST; i++) {
        const struct key *key = &side->keys[numbers[i]];

        announces[i] = (struct swarms_announce){
            .hash = swarms_hash(&side->secret, key->info_hash),
            .info_hash = key->info_hash,
            .peers = replies[i],
            .numwant = NUMWANT,
        };
        memcpy(announces[i].peer, key->peer, PEER_SIZE);
        burst[i] = &announces[i];
    }
    swarms_announce(side->swarms, burst, BURST, NOW);
}

static void populate(struct side *side)
{
    unsigned numbers[BURST];

    for (unsigned first = 0; first < KEYS; first += BURST) {
        for (unsigned i = 0; i < BURST; i++)
            numbers[i] = first + i;
        serve(side, numbers);
    }
}

static void measure(struct side *side, unsigned part, double seconds)
{
    uint64_t begin = machine_ticks(), announces = 0, ticks = 0;
    unsigned numbers[BURST];

    while ((double)ticks < seconds * machine_ticks_per_second()) {
        for (unsigned i = 0; i < BURST; i++)
            numbers[i] = (unsigned)random_below(random_next(&side->random), KEYS);
        serve(side, numbers);
        announces += BURST;
        ticks = machine_ticks() - begin;
    }
    side->rates[part] = (double)announces * machine_ticks_per_second() / (double)ticks;
}

_Static_assert(KEYS % BURST == 0, "whole bursts");

static void report_sides(struct report *report, struct side *chosen, struct side *random,
                         const char *what)
{
    double flooded = report_median(chosen->rates, PARTS);
    double usual = report_median(random->rates, PARTS);
    const struct swarms_counters *counters = swarms_counters(chosen->swarms);
    char key[64];

    snprintf(key, sizeof(key), "%s_random_per_second", what);
    report_number(report, key, "announces/s, random keys (median)", usual, 0, "");
    snprintf(key, sizeof(key), "%s_chosen_per_second", what);
    report_number(report, key, "announces/s, chosen keys (median)", flooded, 0, "");
    snprintf(key, sizeof(key), "%s_ratio", what);
    report_number(report, key, "  times those with random keys", flooded / usual, 2, "");
    snprintf(key, sizeof(key), "%s_lost", what);
    report_number(report, key, "chosen keys that found no room",
                  (double)(counters->torrents_evicted + counters->peers_refused), 0, "");
}

/* Returns false without memory. */
static bool compare(struct report *report, bool torrents, double seconds)
{
    struct side chosen, random = {0};
    bool made = side_init(&chosen, torrents, true) && side_init(&random, torrents, false);

    if (made) {
        populate(&chosen);
        populate(&random);
        for (unsigned part = 0; part < PARTS; part++) {
            measure(&chosen, part, seconds / PARTS);
            measure(&random, part, seconds / PARTS);
        }
        report_sides(report, &chosen, &random, torrents ? "torrents" : "peers");
    }
    side_free(&chosen);
    side_free(&random);
    return made;
}

int bench_flood(int argc, char **argv)
{
    double seconds = 1;
    bool json = false, made;
    const struct option_row table[] = {
        {"seconds", .seconds = &seconds}, {"json", .flag = &json}, {0}};
    struct report report;
    int parsed = option_table_read(argc, argv, table, 0);

    if (parsed != 0 || seconds <= 0) {
        fputs(usage_text, parsed > 0 ? stdout : stderr);
        return parsed > 0 ? 0 : 2;
    }
    if (machine_pin(1))
        machine_pin(0);
    report_begin(&report, json);
    report_section(&report, "A million torrents");
    made = compare(&report, true, seconds);
    report_section(&report, "A million peers of one torrent");
    made = made && compare(&report, false, seconds);
    report_end(&report);
    if (!made)
        fprintf(stderr, "musterbench: no memory for the tables\n");
    return made ? 0 : 1;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Info-hashes and ports that somebody chose who knows the tables' hashes, but not their secret. A
 * table with the secret that he took for granted shows that the choice is a bad one.
 */
#include "swarms_fixture.h"

#include "dataplane/swarms/hash.h"

enum {
    KEYS = 100000,
    CHOSEN_BITS = 6, /* all in a 64th of the buckets, or of a directory's blocks */
    CHOSEN_SHIFT_SWARM = 64 - CHOSEN_BITS,
    CHOSEN_SHIFT_PEER = 40, /* see hash_peer() */
};

static void secret_fill(struct swarms_secret *secret, unsigned seed)
{
    for (unsigned i = 0; i < sizeof(secret->bytes); i++)
        secret->bytes[i] = (uint8_t)((i + seed) * 2654435761u >> 13);
}

static struct swarms *open_table(const struct swarms_secret *secret)
{
    struct swarms_limits limits = {
        .torrents = KEYS + KEYS / 20, .peers = 2 * KEYS, .hash_last = UINT64_MAX};
    size_t size = (swarms_memory(&limits) + 63) / 64 * 64;
    void *memory = aligned_alloc(64, size);
    struct swarms *swarms;

    assert_non_null(memory);
    memset(memory, 0, size);
    swarms = swarms_init(memory, &limits, secret, 1);
    assert_non_null(swarms);
    return swarms;
}

static void announce(struct swarms *swarms, const struct swarms_secret *secret,
                     const uint8_t *info_hash, const uint8_t *peer)
{
    uint8_t reply[SWARMS_REPLY_SLACK];
    struct swarms_announce a = {
        .hash = swarms_hash(secret, info_hash), .info_hash = info_hash, .peers = reply};
    struct swarms_announce *burst[] = {&a};

    memcpy(a.peer, peer, 6);
    swarms_announce(swarms, burst, 1, 1000);
}

/* The next info-hash after `info_hash` that falls where the others do. */
static void next_info_hash(const struct swarms_secret *known, uint8_t info_hash[20])
{
    uint32_t number;

    memcpy(&number, info_hash, sizeof(number));
    do {
        number++;
        memcpy(info_hash, &number, sizeof(number));
    } while (swarms_hash(known, info_hash) >> CHOSEN_SHIFT_SWARM != 0);
}

static void next_peer(const struct swarms_secret *known, uint8_t peer[6])
{
    uint64_t number = 0;

    memcpy(&number, peer, 6);
    do {
        number++;
        memcpy(peer, &number, 6);
    } while (
        (hash_peer(known, SWARMS_IPV4, peer) >> CHOSEN_SHIFT_PEER & ((1 << CHOSEN_BITS) - 1)) != 0);
}

/* How many of the torrents are in the table at the end. */
static uint64_t torrents_kept(const struct swarms_secret *known, const struct swarms_secret *secret)
{
    static const uint8_t peer[6] = {10, 0, 0, 1, 0x1a, 0xe1};
    struct swarms *swarms = open_table(secret);
    uint8_t info_hash[20] = {0};
    uint64_t kept;

    for (unsigned i = 0; i < KEYS; i++) {
        next_info_hash(known, info_hash);
        announce(swarms, secret, info_hash, peer);
    }
    kept = swarms_counters(swarms)->torrents[SWARMS_IPV4];
    free(swarms);
    return kept;
}

static uint64_t peers_kept(const struct swarms_secret *known, const struct swarms_secret *secret)
{
    static const uint8_t info_hash[20] = {7};
    struct swarms *swarms = open_table(secret);
    uint8_t peer[6] = {0};
    uint64_t kept;

    for (unsigned i = 0; i < KEYS; i++) {
        next_peer(known, peer);
        announce(swarms, secret, info_hash, peer);
    }
    kept = swarms_counters(swarms)->peers[SWARMS_IPV4];
    free(swarms);
    return kept;
}

static void test_chosen_info_hashes_find_room(void **state)
{
    struct swarms_secret known, secret;

    secret_fill(&known, 1);
    secret_fill(&secret, 99);
    assert_true(torrents_kept(&known, &known) < KEYS / 10);
    assert_int_equal(torrents_kept(&known, &secret), KEYS);
}

static void test_chosen_ports_find_room(void **state)
{
    struct swarms_secret known, secret;

    secret_fill(&known, 1);
    secret_fill(&secret, 99);
    assert_true(peers_kept(&known, &known) < KEYS);
    assert_int_equal(peers_kept(&known, &secret), KEYS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chosen_info_hashes_find_room),
        cmocka_unit_test(test_chosen_ports_find_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Every peer is equally likely to be told, whatever form the swarm has (Pearson's chi-squared). */
#include "swarms_fixture.h"

enum { SELF = 0 };

static void fill(struct fixture *f, unsigned family, uint32_t peers, bool self_seeds)
{
    for (uint32_t peer = 0; peer < peers; peer++) {
        /* Every third seeds. */
        bool seeder = peer == SELF ? self_seeds : peer % 3 == 0;

        fixture_announce(f, &(struct question){.family = family, .peer = peer, .seeder = seeder});
    }
}

/*
 * Chi-squared of how often each eligible peer was told. Its mean is the degrees of freedom, its
 * variance twice that, as the tellings are independent: one peer of each reply, chosen at random,
 * is counted. (All peers of a reply would come in runs, and the variance be many times larger.)
 */
static double chi_squared(const uint32_t *told, const uint8_t *eligible, uint32_t peers,
                          double expected)
{
    double sum = 0;

    for (uint32_t peer = 0; peer < peers; peer++)
        if (eligible[peer])
            sum += (told[peer] - expected) * (told[peer] - expected) / expected;
        else
            assert_int_equal(told[peer], 0);
    return sum;
}

static void check_uniform(unsigned family, uint32_t peers, bool self_seeds, unsigned numwant)
{
    uint32_t *told = calloc(peers, sizeof(*told));
    uint8_t *eligible = calloc(peers, 1);
    struct question q = {.family = family, .peer = SELF, .seeder = self_seeds, .numwant = numwant};
    uint32_t count = 0, asks;
    uint64_t dice = 1;
    double expected, freedom, sum;
    struct fixture f;

    fixture_open(&f, 10, 100000);
    fill(&f, family, peers, self_seeds);
    for (uint32_t peer = 0; peer < peers; peer++) {
        eligible[peer] = peer != SELF && (!self_seeds || peer % 3 != 0);
        count += eligible[peer];
    }
    asks = 400 * count;
    for (uint32_t i = 0; i < asks; i++) {
        struct swarms_announce a = fixture_announce(&f, &q);

        assert_int_equal(a.peers_count, numwant < count ? numwant : count);
        dice = dice * 6364136223846793005u + 1442695040888963407u;
        told[fixture_peer_number(f.peers + (dice >> 33) % a.peers_count * fixture_peer_size(family),
                                 family)]++;
    }
    expected = (double)asks / count;
    freedom = count - 1.0;
    sum = chi_squared(told, eligible, peers, expected);
    /* Six standard deviations: with a fixed seed it can't flake, and a bias of a tenth fails it. */
    if (sum > freedom && (sum - freedom) * (sum - freedom) > 6 * 6 * 2 * freedom)
        fail_msg("family %u, %u peers, %s: chi-squared %.0f, %.0f degrees of freedom", family,
                 peers, self_seeds ? "seeder" : "leecher", sum, freedom);
    fixture_close(&f);
    free(eligible);
    free(told);
}

static void check_both_families(uint32_t peers, unsigned numwant)
{
    for (unsigned family = 0; family < 2; family++) {
        check_uniform(family, peers, false, numwant);
        check_uniform(family, peers, true, numwant);
    }
}

static void test_uniform_inline(void **state)
{
    check_both_families(3, 1);
}

static void test_uniform_in_a_scanned_block(void **state)
{
    check_both_families(23, 7);
}

static void test_uniform_in_a_block_with_slots(void **state)
{
    check_both_families(500, 30);
}

static void test_uniform_in_a_directory(void **state)
{
    check_both_families(4000, 50);
}

static void test_windows_longer_than_a_block_of_the_directory(void **state)
{
    /* 2000 peers of which a handful leech: one window runs around through all blocks. */
    struct fixture f;
    struct swarms_announce a;

    fixture_open(&f, 10, 100000);
    for (uint32_t peer = 0; peer < 5000; peer++)
        fixture_announce(&f, &(struct question){.peer = peer, .seeder = peer % 500 != 0});
    for (int i = 0; i < 100; i++) {
        uint16_t seen = 0;

        a = fixture_announce(&f, &(struct question){.peer = 7, .seeder = true, .numwant = 9});
        assert_int_equal(a.peers_count, 9);
        for (unsigned j = 0; j < a.peers_count; j++) {
            uint32_t peer = fixture_peer_number(f.peers + j * 6, SWARMS_IPV4);

            assert_int_equal(peer % 500, 0);
            assert_false(seen >> (peer / 500) & 1);
            seen |= (uint16_t)(1 << (peer / 500));
        }
    }
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uniform_inline),
        cmocka_unit_test(test_uniform_in_a_scanned_block),
        cmocka_unit_test(test_uniform_in_a_block_with_slots),
        cmocka_unit_test(test_uniform_in_a_directory),
        cmocka_unit_test(test_windows_longer_than_a_block_of_the_directory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

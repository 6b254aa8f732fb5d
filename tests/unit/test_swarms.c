/* SPDX-License-Identifier: BSD-3-Clause */
/* The swarm tables against an obvious model, at their caps, and through expiry. */
#include "swarms_fixture.h"

#include "dataplane/swarms/hash.h"

enum { MODEL_TORRENTS = 12, MODEL_PEERS = 6000 };

/* What the tables must hold: every peer's state, in plain arrays. */
struct model {
    uint8_t state[2][MODEL_TORRENTS][MODEL_PEERS]; /* 0 absent, 1 leecher, 2 seeder */
    uint32_t seen[2][MODEL_TORRENTS][MODEL_PEERS];
    uint32_t peers[2][MODEL_TORRENTS], seeders[2][MODEL_TORRENTS];
};

static uint64_t dice_state = 42;

static uint32_t dice(uint32_t sides)
{
    dice_state = dice_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((dice_state >> 33) % sides);
}

static void model_set(struct model *m, unsigned family, uint32_t torrent, uint32_t peer,
                      uint8_t state, uint32_t now)
{
    uint8_t *old = &m->state[family][torrent][peer];

    m->peers[family][torrent] += (uint32_t)(state != 0) - (uint32_t)(*old != 0);
    m->seeders[family][torrent] += (uint32_t)(state == 2) - (uint32_t)(*old == 2);
    m->seen[family][torrent][peer] = now;
    *old = state;
}

static void check_reply(struct fixture *f, const struct model *m, const struct question *q,
                        const struct swarms_announce *a)
{
    static uint32_t marks[MODEL_PEERS], mark;
    uint32_t seeders = m->seeders[q->family][q->torrent];
    uint32_t leechers = m->peers[q->family][q->torrent] - seeders;
    uint32_t eligible = q->seeder ? leechers : seeders + leechers - 1;

    assert_int_equal(a->seeders, seeders);
    assert_int_equal(a->leechers, leechers);
    if (q->event == SWARMS_STOPPED)
        eligible = 0;
    assert_int_equal(a->peers_count, eligible < q->numwant ? eligible : q->numwant);
    mark++;
    for (unsigned i = 0; i < a->peers_count; i++) {
        uint32_t peer = fixture_peer_number(f->peers + i * fixture_peer_size(q->family), q->family);

        assert_true(peer < MODEL_PEERS);
        assert_int_not_equal(peer, q->peer);
        assert_int_not_equal(m->state[q->family][q->torrent][peer], 0);
        if (q->seeder)
            assert_int_equal(m->state[q->family][q->torrent][peer], 1);
        assert_int_not_equal(marks[peer], mark); /* no peer twice */
        marks[peer] = mark;
    }
}

/* Torrents of very different sizes, so that every form of a swarm grows and shrinks. */
static uint32_t peers_of(uint32_t torrent)
{
    static const uint32_t sizes[MODEL_TORRENTS] = {1,  2,   4,   9,    20,   50,
                                                   70, 130, 500, 1400, 3000, MODEL_PEERS};

    return sizes[torrent];
}

static void step(struct fixture *f, struct model *m, uint32_t stop_percent, uint32_t now)
{
    uint32_t torrent = dice(MODEL_TORRENTS);
    struct question q = {
        .torrent = torrent,
        .peer = dice(peers_of(torrent)),
        .family = dice(2),
        .event = dice(100) < stop_percent ? SWARMS_STOPPED : SWARMS_UPDATE,
        .seeder = dice(4) == 0,
        .numwant = dice(60),
        .now = now,
    };
    struct swarms_announce a = fixture_announce(f, &q);

    model_set(m, q.family, torrent, q.peer, q.event == SWARMS_STOPPED ? 0 : 1 + q.seeder, now);
    check_reply(f, m, &q, &a);
}

static void test_announces_agree_with_model(void **state)
{
    struct model *m = calloc(1, sizeof(*m));
    struct fixture f;

    fixture_open(&f, 100, 100000);
    for (int i = 0; i < 400000; i++)
        step(&f, m, 10, 1000);
    /* The swarms melt away again. */
    for (int i = 0; i < 400000; i++)
        step(&f, m, 90, 1000);
    for (unsigned family = 0; family < 2; family++) {
        uint64_t peers = 0;

        for (uint32_t torrent = 0; torrent < MODEL_TORRENTS; torrent++)
            peers += m->peers[family][torrent];
        assert_int_equal(swarms_counters(f.swarms)->peers[family], peers);
    }
    fixture_close(&f);
    free(m);
}

static void model_expire(struct model *m, uint32_t timeout, uint32_t now)
{
    for (unsigned family = 0; family < 2; family++)
        for (uint32_t torrent = 0; torrent < MODEL_TORRENTS; torrent++)
            for (uint32_t peer = 0; peer < MODEL_PEERS; peer++)
                if (m->state[family][torrent][peer] != 0 &&
                    now - m->seen[family][torrent][peer] > timeout)
                    model_set(m, family, torrent, peer, 0, now);
}

static void test_expiry_agrees_with_model(void **state)
{
    const struct swarms_timeouts timeouts = {.peer = 100, .torrent = 1000};
    struct model *m = calloc(1, sizeof(*m));
    struct fixture f;
    uint32_t now = 30000; /* the stamps wrap at 32768 */

    fixture_open(&f, 100, 100000);
    for (int round = 0; round < 60; round++) {
        for (int i = 0; i < 5000; i++)
            step(&f, m, 5, now);
        now += dice(120);
        while (!swarms_expire(f.swarms, 50, &timeouts, now))
            ;
        model_expire(m, timeouts.peer, now);
        for (unsigned family = 0; family < 2; family++)
            for (uint32_t torrent = 0; torrent < MODEL_TORRENTS; torrent++) {
                struct swarms_scrape row = fixture_scrape(&f, torrent, family);

                assert_int_equal(row.seeders, m->seeders[family][torrent]);
                assert_int_equal(row.seeders + row.leechers, m->peers[family][torrent]);
            }
    }
    fixture_close(&f);
    free(m);
}

/* An expiry slice looks at no more than it may, whatever lies there. */
static void test_expired_swarm_leaves_nothing(void **state)
{
    const struct swarms_timeouts timeouts = {.peer = 60, .torrent = 600};
    struct fixture f;
    uint64_t empty;

    fixture_open(&f, 1000, 100000);
    fixture_announce(&f, &(struct question){.torrent = 0, .peer = 1, .now = 10});
    while (!swarms_expire(f.swarms, 100, &timeouts, 100))
        ;
    empty = swarms_counters(f.swarms)->memory_used;
    for (uint32_t peer = 0; peer < 20000; peer++)
        fixture_announce(&f, &(struct question){.torrent = peer % 7, .peer = peer, .now = 1000});
    assert_true(swarms_counters(f.swarms)->memory_used > empty);
    /* Also the smallest slice gets on. */
    while (!swarms_expire(f.swarms, 1, &timeouts, 1061))
        ;
    assert_int_equal(swarms_counters(f.swarms)->peers[0], 0);
    /* One pass expires the peers; what is left of directories goes with the next ones. */
    for (int pass = 0; pass < 10; pass++)
        while (!swarms_expire(f.swarms, 100, &timeouts, 1061))
            ;
    assert_int_equal(swarms_counters(f.swarms)->torrents[0], 0);
    assert_int_equal(swarms_counters(f.swarms)->memory_used, empty);
    fixture_close(&f);
}

static void test_download_is_counted_once_a_peer(void **state)
{
    struct question q = {.torrent = 1, .peer = 7, .event = SWARMS_COMPLETED, .seeder = true};
    struct fixture f;

    fixture_open(&f, 10, 100);
    fixture_announce(&f, &q);
    fixture_announce(&f, &q);
    q.event = SWARMS_UPDATE;
    fixture_announce(&f, &q);
    q.event = SWARMS_COMPLETED;
    fixture_announce(&f, &q);
    assert_int_equal(fixture_scrape(&f, 1, SWARMS_IPV4).completed, 1);
    q.peer = 8;
    fixture_announce(&f, &q);
    assert_int_equal(fixture_scrape(&f, 1, SWARMS_IPV4).completed, 2);
    assert_int_equal(fixture_scrape(&f, 1, SWARMS_IPV6).completed, 0);
    fixture_close(&f);
}

static void test_download_count_outlives_the_peers_for_a_while(void **state)
{
    const struct swarms_timeouts timeouts = {.peer = 60, .torrent = 600};
    struct question q = {
        .torrent = 1, .peer = 7, .event = SWARMS_COMPLETED, .seeder = true, .now = 1000};
    struct fixture f;

    fixture_open(&f, 10, 100);
    fixture_announce(&f, &q);
    while (!swarms_expire(f.swarms, 100, &timeouts, 1600))
        ;
    assert_int_equal(fixture_scrape(&f, 1, SWARMS_IPV4).seeders, 0);
    assert_int_equal(fixture_scrape(&f, 1, SWARMS_IPV4).completed, 1);
    while (!swarms_expire(f.swarms, 100, &timeouts, 1601))
        ;
    assert_int_equal(fixture_scrape(&f, 1, SWARMS_IPV4).completed, 0);
    fixture_close(&f);
}

/* A million torrents more than fit: the stalest go, memory stays, the counter counts. */
static void test_torrents_beyond_the_cap_evict_the_stalest(void **state)
{
    enum { CAP = 50000, MORE = 1000000 };
    struct fixture f;
    uint64_t memory;
    uint32_t recent = 0;

    fixture_open(&f, CAP, 1000000);
    for (uint32_t torrent = 0; torrent < CAP; torrent++)
        fixture_announce(&f, &(struct question){.torrent = torrent, .peer = 1, .now = 1});
    memory = swarms_counters(f.swarms)->memory_used;
    for (uint32_t torrent = CAP; torrent < CAP + MORE; torrent++)
        fixture_announce(
            &f, &(struct question){.torrent = torrent, .peer = 1, .now = 2 + torrent / 1000});
    assert_int_equal(swarms_counters(f.swarms)->torrents[0], CAP);
    assert_int_equal(swarms_counters(f.swarms)->torrents_evicted, MORE);
    assert_int_equal(swarms_counters(f.swarms)->memory_used, memory);
    /* The stalest of a window of about 20 goes, so the last tenth is all but untouched. */
    for (uint32_t torrent = CAP + MORE - CAP / 10; torrent < CAP + MORE; torrent++)
        recent += fixture_scrape(&f, torrent, SWARMS_IPV4).leechers;
    assert_true(recent > CAP / 10 * 98 / 100);
    fixture_close(&f);
}

static void test_peers_beyond_the_cap_are_answered(void **state)
{
    struct fixture f;
    struct swarms_announce a;

    fixture_open(&f, 100, 1000);
    for (uint32_t peer = 0; peer < 5000; peer++) {
        a = fixture_announce(&f, &(struct question){.peer = peer, .numwant = 30, .now = 1});
        assert_true(peer == 0 || a.peers_count > 0);
    }
    assert_int_equal(swarms_counters(f.swarms)->peers[0], 1000);
    assert_int_equal(swarms_counters(f.swarms)->peers_refused, 4000);
    assert_int_equal(a.leechers, 1000);
    fixture_close(&f);
}

/*
 * Whole bursts on a table that is too small: announces of one burst add, stop and evict what others
 * of it have found already. Nobody may be told himself, or a peer that was never there.
 */
static void test_bursts_that_evict_under_their_own_feet(void **state)
{
    enum { TORRENTS = 3000 };
    static uint8_t info_hashes[SWARMS_BURST_MAX][20];
    static uint8_t replies[SWARMS_BURST_MAX][50 * SWARMS_PEER_MAX + SWARMS_REPLY_SLACK];
    static struct swarms_announce announces[SWARMS_BURST_MAX];
    const struct swarms_timeouts timeouts = {.peer = 100, .torrent = 100};
    struct swarms_announce *burst[SWARMS_BURST_MAX];
    struct fixture f;

    fixture_open(&f, 1000, 20000);
    for (unsigned round = 0; round < 20000; round++) {
        for (unsigned i = 0; i < SWARMS_BURST_MAX; i++) {
            /* A few swarms are large, and one of a quarter of all announces is a directory. */
            uint32_t torrent = dice(4) == 0 ? 0 : dice(3) == 0 ? dice(10) : dice(TORRENTS);
            struct swarms_announce *a = burst[i] = &announces[i];

            fixture_info_hash(info_hashes[i], torrent);
            *a = (struct swarms_announce){.info_hash = info_hashes[i],
                                          .hash = swarms_hash(&f.secret, info_hashes[i]),
                                          .peers = replies[i],
                                          .family = dice(5) == 0,
                                          .event = dice(3) == 0 ? SWARMS_STOPPED : SWARMS_UPDATE,
                                          .seeder = dice(2),
                                          .numwant = (uint16_t)dice(51)};
            /* A peer's number tells its torrent. */
            fixture_peer(a->peer, a->family, torrent * 4096 + dice(4096));
        }
        swarms_announce(f.swarms, burst, SWARMS_BURST_MAX, round / 50);
        for (unsigned i = 0; i < SWARMS_BURST_MAX; i++)
            for (unsigned j = 0; j < announces[i].peers_count; j++) {
                const uint8_t *told = replies[i] + j * fixture_peer_size(announces[i].family);
                uint32_t self = fixture_peer_number(announces[i].peer, announces[i].family);
                uint32_t peer = fixture_peer_number(told, announces[i].family);

                assert_int_not_equal(peer, self);
                assert_int_equal(peer / 4096, self / 4096);
            }
        swarms_expire(f.swarms, 20, &timeouts, round / 50);
    }
    assert_true(swarms_counters(f.swarms)->torrents_evicted > 1000);
    assert_true(swarms_counters(f.swarms)->torrents[0] + swarms_counters(f.swarms)->torrents[1] <=
                1000);
    fixture_close(&f);
}

/* Of 2^BUCKET_BITS places, how many the fullest has. */
enum { BUCKET_BITS = 12, CROWD = 512 };

static unsigned fullest(const uint64_t *hashes, unsigned count, unsigned shift)
{
    static unsigned places[1 << BUCKET_BITS];
    unsigned most = 0;

    memset(places, 0, sizeof(places));
    for (unsigned i = 0; i < count; i++) {
        unsigned *place = &places[hashes[i] >> shift & ((1 << BUCKET_BITS) - 1)];

        if (++*place > most)
            most = *place;
    }
    return most;
}

/*
 * An attacker who knew another table's secret, and chose what crowds one of its buckets, or one of
 * its blocks' slots: here it is as good as random. At random the fullest of 4096 places gets 5 or
 * so of 512.
 */
static void test_what_crowds_another_table_is_spread_here(void **state)
{
    struct swarms_secret theirs = {{1, 2, 3}}, ours = {{9, 8, 7}};
    uint64_t there[CROWD], here[CROWD];
    uint8_t info_hash[20] = {0}, peer[SWARMS_PEER_MAX] = {198, 51, 100, 7};
    unsigned chosen;

    for (unsigned i = 0; i < sizeof(ours.bytes); i++) {
        theirs.bytes[i] = (uint8_t)(i * 29 + 3);
        ours.bytes[i] = (uint8_t)(i * 71 + 5);
    }
    chosen = 0;
    for (uint32_t n = 0; chosen < CROWD; n++) {
        memcpy(info_hash, &n, sizeof(n));
        there[chosen] = swarms_hash(&theirs, info_hash);
        here[chosen] = swarms_hash(&ours, info_hash);
        chosen += there[chosen] >> (64 - BUCKET_BITS) == 0;
    }
    assert_int_equal(fullest(there, CROWD, 64 - BUCKET_BITS), CROWD);
    assert_in_range(fullest(here, CROWD, 64 - BUCKET_BITS), 1, 8);
    for (unsigned family = 0; family < 2; family++) {
        chosen = 0;
        for (uint32_t n = 0; chosen < CROWD; n++) {
            memcpy(peer + 2, &n, sizeof(n)); /* half an address, and the port */
            there[chosen] = hash_peer(&theirs, family, peer);
            here[chosen] = hash_peer(&ours, family, peer);
            chosen += (there[chosen] & ((1 << BUCKET_BITS) - 1)) == 0;
        }
        assert_int_equal(fullest(there, CROWD, 0), CROWD);
        assert_in_range(fullest(here, CROWD, 0), 1, 8);
        assert_in_range(fullest(here, CROWD, 64 - BUCKET_BITS), 1, 8);
    }
}

static void test_memory_keeps_the_promise(void **state)
{
    enum { TORRENTS = 200000, PEERS = 1000000 };
    struct fixture f;
    uint64_t small, large;

    fixture_open(&f, TORRENTS, 10);
    for (uint32_t torrent = 0; torrent < TORRENTS; torrent++)
        fixture_announce(&f, &(struct question){.torrent = torrent, .peer = 1, .now = 1});
    small = swarms_counters(f.swarms)->memory_used;
    fixture_close(&f);
    assert_true(small <= (uint64_t)TORRENTS * 72);

    fixture_open(&f, 10, PEERS);
    for (uint32_t peer = 0; peer < PEERS; peer++)
        fixture_announce(&f, &(struct question){.peer = peer, .now = 1});
    large = swarms_counters(f.swarms)->memory_used;
    assert_int_equal(swarms_counters(f.swarms)->peers[0], PEERS);
    fixture_close(&f);
    assert_true(large <= (uint64_t)PEERS * 14);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_announces_agree_with_model),
        cmocka_unit_test(test_expiry_agrees_with_model),
        cmocka_unit_test(test_expired_swarm_leaves_nothing),
        cmocka_unit_test(test_download_is_counted_once_a_peer),
        cmocka_unit_test(test_download_count_outlives_the_peers_for_a_while),
        cmocka_unit_test(test_torrents_beyond_the_cap_evict_the_stalest),
        cmocka_unit_test(test_peers_beyond_the_cap_are_answered),
        cmocka_unit_test(test_bursts_that_evict_under_their_own_feet),
        cmocka_unit_test(test_what_crowds_another_table_is_spread_here),
        cmocka_unit_test(test_memory_keeps_the_promise),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

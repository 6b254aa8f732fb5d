/* SPDX-License-Identifier: BSD-3-Clause */
/* Swarms out of a table and into another: nothing lost, the later word wins, slices stay small. */
#include "swarms_fixture.h"

#include <errno.h>

#include "dataplane/swarms/transfer.h"

static const struct swarms_timeouts TIMEOUTS = {.peer = 1800, .torrent = 3600};

enum { BUFFER = 8 << 20 };

/* A stream of everything in the table, collected in slices of `size` bytes and `lines` lines. */
static size_t export_all(struct fixture *f, uint8_t *out, size_t size, unsigned lines, uint32_t now)
{
    struct transfer_export export = {.last_chunk = TRANSFER_CHUNKS - 1};
    size_t used = 0;

    while (!export.done) {
        assert_true(used + size <= BUFFER);
        used += transfer_export(f->swarms, &export, out + used, size, lines, now);
    }
    return used;
}

static struct transfer_result import_all(struct fixture *f, uint8_t *in, size_t size,
                                         unsigned peers, uint32_t now)
{
    struct transfer_result result = {0};

    while (size > 0) {
        int64_t used = transfer_import(f->swarms, in, size, peers, &TIMEOUTS, now, &result);

        assert_true(used >= 0);
        in += used;
        size -= (size_t)used;
    }
    return result;
}

/* Torrent t has up to t % 100 * 40 peers, so there are all forms. */
static void fill(struct fixture *f, uint32_t torrents)
{
    for (uint32_t torrent = 0; torrent < torrents; torrent++)
        for (uint32_t peer = 0; peer <= torrent % 100 * 40; peer++)
            fixture_announce(f, &(struct question){
                                    .torrent = torrent,
                                    .family = peer & 1,
                                    .peer = peer,
                                    .seeder = peer % 3 == 0,
                                    .event = peer % 6 == 0 ? SWARMS_COMPLETED : SWARMS_UPDATE,
                                    .now = 5000 + peer % 700,
                                });
}

static void check_same(struct fixture *a, struct fixture *b, uint32_t torrents)
{
    for (uint32_t torrent = 0; torrent < torrents; torrent++)
        for (unsigned family = 0; family < 2; family++) {
            struct swarms_scrape x = fixture_scrape(a, torrent, family);
            struct swarms_scrape y = fixture_scrape(b, torrent, family);

            assert_int_equal(x.seeders, y.seeders);
            assert_int_equal(x.leechers, y.leechers);
            assert_int_equal(x.completed, y.completed);
        }
}

static void test_all_of_a_table_arrives_in_another(void **state)
{
    enum { TORRENTS = 150 };
    uint8_t *buffer = malloc(BUFFER), *again = malloc(BUFFER);
    struct transfer_result result;
    struct fixture a, b;
    size_t size;

    fixture_open(&a, 1000, 1000000);
    fixture_open(&b, 1000, 1000000);
    fill(&a, TORRENTS);
    size = export_all(&a, buffer, 4096, 64, 6000);
    memcpy(again, buffer, size);
    result = import_all(&b, buffer, size, 300, 6000);
    assert_int_equal(result.peers_added,
                     swarms_counters(a.swarms)->peers[0] + swarms_counters(a.swarms)->peers[1]);
    check_same(&a, &b, TORRENTS);
    /* The same once more, in the smallest slices, changes nothing. */
    result = import_all(&b, again, size, 1, 6000);
    assert_int_equal(result.peers_added + result.peers_updated + result.peers_removed, 0);
    check_same(&a, &b, TORRENTS);
    fixture_close(&a);
    fixture_close(&b);
    free(buffer);
    free(again);
}

/*
 * A directory's blocks arrive one after the other, so all of a block's peers go to the same place
 * in a directory that has not grown yet.
 */
static void test_a_large_swarm_arrives_in_order_of_its_blocks(void **state)
{
    static const uint32_t sizes[] = {5000, 60000, 90000, 120000, 250000};
    uint8_t *buffer = malloc(BUFFER);

    for (unsigned family = 0; family < 2; family++)
        for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            struct transfer_result result;
            struct fixture a, b;
            size_t size;

            fixture_open(&a, 10, 1000000);
            fixture_open(&b, 10, 1000000);
            for (uint32_t peer = 0; peer < sizes[i]; peer++)
                fixture_announce(&a, &(struct question){.torrent = 1,
                                                        .family = family,
                                                        .peer = peer,
                                                        .seeder = peer % 2,
                                                        .now = 5000});
            size = export_all(&a, buffer, 65536, 256, 5000);
            result = import_all(&b, buffer, size, 128, 5000);
            assert_int_equal(result.peers_refused, 0);
            assert_int_equal(result.peers_added, sizes[i]);
            check_same(&a, &b, 2);
            fixture_close(&a);
            fixture_close(&b);
        }
    free(buffer);
}

static void test_stream_is_in_order_of_chunks(void **state)
{
    uint8_t *buffer = malloc(BUFFER);
    unsigned chunk = 0;
    struct fixture f;
    size_t size;

    fixture_open(&f, 1000, 1000000);
    fill(&f, 100);
    size = export_all(&f, buffer, 65536, 1000, 6000);
    for (size_t at = 0; at < size;) {
        const struct transfer_swarm *head = (const void *)(buffer + at);

        assert_true(head->chunk >= chunk);
        chunk = head->chunk;
        assert_int_equal(chunk, transfer_chunk(swarms_hash(&f.secret, head->info_hash)));
        at += sizeof(*head) + head->peers * (head->family ? 24u : 12u);
    }
    fixture_close(&f);
    free(buffer);
}

/* One record with one IPv4 peer. */
static struct transfer_result import_one(struct fixture *f, uint32_t peer, uint8_t flags,
                                         uint32_t seen, uint32_t now)
{
    struct {
        struct transfer_swarm head;
        struct transfer_ipv4 peer;
    } record = {.head = {.peers = 1}, .peer = {.flags = flags, .seen = seen}};
    uint8_t wire[SWARMS_PEER_MAX];

    fixture_info_hash(record.head.info_hash, 1);
    fixture_peer(wire, SWARMS_IPV4, peer);
    memcpy(record.peer.peer, wire, 6);
    return import_all(f, (uint8_t *)&record, sizeof(record), 10, now);
}

static void test_the_later_word_wins(void **state)
{
    struct fixture f;

    fixture_open(&f, 10, 100);
    assert_int_equal(import_one(&f, 7, 0, 900, 1000).peers_added, 1);
    assert_int_equal(import_one(&f, 7, TRANSFER_SEEDER, 899, 1000).peers_stale, 1);
    assert_int_equal(fixture_scrape(&f, 1, SWARMS_IPV4).seeders, 0);
    assert_int_equal(import_one(&f, 7, TRANSFER_SEEDER, 901, 1000).peers_updated, 1);
    assert_int_equal(fixture_scrape(&f, 1, SWARMS_IPV4).seeders, 1);
    fixture_close(&f);
}

static void test_a_tombstone_wins_a_tie_and_loses_to_later_news(void **state)
{
    struct fixture f;

    fixture_open(&f, 10, 100);
    import_one(&f, 7, 0, 900, 1000);
    assert_int_equal(import_one(&f, 7, TRANSFER_STOPPED, 899, 1000).peers_stale, 1);
    assert_int_equal(fixture_scrape(&f, 1, SWARMS_IPV4).leechers, 1);
    assert_int_equal(import_one(&f, 7, TRANSFER_STOPPED, 900, 1000).peers_removed, 1);
    assert_int_equal(fixture_scrape(&f, 1, SWARMS_IPV4).leechers, 0);
    /* A tombstone for a stranger leaves nothing. */
    assert_int_equal(import_one(&f, 8, TRANSFER_STOPPED, 900, 1000).peers_stale, 1);
    assert_int_equal(swarms_counters(f.swarms)->peers[0], 0);
    fixture_close(&f);
}

static void test_the_future_counts_as_now_and_the_expired_stay_out(void **state)
{
    const struct swarms_timeouts short_timeouts = {.peer = 100, .torrent = 100};
    struct fixture f;

    fixture_open(&f, 10, 100);
    assert_int_equal(import_one(&f, 7, 0, 99999, 5000).peers_added, 1);
    assert_int_equal(import_one(&f, 8, 0, 5000 - 1801, 5000).peers_stale, 1);
    assert_int_equal(import_one(&f, 9, 0, 5000 - 1800, 5000).peers_added, 1);
    while (!swarms_expire(f.swarms, 100, &short_timeouts, 5100))
        ;
    assert_int_equal(fixture_scrape(&f, 1, SWARMS_IPV4).leechers, 1);
    while (!swarms_expire(f.swarms, 100, &short_timeouts, 5101))
        ;
    assert_int_equal(fixture_scrape(&f, 1, SWARMS_IPV4).leechers, 0);
    fixture_close(&f);
}

static void test_malformed_streams_are_refused(void **state)
{
    struct transfer_result result = {0};
    struct transfer_swarm head = {.peers = 1};
    struct fixture f;

    fixture_open(&f, 10, 100);
    for (size_t size = 1; size < sizeof(head) + 12; size++) {
        uint8_t bytes[sizeof(head) + 12] = {0};

        memcpy(bytes, &head, sizeof(head));
        assert_int_equal(transfer_import(f.swarms, bytes, size, 10, &TIMEOUTS, 1, &result),
                         -EINVAL);
    }
    head.family = 2;
    assert_int_equal(
        transfer_import(f.swarms, (uint8_t *)&head, sizeof(head), 10, &TIMEOUTS, 1, &result),
        -EINVAL);
    head.family = 0;
    head.peers = UINT32_MAX;
    assert_int_equal(
        transfer_import(f.swarms, (uint8_t *)&head, sizeof(head), 10, &TIMEOUTS, 1, &result),
        -EINVAL);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_of_a_table_arrives_in_another),
        cmocka_unit_test(test_a_large_swarm_arrives_in_order_of_its_blocks),
        cmocka_unit_test(test_stream_is_in_order_of_chunks),
        cmocka_unit_test(test_the_later_word_wins),
        cmocka_unit_test(test_a_tombstone_wins_a_tie_and_loses_to_later_news),
        cmocka_unit_test(test_the_future_counts_as_now_and_the_expired_stay_out),
        cmocka_unit_test(test_malformed_streams_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

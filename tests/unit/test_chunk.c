/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <xxhash.h>

#include "controlplane/store/bytes.h"
#include "controlplane/store/chunk.h"

/* clang wants constants to be made of constants. */
#define NOW                                                                                        \
    {                                                                                              \
        .worker = 100000, .wall = 1700000000                                                       \
    }

static const struct seen_clock now = NOW;

static const struct chunk_header header = {
    .appliance = 7,
    .chunk = 1234,
    .epoch = 0x1122334455667788,
    .sequence = 42,
    .layout = 0x99aabbccddeeff00,
    .time = 1700000000,
};

static const struct seen_times times = {.written = 1700000000, .now = NOW, .timeout = 3600};

static struct transfer_swarm swarm_of(unsigned seed, uint8_t family, uint32_t peers)
{
    struct transfer_swarm swarm = {.family = family, .completed = seed * 3, .peers = peers};

    memset(swarm.info_hash, (int)seed, sizeof(swarm.info_hash));
    return swarm;
}

static struct transfer_ipv4 ipv4_of(unsigned number, uint32_t seen, uint8_t flags)
{
    return (struct transfer_ipv4){
        .peer = {10, 0, (uint8_t)(number >> 8), (uint8_t)number, 0x1a, 0xe1},
        .flags = flags,
        .seen = seen,
    };
}

static struct chunk_reader finish_and_open(struct chunk_writer *writer)
{
    struct chunk_reader reader;

    assert_int_equal(chunk_writer_finish(writer, &header), 0);
    assert_int_equal(chunk_reader_open(&reader, writer->bytes, writer->size), 0);
    return reader;
}

static void test_round_trip(void **state)
{
    struct chunk_writer writer = {0};
    struct transfer_swarm first = swarm_of(1, SWARMS_IPV4, 2), second = swarm_of(2, SWARMS_IPV6, 1);
    struct transfer_ipv4 four[2] = {ipv4_of(1, 99990, TRANSFER_SEEDER | TRANSFER_COMPLETED),
                                    ipv4_of(2, 97000, 0)};
    struct transfer_ipv6 six = {
        .peer = {0x20, 1, [17] = 9}, .flags = TRANSFER_SEEDER, .seen = 99000};
    struct transfer_ipv4 four_read[2];
    struct transfer_ipv6 six_read;
    struct chunk_reader reader;
    struct chunk_entry entry;

    assert_int_equal(chunk_writer_add(&writer, &first, four, now), 0);
    assert_int_equal(chunk_writer_add(&writer, &second, &six, now), 0);
    reader = finish_and_open(&writer);
    assert_int_equal(writer.size, CHUNK_HEADER_SIZE + 2 * 22 + 2 * 8 + 20);

    assert_int_equal(reader.header.appliance, header.appliance);
    assert_int_equal(reader.header.chunk, header.chunk);
    assert_int_equal(reader.header.epoch, header.epoch);
    assert_int_equal(reader.header.sequence, header.sequence);
    assert_int_equal(reader.header.layout, header.layout);
    assert_int_equal(reader.header.time, header.time);
    assert_int_equal(reader.header.entries, 2);
    assert_int_equal(reader.header.peers, 3);

    assert_int_equal(chunk_reader_next(&reader, &entry), 1);
    assert_memory_equal(entry.info_hash, first.info_hash, sizeof(first.info_hash));
    assert_int_equal(entry.family, SWARMS_IPV4);
    assert_int_equal(entry.completed, first.completed);
    assert_int_equal(chunk_entry_peers(&entry, 0, 10, &times, four_read), 2);
    assert_memory_equal(four_read, four, sizeof(four));
    assert_int_equal(chunk_entry_peers(&entry, 1, 10, &times, four_read), 1);
    assert_memory_equal(four_read, &four[1], sizeof(four[1]));
    assert_int_equal(chunk_entry_peers(&entry, 2, 10, &times, four_read), 0);

    assert_int_equal(chunk_reader_next(&reader, &entry), 1);
    assert_int_equal(entry.family, SWARMS_IPV6);
    assert_int_equal(chunk_entry_peers(&entry, 0, 10, &times, &six_read), 1);
    assert_memory_equal(&six_read, &six, sizeof(six));
    assert_int_equal(chunk_reader_next(&reader, &entry), 0);
    chunk_writer_free(&writer);
}

/* As docs/snapshot-format.md has it, byte by byte. */
static void test_header_is_laid_out_as_specified(void **state)
{
    static const uint8_t expected[CHUNK_HEADER_SIZE] = {
        'M',         'S',      'C',      'K',  1,    0,    CHUNK_HEADER_SIZE,
        0,                               /* magic, version, header size */
        [16] = 7,    0,                  /* appliance */
        [18] = 0xd2, 0x04,               /* chunk */
        [20] = 30,   [24] = 1, [28] = 1, /* body size, entries, peers */
        [32] = 0x88, 0x77,     0x66,     0x55, 0x44, 0x33, 0x22,
        0x11,      /* epoch */
        [40] = 42, /* sequence */
        [48] = 0x00, 0xff,     0xee,     0xdd, 0xcc, 0xbb, 0xaa,
        0x99,                                  /* layout */
        [56] = 0x00, 0xf1,     0x53,     0x65, /* time */
    };
    struct chunk_writer writer = {0};
    struct transfer_swarm swarm = swarm_of(1, SWARMS_IPV4, 1);
    struct transfer_ipv4 peer = ipv4_of(1, 99990, 0);

    assert_int_equal(chunk_writer_add(&writer, &swarm, &peer, now), 0);
    assert_int_equal(chunk_writer_finish(&writer, &header), 0);
    assert_memory_equal(writer.bytes, expected, 8);
    assert_memory_equal(writer.bytes + 16, expected + 16, CHUNK_HEADER_SIZE - 16);
    assert_int_equal(bytes_get_u64(writer.bytes + 8),
                     XXH64(writer.bytes + 16, writer.size - 16, bytes_get_u64(expected)));
    chunk_writer_free(&writer);
}

/* The age of the one peer of a chunk, as a reader with these times sees it; -1 if left out. */
static int64_t age_read(struct transfer_ipv4 peer, const struct seen_times *as)
{
    struct chunk_writer writer = {0};
    struct transfer_swarm swarm = swarm_of(1, SWARMS_IPV4, 1);
    struct transfer_ipv4 read;
    struct chunk_reader reader;
    struct chunk_entry entry;
    int64_t age = -1;

    assert_int_equal(chunk_writer_add(&writer, &swarm, &peer, now), 0);
    reader = finish_and_open(&writer);
    assert_int_equal(chunk_reader_next(&reader, &entry), 1);
    if (chunk_entry_peers(&entry, 0, 1, as, &read) == 1)
        age = (int64_t)as->now.worker - read.seen;
    chunk_writer_free(&writer);
    return age;
}

static void test_last_seen_moves_to_the_readers_clock(void **state)
{
    struct seen_times later = times, ahead = times, future = times, rebooted = times;

    assert_int_equal(age_read(ipv4_of(1, now.worker, 0), &times), 0);
    assert_int_equal(age_read(ipv4_of(1, now.worker - 3600, 0), &times), 3600);

    later.now = (struct seen_clock){.worker = 50000, .wall = now.wall + 1000};
    assert_int_equal(age_read(ipv4_of(1, now.worker - 10, 0), &later), 1010);
    assert_int_equal(age_read(ipv4_of(1, now.worker - 2600, 0), &later), 3600);
    assert_int_equal(age_read(ipv4_of(1, now.worker - 2601, 0), &later), -1);

    /* The writer's clock is known to be ten minutes ahead: what it says was now, was now. */
    ahead.now.wall = now.wall - 600;
    ahead.writer_ahead = 600;
    assert_int_equal(age_read(ipv4_of(1, now.worker - 5, 0), &ahead), 5);

    /* It is not known to be ahead: the future counts as now. */
    future.now.wall = now.wall - 600;
    assert_int_equal(age_read(ipv4_of(1, now.worker - 5, 0), &future), 0);
    assert_int_equal(age_read(ipv4_of(1, now.worker - 700, 0), &future), 100);

    /* Older than the workers' clock can tell. */
    rebooted.now.worker = 100;
    assert_int_equal(age_read(ipv4_of(1, now.worker - 100, 0), &rebooted), 100);
    assert_int_equal(age_read(ipv4_of(1, now.worker - 101, 0), &rebooted), -1);
}

static void test_every_age_survives(void **state)
{
    struct seen_times patient = times;

    patient.timeout = SWARMS_TIMEOUT_MAX;
    for (uint32_t age = 0; age <= SWARMS_TIMEOUT_MAX; age += 97)
        assert_int_equal(age_read(ipv4_of(1, now.worker - age, 0), &patient), age);
    assert_int_equal(age_read(ipv4_of(1, now.worker - SWARMS_TIMEOUT_MAX - 1, 0), &patient), -1);
    assert_int_equal(age_read(ipv4_of(1, now.worker + 1, 0), &patient), 0);
}

static void test_tombstones_and_unreachable_peers_are_left_out(void **state)
{
    struct transfer_ipv4 stopped = ipv4_of(1, now.worker, TRANSFER_STOPPED);
    struct transfer_ipv4 portless = ipv4_of(1, now.worker, 0);

    portless.peer[4] = portless.peer[5] = 0;
    assert_int_equal(age_read(stopped, &times), -1);
    assert_int_equal(age_read(portless, &times), -1);
}

static void test_digest_tells_change_from_none(void **state)
{
    struct chunk_writer writer = {0};
    struct transfer_swarm swarm = swarm_of(1, SWARMS_IPV4, 1);
    struct transfer_ipv4 peer = ipv4_of(1, 99990, 0);
    struct seen_clock later = {.worker = now.worker + 500, .wall = now.wall + 500};
    uint64_t first;

    chunk_writer_reset(&writer);
    chunk_writer_add(&writer, &swarm, &peer, now);
    first = chunk_writer_digest(&writer);
    chunk_writer_reset(&writer);
    chunk_writer_add(&writer, &swarm, &peer, later);
    assert_true(chunk_writer_digest(&writer) == first);

    peer.seen++;
    chunk_writer_reset(&writer);
    chunk_writer_add(&writer, &swarm, &peer, later);
    assert_false(chunk_writer_digest(&writer) == first);
    chunk_writer_free(&writer);
}

static void fill(struct chunk_writer *writer)
{
    for (unsigned i = 0; i < 20; i++) {
        struct transfer_swarm swarm = swarm_of(i, SWARMS_IPV4, i);
        struct transfer_ipv4 peers[20];

        for (unsigned p = 0; p < i; p++)
            peers[p] = ipv4_of(p, now.worker - p, 0);
        assert_int_equal(chunk_writer_add(writer, &swarm, peers, now), 0);
    }
    assert_int_equal(chunk_writer_finish(writer, &header), 0);
}

static void test_damage_is_noticed(void **state)
{
    struct chunk_writer writer = {0};
    struct chunk_reader reader;

    fill(&writer);
    for (size_t i = 0; i < writer.size; i++) {
        writer.bytes[i] ^= 0x10;
        assert_int_equal(chunk_reader_open(&reader, writer.bytes, writer.size), -EBADMSG);
        writer.bytes[i] ^= 0x10;
    }
    for (size_t size = 0; size < writer.size; size++)
        assert_int_equal(chunk_reader_open(&reader, writer.bytes, size), -EBADMSG);
    assert_int_equal(chunk_reader_open(&reader, writer.bytes, writer.size), 0);
    chunk_writer_free(&writer);
}

/* Where docs/snapshot-format.md says that the fields lie. */
enum { AT_VERSION = 4, AT_CHECKSUM = 8, AT_BODY_SIZE = 20, AT_ENTRIES = 24, AT_PEERS = 28 };

static void reseal(struct chunk_writer *writer)
{
    bytes_put_u64(writer->bytes + AT_CHECKSUM,
                  XXH64(writer->bytes + 16, writer->size - 16, bytes_get_u64(writer->bytes)));
}

static void test_newer_version_is_told_from_damage(void **state)
{
    struct chunk_writer writer = {0};
    struct chunk_reader reader;

    fill(&writer);
    bytes_put_u16(writer.bytes + AT_VERSION, CHUNK_VERSION + 1);
    assert_int_equal(chunk_reader_open(&reader, writer.bytes, writer.size), -EBADMSG);
    reseal(&writer);
    assert_int_equal(chunk_reader_open(&reader, writer.bytes, writer.size), -ENOTSUP);
    bytes_put_u16(writer.bytes + AT_VERSION, 0);
    reseal(&writer);
    assert_int_equal(chunk_reader_open(&reader, writer.bytes, writer.size), -EBADMSG);
    chunk_writer_free(&writer);
}

/* What reading the whole chunk, whose checksum is right, ends with. */
static int read_all(struct chunk_writer *writer)
{
    struct chunk_reader reader;
    struct chunk_entry entry;
    int result;

    reseal(writer);
    result = chunk_reader_open(&reader, writer->bytes, writer->size);
    while (result == 0 && (result = chunk_reader_next(&reader, &entry)) == 1) {
        struct transfer_ipv4 peers[32];

        assert_true(entry.records + entry.peers * chunk_peer_size(entry.family) <=
                    writer->bytes + writer->size);
        chunk_entry_peers(&entry, 0, 32, &times, peers);
        result = 0;
        if (reader.entries_left == 0)
            return chunk_reader_next(&reader, &entry);
    }
    return result;
}

static void test_counts_that_lie_are_refused(void **state)
{
    static const unsigned fields[] = {AT_BODY_SIZE, AT_ENTRIES, AT_PEERS};
    struct chunk_writer writer = {0};

    fill(&writer);
    assert_int_equal(read_all(&writer), 0);
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        uint32_t right = bytes_get_u32(writer.bytes + fields[i]);
        uint32_t wrong[] = {0, right - 1, right + 1, UINT32_MAX};

        for (size_t w = 0; w < 4; w++) {
            bytes_put_u32(writer.bytes + fields[i], wrong[w]);
            assert_int_equal(read_all(&writer), -EBADMSG);
        }
        bytes_put_u32(writer.bytes + fields[i], right);
    }
    chunk_writer_free(&writer);
}

static void test_entry_that_runs_past_the_end_is_refused(void **state)
{
    struct chunk_writer writer = {0};
    struct transfer_swarm swarm = swarm_of(1, SWARMS_IPV4, 1);
    struct transfer_ipv4 peer = ipv4_of(1, 99990, 0);
    size_t head = CHUNK_HEADER_SIZE + sizeof(swarm.info_hash);

    chunk_writer_add(&writer, &swarm, &peer, now);
    chunk_writer_finish(&writer, &header);
    writer.bytes[head] = 2 << 1; /* two peers */
    assert_int_equal(read_all(&writer), -EBADMSG);
    bytes_put_u32(writer.bytes + AT_PEERS, 2);
    assert_int_equal(read_all(&writer), -EBADMSG);
    writer.bytes[head] = 1 << 1 | 1; /* one, of IPv6 */
    assert_int_equal(read_all(&writer), -EBADMSG);
    memset(writer.bytes + head, 0xff, writer.size - head); /* a number that never ends */
    assert_int_equal(read_all(&writer), -EBADMSG);
    chunk_writer_free(&writer);
}

static void test_chunk_of_a_hot_swarm(void **state)
{
    enum { RECORDS = 100, PEERS = 10000 };
    struct chunk_writer writer = {0};
    struct transfer_ipv4 *peers = calloc(PEERS, sizeof(*peers));
    struct transfer_swarm swarm = swarm_of(1, SWARMS_IPV4, PEERS);
    struct chunk_reader reader;
    struct chunk_entry entry;
    unsigned read = 0;

    for (unsigned i = 0; i < PEERS; i++)
        peers[i] = ipv4_of(i, now.worker, 0);
    for (unsigned i = 0; i < RECORDS; i++)
        assert_int_equal(chunk_writer_add(&writer, &swarm, peers, now), 0);
    reader = finish_and_open(&writer);
    while (chunk_reader_next(&reader, &entry) == 1)
        read += chunk_entry_peers(&entry, 0, PEERS, &times, peers);
    assert_int_equal(read, RECORDS * PEERS);
    free(peers);
    chunk_writer_free(&writer);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_header_is_laid_out_as_specified),
        cmocka_unit_test(test_last_seen_moves_to_the_readers_clock),
        cmocka_unit_test(test_every_age_survives),
        cmocka_unit_test(test_tombstones_and_unreachable_peers_are_left_out),
        cmocka_unit_test(test_digest_tells_change_from_none),
        cmocka_unit_test(test_damage_is_noticed),
        cmocka_unit_test(test_newer_version_is_told_from_damage),
        cmocka_unit_test(test_counts_that_lie_are_refused),
        cmocka_unit_test(test_entry_that_runs_past_the_end_is_refused),
        cmocka_unit_test(test_chunk_of_a_hot_swarm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

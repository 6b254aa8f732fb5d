/* SPDX-License-Identifier: BSD-3-Clause */
/* What members tell each other, as bytes; and who is remembered to have stopped. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <xxhash.h>

#include "controlplane/fleet/delta_batch.h"
#include "controlplane/fleet/member_record.h"
#include "controlplane/fleet/tombstones.h"
#include "controlplane/store/bytes.h"
#include "controlplane/store/steady_clock.h"

static const struct seen_clock now = {.worker = 100000, .wall = 1700000000};

static const struct delta_batch_header header = {
    .appliance = 3,
    .stream = 5,
    .records = 2,
    .epoch = 0x1122334455667788,
    .sequence = 99,
    .before = 12345,
    .time_ms = 1700000000123,
    .steps_ms = -600000,
};

static size_t make_batch(uint8_t *bytes)
{
    struct delta four = {
        .peer = {10, 0, 0, 1, 0x1a, 0xe1}, .flags = TRANSFER_SEEDER, .seen = 99990};
    struct delta six = {.peer = {0x20, 1, [17] = 9},
                        .family = SWARMS_IPV6,
                        .flags = TRANSFER_STOPPED,
                        .seen = 100000};
    size_t size = delta_batch_begin(bytes);

    memset(four.info_hash, 4, 20);
    memset(six.info_hash, 6, 20);
    size = delta_batch_add(bytes, size, &four, now);
    size = delta_batch_add(bytes, size, &six, now);
    delta_batch_finish(bytes, size, &header);
    return size;
}

static void test_batch_round_trip(void **state)
{
    struct seen_times times = {.written = 1700000000, .now = now, .timeout = 3600};
    uint8_t bytes[DELTA_BATCH_SIZE_MAX];
    struct delta_batch_reader reader;
    struct delta_record record;
    size_t size = make_batch(bytes);

    assert_int_equal(size, DELTA_BATCH_HEADER_SIZE + 29 + 41);
    assert_int_equal(delta_batch_open(&reader, bytes, size), 0);
    assert_memory_equal(&reader.header, &header, sizeof(header));

    assert_int_equal(delta_batch_next(&reader, &record), 1);
    assert_int_equal(record.family, SWARMS_IPV4);
    assert_int_equal(record.flags, TRANSFER_SEEDER);
    assert_int_equal(record.info_hash[0], 4);
    assert_int_equal(record.peer[3], 1);
    assert_int_equal(seen_age(record.state, &times), 10);

    assert_int_equal(delta_batch_next(&reader, &record), 1);
    assert_int_equal(record.family, SWARMS_IPV6);
    assert_int_equal(record.flags, TRANSFER_STOPPED);
    assert_int_equal(record.peer[17], 9);
    assert_int_equal(seen_age(record.state, &times), 0);
    assert_int_equal(delta_batch_next(&reader, &record), 0);
}

/* As docs/snapshot-format.md has it, byte by byte. */
static void test_batch_header_is_laid_out_as_specified(void **state)
{
    static const uint8_t expected[DELTA_BATCH_HEADER_SIZE] = {
        'M',         'S',         'D',      'L',  1,    0,    DELTA_BATCH_HEADER_SIZE,
        0,                                  /* magic, version, header size */
        [16] = 3,    [18] = 5,    [20] = 2, /* appliance, stream, records */
        [24] = 0x88, 0x77,        0x66,     0x55, 0x44, 0x33, 0x22,
        0x11,                                                 /* epoch */
        [32] = 99,   [40] = 0x39, 0x30,                       /* sequence, before */
        [48] = 0x7b, 0x68,        0xe5,     0xcf, 0x8b, 0x01, /* time in ms */
        [56] = 0x40, 0xd8,        0xf6,     0xff, 0xff, 0xff, 0xff,
        0xff, /* steps in ms */
    };
    uint8_t bytes[DELTA_BATCH_SIZE_MAX];

    make_batch(bytes);
    assert_memory_equal(bytes, expected, 8);
    assert_memory_equal(bytes + 16, expected + 16, DELTA_BATCH_HEADER_SIZE - 16);
}

static void test_damaged_batch_is_refused(void **state)
{
    uint8_t bytes[DELTA_BATCH_SIZE_MAX];
    struct delta_batch_reader reader;
    size_t size = make_batch(bytes);

    for (size_t i = 0; i < size; i++) {
        bytes[i] ^= 0x40;
        assert_int_equal(delta_batch_open(&reader, bytes, size), -EBADMSG);
        bytes[i] ^= 0x40;
        assert_int_equal(delta_batch_open(&reader, bytes, i), -EBADMSG);
    }
}

static void reseal(uint8_t *bytes, size_t size)
{
    bytes_put_u64(bytes + 8, XXH64(bytes + 16, size - 16, bytes_get_u64(bytes)));
}

static int read_batch(uint8_t *bytes, size_t size)
{
    struct delta_batch_reader reader;
    struct delta_record record;
    int result;

    reseal(bytes, size);
    result = delta_batch_open(&reader, bytes, size);
    if (result)
        return result;
    while ((result = delta_batch_next(&reader, &record)) == 1)
        assert_true(record.peer + swarms_peer_size(record.family) <= bytes + size);
    return result;
}

static void test_batch_that_lies_is_refused(void **state)
{
    enum { AT_VERSION = 4, AT_RECORDS = 20, AT_KIND = DELTA_BATCH_HEADER_SIZE };
    uint8_t bytes[DELTA_BATCH_SIZE_MAX];
    size_t size = make_batch(bytes);

    for (size_t cut = 1; cut <= size - DELTA_BATCH_HEADER_SIZE;
         cut++) { /* and its checksum is right */
        assert_int_equal(read_batch(bytes, size - cut), -EBADMSG);
        size = make_batch(bytes);
    }
    assert_int_equal(read_batch(bytes, size), 0);
    for (uint32_t records = 0; records < 5; records++) {
        bytes_put_u32(bytes + AT_RECORDS, records);
        assert_int_equal(read_batch(bytes, size), records == 2 ? 0 : -EBADMSG);
    }
    bytes_put_u32(bytes + AT_RECORDS, UINT32_MAX);
    assert_int_equal(read_batch(bytes, size), -EBADMSG);
    bytes_put_u32(bytes + AT_RECORDS, 2);
    bytes[AT_KIND] ^= 1; /* an IPv6 peer where there is none */
    assert_int_equal(read_batch(bytes, size), -EBADMSG);
    bytes[AT_KIND] ^= 1 | 0x80; /* a kind that we don't know */
    assert_int_equal(read_batch(bytes, size), -EBADMSG);
    bytes[AT_KIND] ^= 0x80;
    bytes_put_u16(bytes + AT_VERSION, DELTA_BATCH_VERSION + 1);
    assert_int_equal(read_batch(bytes, size), -ENOTSUP);
    bytes_put_u16(bytes + AT_VERSION, 0);
    assert_int_equal(read_batch(bytes, size), -EBADMSG);
}

/* tests/cluster/wall_clock.c */
void wall_clock_set(int64_t offset);

static void test_steady_clock_does_not_jump(void **state)
{
    uint64_t before = steady_clock_ms();

    assert_int_equal(steady_clock_steps_ms(), 0);
    for (int step = -600; step <= 600; step += 600) {
        wall_clock_set(step);
        assert_in_range(steady_clock_ms(), before, before + 5000);
        assert_true(llabs(steady_clock_steps_ms() - 1000 * step) <= 1);
    }
    wall_clock_set(0);
    assert_true(llabs(steady_clock_steps_ms()) <= 1);
}

/* As docs/snapshot-format.md has it, byte by byte. */
static void test_member_record_is_laid_out_as_specified(void **state)
{
    static const struct member_record record = {.appliance = 0x0107,
                                                .state = MEMBER_LEAVING,
                                                .chunk_version = 0x0201,
                                                .streams_count = 2,
                                                .instance = 0x1817161514131211,
                                                .epoch = 0x2827262524232221,
                                                .beat = 0x3837363534333231,
                                                .time_ms = 0x4847464544434241,
                                                .layout = 0x5857565554535251,
                                                .peers = 0x6867666564636261,
                                                .torrents = 0x7877767574737271,
                                                .steps_ms = -600000,
                                                .name = "rack-7",
                                                .streams = {{0x81, 0x82, 0x83}, {0x91, 0x92, 0}}};
    static const uint8_t expected[MEMBER_RECORD_HEADER_SIZE + 2 * 24] = {
        "MSMB\x01\x00\x78\x00"                 /* magic, version, header size */
        "........"                             /* the rest's XXH64 */
        "\x07\x01\x02\x00\x01\x02\x02\x00"     /* appliance, state, chunk version, streams */
        "\x11\x12\x13\x14\x15\x16\x17\x18"     /* instance */
        "\x21\x22\x23\x24\x25\x26\x27\x28"     /* epoch */
        "\x31\x32\x33\x34\x35\x36\x37\x38"     /* beat */
        "\x41\x42\x43\x44\x45\x46\x47\x48"     /* time in ms */
        "\x51\x52\x53\x54\x55\x56\x57\x58"     /* layout */
        "\x61\x62\x63\x64\x65\x66\x67\x68"     /* peers */
        "\x71\x72\x73\x74\x75\x76\x77\x78"     /* torrents */
        "\x40\xd8\xf6\xff\xff\xff\xff\xff"     /* steps in ms */
        "rack-7\0\0\0\0\0\0\0\0\0\0"           /* name */
        "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"     /*   of 32 bytes */
        "\x81\0\0\0\0\0\0\0\x82\0\0\0\0\0\0\0" /* a stream: time, sequence, */
        "\x83\0\0\0\0\0\0\0"                   /*   records */
        "\x91\0\0\0\0\0\0\0\x92\0\0\0\0\0\0\0" /* another */
        "\0\0\0\0\0\0\0"};
    uint8_t bytes[MEMBER_RECORD_SIZE_MAX], *checksum = bytes + 8;
    size_t size = member_record_write(&record, bytes);

    assert_int_equal(size, sizeof(expected));
    assert_memory_equal(bytes, expected, 8);
    assert_memory_equal(bytes + 16, expected + 16, size - 16);
    assert_int_equal(bytes_get_u64(checksum), XXH64(bytes + 16, size - 16, bytes_get_u64(bytes)));
}

static void test_member_record(void **state)
{
    struct member_record record = {.appliance = 7,
                                   .state = MEMBER_SERVING,
                                   .chunk_version = 1,
                                   .streams_count = 2,
                                   .instance = 1,
                                   .epoch = 2,
                                   .beat = 3,
                                   .time_ms = 4,
                                   .steps_ms = -14,
                                   .layout = 5,
                                   .peers = 6,
                                   .torrents = 7,
                                   .name = "rack-7",
                                   .streams = {{8, 9, 10}, {11, 12, 13}}},
                         read;
    uint8_t bytes[MEMBER_RECORD_SIZE_MAX];
    size_t size = member_record_write(&record, bytes);

    assert_int_equal(member_record_read(&read, bytes, size), 0);
    assert_memory_equal(&read, &record, sizeof(record));
    for (size_t i = 0; i < size; i++) {
        bytes[i] ^= 2;
        assert_int_equal(member_record_read(&read, bytes, size), -EBADMSG);
        bytes[i] ^= 2;
        assert_int_equal(member_record_read(&read, bytes, i), -EBADMSG);
    }
    bytes_put_u16(bytes + 22, 65); /* more streams than there may be, or than follow */
    reseal(bytes, size);
    assert_int_equal(member_record_read(&read, bytes, size), -EBADMSG);
    bytes_put_u16(bytes + 22, 1);
    reseal(bytes, size);
    assert_int_equal(member_record_read(&read, bytes, size), -EBADMSG);
    bytes_put_u16(bytes + 22, 2);
    bytes[88] = '\033'; /* the name is shown to people */
    reseal(bytes, size);
    assert_int_equal(member_record_read(&read, bytes, size), 0);
    assert_string_equal(read.name, "?ack-7");
    bytes_put_u16(bytes + 4, 2);
    reseal(bytes, size);
    assert_int_equal(member_record_read(&read, bytes, size), -ENOTSUP);
}

static void test_tombstones(void **state)
{
    struct tombstones *tombstones = tombstones_new();
    uint8_t info_hash[20] = {1}, other[20] = {2};
    uint8_t peer[18] = {10, 0, 0, 1, 0x1a, 0xe1};
    struct transfer_ipv4 peers[3] = {
        {.peer = {10, 0, 0, 1, 0x1a, 0xe1}, .seen = 500},
        {.peer = {10, 0, 0, 2, 0x1a, 0xe1}, .seen = 400},
        {.peer = {10, 0, 0, 1, 0x1a, 0xe1}, .seen = 501},
    };

    assert_int_equal(tombstones_filter(tombstones, info_hash, SWARMS_IPV4, peers, 3), 3);
    tombstones_add(tombstones, info_hash, SWARMS_IPV4, peer, 500);
    tombstones_add(tombstones, info_hash, SWARMS_IPV4, peer, 300); /* late news */
    assert_int_equal(tombstones_find(tombstones, info_hash, SWARMS_IPV4, peer), 500);
    assert_int_equal(tombstones_find(tombstones, other, SWARMS_IPV4, peer), 0);
    assert_int_equal(tombstones_find(tombstones, info_hash, SWARMS_IPV6, peer), 0);
    assert_int_equal(tombstones_filter(tombstones, info_hash, SWARMS_IPV4, peers, 3), 2);
    assert_int_equal(peers[0].peer[3], 2);
    assert_int_equal(peers[1].seen, 501);
    tombstones_free(tombstones);
}

static void test_the_oldest_tombstones_are_forgotten(void **state)
{
    enum { COUNT = 3 << 20 }; /* three times what there is room for */
    struct tombstones *tombstones = tombstones_new();
    uint8_t info_hash[20] = {1}, peer[18] = {0};
    unsigned recent = 0, old = 0;

    for (uint32_t i = 1; i <= COUNT; i++) {
        memcpy(peer, &i, sizeof(i));
        tombstones_add(tombstones, info_hash, SWARMS_IPV4, peer, i);
    }
    for (uint32_t i = 1; i <= COUNT; i++) {
        memcpy(peer, &i, sizeof(i));
        if (tombstones_find(tombstones, info_hash, SWARMS_IPV4, peer) == i)
            *(i > COUNT - COUNT / 12 ? &recent : &old) += 1;
    }
    assert_true(recent > COUNT / 12 * 98 / 100); /* the last quarter of what there is room for */
    assert_true(old + recent <= 1 << 20);
    tombstones_free(tombstones);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batch_round_trip),
        cmocka_unit_test(test_batch_header_is_laid_out_as_specified),
        cmocka_unit_test(test_damaged_batch_is_refused),
        cmocka_unit_test(test_batch_that_lies_is_refused),
        cmocka_unit_test(test_steady_clock_does_not_jump),
        cmocka_unit_test(test_member_record),
        cmocka_unit_test(test_member_record_is_laid_out_as_specified),
        cmocka_unit_test(test_tombstones),
        cmocka_unit_test(test_the_oldest_tombstones_are_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

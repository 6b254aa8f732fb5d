/* SPDX-License-Identifier: BSD-3-Clause */
/* Scrapes over one and over several owners. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "rig.h"

static struct rig rig;
static struct frame frame, frames[SWARMS_BURST_MAX];
static uint8_t payload[2048];
static const struct frame_shape shapes[] = {{.tags = 0}, {.ipv6 = true}};

/* Torrent `hash` gets `hash % 5` leechers in IPv4, one more in IPv6. */
static void fill(void)
{
    for (unsigned family = 0; family < 2; family++)
        for (unsigned hash = 1; hash <= 80; hash++)
            for (unsigned peer = 0; peer < hash % 5 + family; peer++) {
                frame_build(&frame, &shapes[family], payload,
                            frame_announce(payload, rig_connection_id(&rig, family), 9,
                                           (uint8_t)hash, (uint16_t)(1000 + peer)));
                rig_serve(&rig, &frame);
                assert_int_equal(frame.request.verdict, REQUEST_REPLY_ANNOUNCE);
            }
}

static void assert_rows(const struct frame *reply, unsigned family, unsigned rows)
{
    const uint8_t *at = rig_payload(reply);

    assert_int_equal(reply->request.verdict, REQUEST_REPLY_SCRAPE);
    assert_int_equal(reply->request.payload_length, 8 + 12 * rows);
    assert_int_equal(rig_load32(at), 2);
    assert_int_equal(rig_load32(at + 4), 0xabcdef01);
    for (unsigned row = 0; row < rows; row++) {
        assert_int_equal(rig_load32(at + 8 + 12 * row), 0);                       /* seeders */
        assert_int_equal(rig_load32(at + 12 + 12 * row), 0);                      /* completed */
        assert_int_equal(rig_load32(at + 16 + 12 * row), (row + 1) % 5 + family); /* leechers */
    }
}

static void rows_come_in_the_order_asked_from_any_number_of_owners(void **state)
{
    for (unsigned workers = 1; workers <= RIG_WORKERS_MAX; workers++) {
        rig_start(&rig, workers);
        fill();
        for (unsigned family = 0; family < 2; family++)
            for (unsigned rows = 1; rows <= 74; rows++) {
                frame_build(
                    &frame, &shapes[family], payload,
                    frame_scrape(payload, rig_connection_id(&rig, family), 0xabcdef01, rows));
                rig_serve(&rig, &frame);
                assert_rows(&frame, family, rows);
            }
        rig_stop(&rig);
    }
}

static void a_burst_of_scrapes_keeps_them_apart(void **state)
{
    rig_start(&rig, 3);
    fill();
    for (unsigned i = 0; i < SWARMS_BURST_MAX; i++)
        frame_build(&frames[i], &shapes[i % 2], payload,
                    frame_scrape(payload, rig_connection_id(&rig, i % 2), 0xabcdef01, 1 + i));
    rig_serve_burst(&rig, frames, SWARMS_BURST_MAX);
    for (unsigned i = 0; i < SWARMS_BURST_MAX; i++)
        assert_rows(&frames[i], i % 2, 1 + i);
    rig_stop(&rig);
}

static void unknown_torrents_are_zeros_and_not_stored(void **state)
{
    rig_start(&rig, 1);
    frame_build(&frame, &shapes[0], payload,
                frame_scrape(payload, rig_connection_id(&rig, false), 1, 2));
    rig_serve(&rig, &frame);
    assert_memory_equal(rig_payload(&frame) + 8, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
                        24);
    assert_int_equal(swarms_counters(rig.pipelines[0].swarms)->torrents[0], 0);
    rig_stop(&rig);
}

static void a_hash_asked_twice_is_answered_twice(void **state)
{
    rig_start(&rig, 2);
    fill();
    frame_scrape(payload, rig_connection_id(&rig, false), 1, 3);
    memset(payload + 16, 4, 60);
    frame_build(&frame, &shapes[0], payload, 16 + 60 + 19); /* and a rest that is no hash */
    rig_serve(&rig, &frame);
    assert_int_equal(frame.request.payload_length, 8 + 36);
    for (unsigned row = 0; row < 3; row++)
        assert_int_equal(rig_load32(rig_payload(&frame) + 16 + 12 * row), 4);
    rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_come_in_the_order_asked_from_any_number_of_owners),
        cmocka_unit_test(a_burst_of_scrapes_keeps_them_apart),
        cmocka_unit_test(unknown_torrents_are_zeros_and_not_stored),
        cmocka_unit_test(a_hash_asked_twice_is_answered_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Who gets an answer, who an error, and who silence; and that nothing gets lost on the way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/access_set.h"
#include "dataplane/ban_set.h"
#include "rig.h"

static struct rig rig;
static struct frame frame;
static uint8_t payload[2048];
static const struct frame_shape ipv4, ipv6 = {.ipv6 = true};

static int start(void **state)
{
    rig_start(&rig, 1);
    return 0;
}

static int stop(void **state)
{
    rig_stop(&rig);
    return 0;
}

/* Serves an announce and returns its verdict. */
static unsigned announce(const struct frame_shape *shape, uint64_t connection_id, uint8_t hash)
{
    frame_build(&frame, shape, payload,
                frame_announce(payload, connection_id, 0x0a0b0c0d, hash, 6881));
    rig_serve(&rig, &frame);
    return frame.request.verdict;
}

static unsigned announce_verified(const struct frame_shape *shape, uint8_t hash)
{
    return announce(shape, rig_connection_id(&rig, shape->ipv6), hash);
}

static void assert_error(const char *message)
{
    assert_int_equal(frame.request.verdict, REQUEST_REPLY_ERROR);
    assert_int_equal(frame.request.payload_length, 8 + strlen(message));
    assert_int_equal(rig_load32(rig_payload(&frame)), 3);
    assert_int_equal(rig_load32(rig_payload(&frame) + 4), 0x0a0b0c0d);
    assert_memory_equal(rig_payload(&frame) + 8, message, strlen(message));
}

static void a_connect_is_answered_with_an_id_that_is_honoured(void **state)
{
    for (unsigned family = 0; family < 2; family++) {
        const struct frame_shape *shape = family ? &ipv6 : &ipv4;
        uint64_t id;

        frame_build(&frame, shape, payload, frame_connect(payload, 5));
        rig_serve(&rig, &frame);
        assert_int_equal(frame.request.verdict, REQUEST_REPLY_CONNECT);
        id = (uint64_t)rig_load32(rig_payload(&frame) + 8) << 32 |
             rig_load32(rig_payload(&frame) + 12);
        assert_int_equal(announce(shape, id, 1), REQUEST_REPLY_ANNOUNCE);
    }
}

static void forged_ids_get_silence(void **state)
{
    assert_int_equal(announce(&ipv4, rig_connection_id(&rig, false) + 1, 1),
                     COUNTER_DROP_connection_id);
    assert_int_equal(announce(&ipv6, 0, 1), COUNTER_DROP_connection_id);
    assert_int_equal(rig.pipelines[0].sends.count, 0);
    assert_int_equal(rig_count(&rig, COUNTER_DROP_connection_id), 2);
    frame_build(&frame, &ipv4, payload, frame_scrape(payload, 1, 5, 80)); /* however wrong it is */
    rig_serve(&rig, &frame);
    assert_int_equal(frame.request.verdict, COUNTER_DROP_connection_id);
}

/* Whatever somebody sends who has no connection ID: no answer, or one that isn't longer. */
static void unverified_sources_get_no_more_than_they_sent(void **state)
{
    static const uint64_t ids[] = {0, 1, UINT64_C(0x41727101980), UINT64_MAX};
    unsigned answered = 0;

    for (uint32_t action = 0; action < 5; action++) {
        for (unsigned id = 0; id < 4; id++) {
            for (unsigned length = 0; length < 1400; length += length < 120 ? 1 : 97) {
                uint8_t bytes[1400] = {0};
                unsigned sent;

                for (unsigned i = 0; i < 8; i++)
                    bytes[i] = (uint8_t)(ids[id] >> (56 - 8 * i));
                bytes[11] = (uint8_t)action;
                frame_build(&frame, id & 1 ? &ipv6 : &ipv4, bytes, length);
                sent = frame.request.length;
                rig_serve(&rig, &frame);
                if (frame.request.verdict < REQUEST_REPLY)
                    continue;
                assert_int_equal(frame.request.verdict, REQUEST_REPLY_CONNECT);
                assert_true(frame.request.length <= sent);
                answered++;
            }
        }
    }
    assert_int_equal(answered, 118); /* connects with the magic, of 16 bytes and more */
}

static void verified_clients_are_told_what_is_wrong(void **state)
{
    uint64_t id = rig_connection_id(&rig, false);

    frame_announce(payload, id, 0x0a0b0c0d, 1, 6881);
    memcpy(payload + 98, "\x02\x09/short", 8);
    frame_build(&frame, &ipv4, payload, 98 + 8);
    rig_serve(&rig, &frame);
    assert_error("options run past the end of the packet");

    frame_build(&frame, &ipv4, payload, frame_scrape(payload, id, 0x0a0b0c0d, 75));
    rig_serve(&rig, &frame);
    assert_error("more than 74 info-hashes");
}

static void the_access_list_decides(void **state)
{
    uint8_t listed[1][20];
    struct access_set *set;

    memset(listed, 7, sizeof(listed));
    set = access_set_build((const uint8_t(*)[20])listed, 1);
    rig.settings.access = set;

    rig.settings.access_mode = DATAPLANE_ACCESS_ALLOW;
    assert_int_equal(announce_verified(&ipv4, 7), REQUEST_REPLY_ANNOUNCE);
    assert_int_equal(announce_verified(&ipv4, 8), REQUEST_REPLY_ERROR);
    assert_error("this torrent is not tracked here");
    assert_int_equal(announce(&ipv4, 0, 8), COUNTER_DROP_connection_id);

    rig.settings.access_mode = DATAPLANE_ACCESS_DENY;
    assert_int_equal(announce_verified(&ipv6, 7), REQUEST_REPLY_ERROR);
    assert_int_equal(announce_verified(&ipv6, 8), REQUEST_REPLY_ANNOUNCE);
    assert_int_equal(rig_count(&rig, COUNTER_access_refused), 2);

    rig.settings.access = NULL; /* no list is an empty list */
    rig.settings.access_mode = DATAPLANE_ACCESS_ALLOW;
    assert_int_equal(announce_verified(&ipv4, 7), REQUEST_REPLY_ERROR);
    rig.settings.access_mode = DATAPLANE_ACCESS_DENY;
    assert_int_equal(announce_verified(&ipv4, 7), REQUEST_REPLY_ANNOUNCE);
    access_set_free(set);
}

static void banned_sources_get_silence(void **state)
{
    struct ban ban = {.family = 4, .length = 24, .until = 2000000000};
    struct ban_set *bans;

    memcpy(ban.bytes, FRAME_CLIENT_IPV4, 3);
    bans = ban_set_create(&ban, 1);
    rig.settings.bans = bans;
    assert_int_equal(announce_verified(&ipv4, 1), COUNTER_DROP_banned);
    assert_int_equal(announce_verified(&ipv6, 1), REQUEST_REPLY_ANNOUNCE);
    frame_build(&frame, &ipv4, payload, frame_connect(payload, 5));
    rig_serve(&rig, &frame);
    assert_int_equal(frame.request.verdict, COUNTER_DROP_banned);

    frame_build(&frame, &ipv4, payload, frame_connect(payload, 5));
    frame.request.screened = 1; /* XDP knows better */
    rig_serve(&rig, &frame);
    assert_int_equal(frame.request.verdict, REQUEST_REPLY_CONNECT);

    rig.pipelines[0].nanoseconds = 2000000001; /* it is over */
    assert_int_equal(announce_verified(&ipv4, 1), REQUEST_REPLY_ANNOUNCE);
    ban_set_free(bans);
}

static void sources_over_their_limit_get_silence(void **state)
{
    struct limiter_config *limiter = &rig.settings.limiter;

    *limiter = (struct limiter_config){.secret = {1, 2, 3}};
    limiter->limits[LIMITER_ESTABLISHED][LIMITER_IPV4_32] = limiter_limit(1, 2);
    for (unsigned i = 0; i < 10; i++)
        announce(&ipv4, 0, 1); /* forgeries don't use up the budget */
    assert_int_equal(announce_verified(&ipv4, 1), REQUEST_REPLY_ANNOUNCE);
    assert_int_equal(announce_verified(&ipv4, 1), REQUEST_REPLY_ANNOUNCE);
    assert_int_equal(announce_verified(&ipv4, 1), COUNTER_DROP_limited);
    assert_int_equal(announce_verified(&ipv6, 1), REQUEST_REPLY_ANNOUNCE);

    limiter->dry_run = 1;
    assert_int_equal(announce_verified(&ipv4, 1), REQUEST_REPLY_ANNOUNCE);
    assert_int_equal(rig_count(&rig, COUNTER_would_limit), 1);
    assert_int_equal(rig_count(&rig, COUNTER_DROP_limited), 1);
}

static void damaged_requests_are_dropped_and_damaged_others_punted(void **state)
{
    frame_build(&frame, &ipv4, payload, frame_connect(payload, 5));
    frame.request.damaged = 1;
    rig_serve(&rig, &frame);
    assert_int_equal(frame.request.verdict, COUNTER_DROP_checksum);

    frame_build(&frame, &ipv4, payload, frame_connect(payload, 5));
    frame.bytes[frame.transport + 2] ^= 1;
    frame.request.damaged = 1;
    rig_serve(&rig, &frame);
    assert_int_equal(frame.request.verdict, REQUEST_PUNT);
}

/* Makes one of many kinds of frame. */
static void build_any(struct frame *into, unsigned kind, uint64_t id)
{
    unsigned length;

    switch (kind % 8) {
    case 0:
        length = frame_connect(payload, kind);
        break;
    case 1:
        length = frame_announce(payload, kind % 3 ? id : 1, kind, (uint8_t)kind, 6881);
        break;
    case 2:
        length = frame_scrape(payload, kind % 3 ? id : 1, kind, 1 + kind % 80);
        break;
    case 3:
        length = frame_announce(payload, id, kind, (uint8_t)kind, 0);
        break;
    case 4:
        length = frame_announce(payload, id, kind, (uint8_t)kind, 1) - kind % 90;
        break;
    default:
        length = frame_announce(payload, id, kind, (uint8_t)(kind / 8), (uint16_t)(1 + kind));
        break;
    }
    frame_build(into, &ipv4, payload, length);
    if (kind % 13 == 0)
        into->bytes[12] = 0;
}

static void every_packet_comes_out_exactly_once(void **state)
{
    struct frame *frames = calloc(SWARMS_BURST_MAX, sizeof(*frames));

    rig_stop(&rig);
    for (unsigned workers = 1; workers <= RIG_WORKERS_MAX; workers++) {
        rig_start(&rig, workers);
        for (unsigned round = 0; round < 200; round++) {
            unsigned replies = 0, drops = 0, punts = 0;
            uint64_t id = rig_connection_id(&rig, false);

            for (unsigned i = 0; i < SWARMS_BURST_MAX; i++)
                build_any(&frames[i], round * 31 + i, id);
            rig_serve_burst(&rig, frames, SWARMS_BURST_MAX);
            for (unsigned i = 0; i < SWARMS_BURST_MAX; i++) {
                replies += frames[i].request.verdict >= REQUEST_REPLY;
                punts += frames[i].request.verdict == REQUEST_PUNT;
                drops += frames[i].request.verdict < REQUEST_PUNT;
            }
            assert_int_equal(replies + drops + punts, SWARMS_BURST_MAX);
            assert_int_equal(drops, rig.pipelines[0].drops.count);
            assert_int_equal(punts, rig.pipelines[0].punts.count);
            if (workers == 1)
                assert_int_equal(replies, rig.pipelines[0].sends.count);
        }
        if (workers < RIG_WORKERS_MAX)
            rig_stop(&rig);
    }
    free(frames);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_connect_is_answered_with_an_id_that_is_honoured),
        TEST(forged_ids_get_silence),
        TEST(unverified_sources_get_no_more_than_they_sent),
        TEST(verified_clients_are_told_what_is_wrong),
        TEST(the_access_list_decides),
        TEST(banned_sources_get_silence),
        TEST(sources_over_their_limit_get_silence),
        TEST(damaged_requests_are_dropped_and_damaged_others_punted),
        TEST(every_packet_comes_out_exactly_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <hiredis/hiredis.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "controlplane/store/redis_address.h"
#include "controlplane/store/redis_errors.h"
#include "controlplane/store/redis_info.h"
#include "controlplane/store/redis_slots.h"

static unsigned slot_of(const char *key)
{
    return redis_key_slot(key, strlen(key));
}

/* Values from the cluster specification and from CLUSTER KEYSLOT of Redis 7. */
static void test_slots_of_keys(void **state)
{
    assert_int_equal(slot_of("123456789"), 0x31c3);
    assert_int_equal(slot_of("foo"), 12182);
    assert_int_equal(slot_of("{user1000}.following"), slot_of("{user1000}.followers"));
    assert_int_equal(slot_of("{user1000}.following"), slot_of("user1000"));
    assert_int_equal(slot_of("foo{}{bar}"), 8363);
    assert_int_equal(slot_of("foo{{bar}}zap"), slot_of("{bar"));
    assert_int_equal(slot_of("foo{bar}{zap}"), slot_of("bar"));
    assert_int_equal(slot_of("{"), slot_of("{"));
    assert_int_equal(redis_key_slot("", 0), 0);
}

static void test_every_slot_has_a_tag(void **state)
{
    for (unsigned slot = 0; slot < REDIS_SLOTS; slot++) {
        char key[32];

        assert_true(strlen(redis_slot_tag(slot)) <= 6);
        assert_int_equal(slot_of(redis_slot_tag(slot)), slot);
        snprintf(key, sizeof(key), "{%s}:s:1:2", redis_slot_tag(slot));
        assert_int_equal(slot_of(key), slot);
    }
}

static enum redis_error error_of(const char *text)
{
    return redis_error_parse(text, strlen(text));
}

static void test_error_kinds(void **state)
{
    assert_int_equal(error_of("MOVED 3999 127.0.0.1:6381"), REDIS_ERROR_moved);
    assert_int_equal(error_of("CLUSTERDOWN The cluster is down"), REDIS_ERROR_clusterdown);
    assert_int_equal(error_of("LOADING Redis is loading the dataset in memory"),
                     REDIS_ERROR_loading);
    assert_int_equal(error_of("OOM command not allowed"), REDIS_ERROR_oom);
    assert_int_equal(error_of("OOMPH"), REDIS_ERROR_other);
    assert_int_equal(error_of("ERR unknown command"), REDIS_ERROR_other);
    assert_int_equal(error_of(""), REDIS_ERROR_other);
    assert_int_equal(error_of("TRYAGAIN"), REDIS_ERROR_tryagain);
}

static void test_backoff_grows_to_its_limit(void **state)
{
    for (unsigned kind = 0; kind < REDIS_ERROR_KINDS; kind++) {
        for (unsigned attempt = 1; attempt < 40; attempt++) {
            uint32_t wait = redis_error_backoff((enum redis_error)kind, attempt);

            assert_true(wait <= 30000);
        }
    }
    assert_true(redis_error_backoff(REDIS_ERROR_connect, 1) >= 50);
    assert_true(redis_error_backoff(REDIS_ERROR_connect, 1) <= 100);
    assert_true(redis_error_backoff(REDIS_ERROR_connect, 30) >= 1000);
    assert_int_equal(redis_error_backoff(REDIS_ERROR_moved, 1), 0);
    assert_true(redis_error_backoff(REDIS_ERROR_moved, 2) > 0);
}

static void test_addresses(void **state)
{
    static const char *const wrong[] = {"",     ":1",      "a",        "a:",    "a:0",
                                        "a:-1", "a:65536", "a:123456", "a:1x",  "[::1]",
                                        "a: 1", "[]:1",    "a:+1",     "a:1.0:"};
    struct redis_address address;

    assert_int_equal(redis_address_parse(&address, "redis.example:6379", 18), 0);
    assert_string_equal(address.host, "redis.example");
    assert_int_equal(address.port, 6379);
    assert_int_equal(redis_address_parse(&address, "[::1]:7000", 10), 0);
    assert_string_equal(address.host, "::1");
    assert_int_equal(redis_address_parse(&address, "::1:7000", 8), 0);
    assert_string_equal(address.host, "::1");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(redis_address_parse(&address, wrong[i], strlen(wrong[i])), -EINVAL);
}

static int redirect_of(const char *text, unsigned *slot, struct redis_address *to)
{
    const struct redis_address asked = {.host = "10.0.0.1", .port = 1};

    return redis_redirect_parse(text, strlen(text), &asked, slot, to);
}

static void test_redirects(void **state)
{
    static const char *const wrong[] = {
        "MOVED",        "MOVED ",          "MOVED 1",         "MOVED 1 ",
        "MOVED x a:1",  "MOVED 16384 a:1", "MOVED 1 a",       "MOVED  1 a:1",
        "MOVED -1 a:1", "MOVED 1 a:1 b",   "MOVED 1 a:99999", "MOVED 99999999999 a:1"};
    struct redis_address to;
    unsigned slot;

    assert_int_equal(redirect_of("MOVED 3999 127.0.0.1:6381", &slot, &to), 0);
    assert_int_equal(slot, 3999);
    assert_string_equal(to.host, "127.0.0.1");
    assert_int_equal(to.port, 6381);
    assert_int_equal(redirect_of("ASK 16383 ::1:6381", &slot, &to), 0);
    assert_string_equal(to.host, "::1");
    assert_int_equal(redirect_of("MOVED 1 :6381", &slot, &to), 0);
    assert_string_equal(to.host, "10.0.0.1");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(redirect_of(wrong[i], &slot, &to), -EBADMSG);
}

static struct redis_slot_map map;

static int map_of(const char *text)
{
    const struct redis_address asked = {.host = "10.0.0.9", .port = 9};
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;
    int result;

    redisReaderFeed(reader, text, strlen(text));
    assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
    assert_non_null(reply);
    result = redis_slot_map_parse(&map, reply, &asked);
    freeReplyObject(reply);
    redisReaderFree(reader);
    return result;
}

static void test_slot_map(void **state)
{
    assert_int_equal(map_of("*2\r\n"
                            "*4\r\n:0\r\n:8191\r\n"
                            "*4\r\n$9\r\n127.0.0.1\r\n:7000\r\n$2\r\nid\r\n*0\r\n"
                            "*3\r\n$9\r\n127.0.0.1\r\n:7003\r\n$2\r\nid\r\n"
                            "*3\r\n:8192\r\n:16382\r\n*3\r\n$0\r\n\r\n:7001\r\n$2\r\nid\r\n"),
                     0);
    assert_int_equal(map.nodes_count, 3);
    assert_int_equal(map.nodes[map.owner[0]].port, 7000);
    assert_int_equal(map.nodes[map.owner[8191]].port, 7000);
    assert_int_equal(map.nodes[map.owner[8192]].port, 7001);
    assert_string_equal(map.nodes[map.owner[8192]].host, "10.0.0.9");
    assert_int_equal(map.owner[16383], REDIS_NO_NODE);
    assert_true(map.is_master[map.owner[0]]);
    assert_int_equal(map_of("*0\r\n"), 0);
    assert_int_equal(map.owner[0], REDIS_NO_NODE);
}

static void test_slot_maps_that_lie(void **state)
{
#define NODE "*2\r\n$1\r\na\r\n:7000\r\n"
    static const char *const wrong[] = {
        "+OK\r\n",
        "*1\r\n+OK\r\n",
        "*1\r\n*2\r\n:0\r\n:1\r\n",
        "*1\r\n*3\r\n:5\r\n:4\r\n" NODE,
        "*1\r\n*3\r\n:-1\r\n:4\r\n" NODE,
        "*1\r\n*3\r\n:0\r\n:16384\r\n" NODE,
        "*1\r\n*3\r\n$1\r\n0\r\n:1\r\n" NODE,
        "*1\r\n*3\r\n:0\r\n:1\r\n:3\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*0\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\na\r\n:0\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\na\r\n:65536\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n:1\r\n:7000\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\na\r\n$1\r\n7\r\n",
        "*2\r\n*3\r\n:0\r\n:9\r\n" NODE "*3\r\n:9\r\n:10\r\n" NODE,
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(map_of(wrong[i]), -EBADMSG);
}

static void test_info(void **state)
{
    static const char text[] = "# Server\r\nredis_version:7.0.15\r\nrun_id:0123456789abcdef\r\n"
                               "\r\n# Memory\r\nused_memory:1024\r\nmaxmemory:2048\r\n"
                               "maxmemory_human:2K\r\n# Replication\r\nrole:master\r\n"
                               "slave0:ip=127.0.0.1,port=7003,state=online,offset=90,lag=0\r\n"
                               "slave1:ip=127.0.0.1,port=7004,state=online,offset=80,lag=1\r\n"
                               "master_repl_offset:100\r\n";
    struct redis_server_info info;

    redis_server_info_parse(&info, text, sizeof(text) - 1);
    assert_string_equal(info.run_id, "0123456789abcdef");
    assert_int_equal(info.role, REDIS_ROLE_MASTER);
    assert_int_equal(info.offset, 100);
    assert_int_equal(info.slowest, 80);
    assert_int_equal(info.replicas, 2);
    assert_int_equal(info.memory_used, 1024);
    assert_int_equal(info.memory_max, 2048);

    for (size_t size = 0; size < sizeof(text); size++)
        redis_server_info_parse(&info, text, size);
    redis_server_info_parse(&info,
                            "run_id:"
                            "0123456789012345678901234567890123456789X",
                            48);
    assert_string_equal(info.run_id, "");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slots_of_keys), cmocka_unit_test(test_every_slot_has_a_tag),
        cmocka_unit_test(test_error_kinds),   cmocka_unit_test(test_backoff_grows_to_its_limit),
        cmocka_unit_test(test_addresses),     cmocka_unit_test(test_redirects),
        cmocka_unit_test(test_slot_map),      cmocka_unit_test(test_slot_maps_that_lie),
        cmocka_unit_test(test_info),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

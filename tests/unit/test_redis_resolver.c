/* SPDX-License-Identifier: BSD-3-Clause */
/* Nodes given by name, with a resolver that is slow, or knows nothing. */
#include <dlfcn.h>
#include <errno.h>
#include <event2/event.h>
#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "controlplane/store/redis_resolver.h"
#include "redis_rig.h"

enum { SLOW_MS = 1500, STALL_MAX_MS = 300 };

static atomic_uint lookups;

/* Stands in front of libc's. */
int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                struct addrinfo **found)
{
    typedef int function(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    function *real = (function *)dlsym(RTLD_NEXT, "getaddrinfo");
    bool numeric = hints && hints->ai_flags & AI_NUMERICHOST;
    int result;

    if (numeric || !strstr(host, ".test"))
        return real(host, service, hints, found);
    lookups++;
    if (!strcmp(host, "slow.test"))
        usleep(SLOW_MS * 1000);
    if (!strcmp(host, "nowhere.test"))
        return EAI_NONAME;
    result = real("127.0.0.1", service, hints, found);
    if (result == 0 && !strcmp(host, "two.test"))
        result = real("127.0.0.2", service, hints, &(*found)->ai_next);
    return result;
}

/* The longest time for which the event loop did nothing. */
static uint64_t last_beat, longest_stall;

static void on_beat(evutil_socket_t fd, short what, void *user)
{
    uint64_t now = now_ms();

    if (now - last_beat > longest_stall)
        longest_stall = now - last_beat;
    last_beat = now;
}

static void test_node_is_found_by_name(void **state)
{
    strcpy(seeds[0].host, "node.test");
    connect_with((struct redis_cluster_config){.seeds_count = 1});
    get("a", REDIS_ANSWERED);
    get("b", REDIS_ANSWERED);
}

static void test_slow_name_holds_up_nobody(void **state)
{
    const struct timeval interval = {.tv_usec = 10000};
    struct event *beat = event_new(base, -1, EV_PERSIST, on_beat, NULL);
    uint64_t began = now_ms();

    event_add(beat, &interval);
    last_beat = now_ms();
    longest_stall = 0;
    lookups = 0;
    strcpy(seeds[1].host, "slow.test"); /* which is asked first */
    connect_with((struct redis_cluster_config){.connect_ms = 200});
    get("a", REDIS_ANSWERED); /* the other seed knows the way */
    assert_int_equal(lookups, 1);
    assert_true(now_ms() - began < SLOW_MS);
    run_for(SLOW_MS / 2);
    assert_true(longest_stall < STALL_MAX_MS);
    event_free(beat);
    redis_cluster_free(cluster); /* while it is being looked up */
    cluster = NULL;
    assert_true(now_ms() - began < SLOW_MS);
}

static void test_slow_name_is_found_in_the_end(void **state)
{
    strcpy(seeds[0].host, "slow.test");
    lookups = 0;
    connect_with((struct redis_cluster_config){.seeds_count = 1, .connect_ms = 200});
    get("a", REDIS_ANSWERED);
    assert_int_equal(lookups, 1); /* though several tries to connect were given up meanwhile */
}

static void test_unknown_name_is_said(void **state)
{
    struct answer answer;

    strcpy(seeds[0].host, "nowhere.test");
    connect_with((struct redis_cluster_config){.seeds_count = 1});
    submit(&answer, false, PATIENCE_MS, "GET", "a", NULL);
    wait_for(&answer);
    assert_int_equal(answer.outcome, REDIS_UNREACHABLE);
    assert_non_null(strstr(last_note, gai_strerror(EAI_NONAME)));
}

static int find(struct redis_resolver *resolver, const char *host, unsigned turn, char *number)
{
    const char *error;
    int result;

    while ((result = redis_resolver_find(resolver, host, turn, number, &error)) == -EINPROGRESS)
        usleep(1000);
    return result;
}

static void test_addresses_take_turns(void **state)
{
    struct redis_resolver *resolver = redis_resolver_new();
    char number[REDIS_HOST_SIZE];

    lookups = 0;
    assert_int_equal(find(resolver, "two.test", 0, number), 0);
    assert_string_equal(number, "127.0.0.1");
    assert_int_equal(find(resolver, "two.test", 1, number), 0);
    assert_string_equal(number, "127.0.0.2");
    assert_int_equal(find(resolver, "two.test", 2, number), 0);
    assert_string_equal(number, "127.0.0.1");
    assert_int_equal(lookups, 1);
    assert_int_equal(find(resolver, "::1", 0, number), 0);
    assert_string_equal(number, "::1");
    assert_int_equal(find(resolver, "nowhere.test", 0, number), -ENOENT);
    redis_resolver_free(resolver);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, redis_rig_set_up, redis_rig_tear_down)
    static const struct CMUnitTest tests[] = {
        TEST(test_node_is_found_by_name),
        TEST(test_slow_name_holds_up_nobody),
        TEST(test_slow_name_is_found_in_the_end),
        TEST(test_unknown_name_is_said),
        cmocka_unit_test(test_addresses_take_turns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

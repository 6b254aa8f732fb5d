/* SPDX-License-Identifier: BSD-3-Clause */
/* What is made of ports that go down, vanish, or receive nothing any more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "controlplane/links.h"
#include "controlplane/observation.h"
#include "fake_dataplane.h"

static struct observation *observation;
static struct links links;

static int start(void **state)
{
    fake_dataplane_fill();
    fake_dataplane.ports = 2;
    links = (struct links){0};
    observation = observation_new(NULL, NULL);
    return observation ? 0 : -1;
}

static int stop(void **state)
{
    observation_free(observation);
    return 0;
}

/* A second goes by. */
static bool watch(void)
{
    observation_tick(observation);
    return links_watch(&links, observation);
}

static void a_link_is_down_until_it_is_up(void **state)
{
    assert_true(watch());
    assert_false(links.ports[0].down);
    fake_dataplane.port[0].link_up = false;
    assert_true(watch());
    assert_true(links.ports[0].down);
    assert_false(links.ports[1].down);
    fake_dataplane.port[0].link_up = true;
    assert_true(watch());
    assert_false(links.ports[0].down);
}

static void what_is_gone_stays_gone(void **state)
{
    fake_dataplane.port[0].gone = true;
    assert_true(watch());
    assert_true(links.ports[0].gone);
    fake_dataplane.port[0].gone = false;
    assert_true(watch());
    assert_true(links.ports[0].gone);
}

static void there_must_be_a_port_left(void **state)
{
    fake_dataplane.port[0].gone = fake_dataplane.port[1].gone = true;
    assert_false(watch());
}

static void a_port_that_only_loses_has_stalled(void **state)
{
    struct dataplane_port_info *port = &fake_dataplane.port[1];

    watch();
    for (unsigned second = 0; second < 3; second++) {
        assert_false(links.ports[1].stalled);
        port->rx_missed += 100;
        watch();
    }
    assert_true(links.ports[1].stalled);
    assert_false(links.ports[0].stalled);
    port->rx_packets++;
    watch();
    assert_false(links.ports[1].stalled);
}

static void an_idle_port_has_not(void **state)
{
    for (unsigned second = 0; second < 10; second++)
        watch();
    assert_false(links.ports[0].stalled);
}

static void one_that_loses_some_has_not(void **state)
{
    struct dataplane_port_info *port = &fake_dataplane.port[0];

    for (unsigned second = 0; second < 10; second++) {
        port->rx_packets += 1000;
        port->rx_missed += 10000;
        watch();
    }
    assert_false(links.ports[0].stalled);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_link_is_down_until_it_is_up), TEST(what_is_gone_stays_gone),
        TEST(there_must_be_a_port_left),     TEST(a_port_that_only_loses_has_stalled),
        TEST(an_idle_port_has_not),          TEST(one_that_loses_some_has_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

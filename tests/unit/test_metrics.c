/* SPDX-License-Identifier: BSD-3-Clause */
#include <event2/buffer.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "controlplane/operator/console_state.h"
#include "controlplane/operator/health.h"
#include "controlplane/operator/metrics/metric_table.h"
#include "controlplane/operator/metrics/metrics.h"
#include "controlplane/operator/metrics/sample.h"
#include "controlplane/operator/views.h"
#include "controlplane/store/redis_errors.h"
#include "fake_controlplane.h"
#include "fake_dataplane.h"

static const struct console *console;
static char folder[] = "/tmp/muster-test-XXXXXX";

static int start(void **state)
{
    if (mkdtemp(folder) == NULL)
        return -1;
    fake_dataplane_fill();
    if (fake_controlplane_start(folder) != 0)
        return -1;
    console = fake_console;
    return 0;
}

static int stop(void **state)
{
    fake_controlplane_stop();
    return rmdir(folder); /* empty: files are removed */
}

static char *metrics(void)
{
    struct evbuffer *out = evbuffer_new();
    size_t length;
    char *text;

    metrics_write(console, out);
    length = evbuffer_get_length(out);
    text = malloc(length + 1);
    evbuffer_remove(out, text, length);
    text[length] = '\0';
    evbuffer_free(out);
    return text;
}

static void assert_has_line(const char *text, const char *line)
{
    char wanted[256];

    snprintf(wanted, sizeof(wanted), "\n%s\n", line);
    if (strstr(text, wanted) == NULL)
        fail_msg("no line: %s", line);
}

static void every_row_of_the_table_is_whole_and_named_by_convention(void **state)
{
    for (enum metric_id id = 0; id < METRICS_COUNT; id++) {
        const struct metric *metric = &metric_table[id];
        size_t length = strlen(metric->name);

        assert_true(strncmp(metric->name, "muster_", 7) == 0 ||
                    strncmp(metric->name, "process_", 8) == 0);
        assert_int_equal(strspn(metric->name, "abcdefghijklmnopqrstuvwxyz0123456789_"), length);
        assert_true((metric->type == METRIC_COUNTER) ==
                    (strcmp(metric->name + length - 6, "_total") == 0));
        assert_true(metric->help[strlen(metric->help) - 1] == '.');
        assert_null(strchr(metric->help, '\n'));
        for (enum metric_id other = 0; other < id; other++)
            assert_string_not_equal(metric->name, metric_table[other].name);
    }
}

static void the_kinds_of_redis_errors_are_told_of(void **state)
{
    const char *help = metric_table[METRIC_redis_errors].help;

    for (unsigned kind = REDIS_ERROR_none + 1; kind < REDIS_ERROR_KINDS; kind++) {
        char wanted[32];

        snprintf(wanted, sizeof(wanted), " %s%s", redis_error_name((enum redis_error)kind),
                 kind == REDIS_ERROR_protocol || kind == REDIS_ERROR_other ? "." : ",");
        assert_non_null(strstr(help, wanted));
    }
}

static void every_metric_comes_from_one_place(void **state)
{
    for (enum metric_id id = 0; id < METRICS_COUNT; id++)
        assert_int_equal((metric_sources_workers[id].write != NULL) +
                             (metric_sources_ports[id].write != NULL) +
                             (metric_sources_control[id].write != NULL) +
                             (metric_sources_store[id].write != NULL),
                         1);
}

static void every_metric_is_announced_with_help_and_type(void **state)
{
    char *text = metrics();
    char wanted[128];

    for (enum metric_id id = 0; id < METRICS_COUNT; id++) {
        snprintf(wanted, sizeof(wanted), "# TYPE %s %s\n", metric_table[id].name,
                 metric_type_name(metric_table[id].type));
        assert_non_null(strstr(text, wanted));
    }
    free(text);
}

static void values_are_those_of_the_data_plane(void **state)
{
    char *text = metrics();

    assert_has_line(text, "muster_worker_info{worker=\"1\",core=\"3\",numa_node=\"0\"} 1");
    assert_has_line(text, "muster_received_total{worker=\"0\"} 500000");
    assert_has_line(text, "muster_drops_total{worker=\"0\",reason=\"connection_id\"} 15000");
    assert_has_line(text, "muster_peers{worker=\"0\",family=\"ipv6\"} 204000");
    assert_has_line(text, "muster_table_fill_ratio{table=\"peers\"} 0.1718");
    assert_has_line(text, "muster_port_receive_packets_total{port=\"enp3s0f0\"} 500000");
    assert_has_line(text, "muster_announce_interval_seconds 1800");
    assert_has_line(text, "muster_health{status=\"ok\"} 1");
    assert_has_line(text, "muster_access_list_entries{mode=\"open\"} 0");
    assert_has_line(text, "muster_bans 0");
    assert_has_line(text, "muster_worker_busy_seconds_total{worker=\"0\"} 0.2");
    free(text);
}

static void labels_are_escaped(void **state)
{
    char *text = metrics();

    assert_has_line(text, "muster_port_up{port=\"we\\\"ird\\\\name\"} 1");
    free(text);
}

static void histograms_are_cumulative_and_end_in_infinity(void **state)
{
    char *text = metrics();

    assert_has_line(text, "muster_burst_packets_bucket{worker=\"0\",le=\"2\"} 0");
    assert_has_line(text, "muster_burst_packets_bucket{worker=\"0\",le=\"4\"} 62500");
    assert_has_line(text, "muster_burst_packets_bucket{worker=\"0\",le=\"64\"} 93750");
    assert_has_line(text, "muster_burst_packets_bucket{worker=\"0\",le=\"+Inf\"} 93750");
    assert_has_line(text, "muster_burst_packets_sum{worker=\"0\"} 450000");
    assert_has_line(text, "muster_burst_packets_count{worker=\"0\"} 93750");
    assert_non_null(strstr(text, "muster_burst_service_seconds_bucket{worker=\"0\",le=\"2e-06\"}"));
    assert_has_line(text, "muster_burst_service_seconds_sum{worker=\"0\"} 0.15");
    assert_null(strstr(text, "le=\"0.032768\"")); /* the last bucket has no end */
    free(text);
}

static void rates_are_those_of_the_last_second(void **state)
{
    const struct observation_rates *rates;

    observation_tick(console->observation);
    usleep(100 * 1000);
    fake_dataplane_advance(0.1, 10000);
    observation_tick(console->observation);
    rates = observation_rates(console->observation, 0);
    assert_true(rates->received > 7000 && rates->received < 11000);
    assert_true(rates->announces_ipv4 > 3000 && rates->announces_ipv4 < 5000);
    assert_true(rates->dropped > 300 && rates->dropped < 600);
    assert_true(rates->load > 0.0021 && rates->load < 0.0023);
    assert_true(rates->service_p50 > 1e-6 && rates->service_p99 > rates->service_p50);
    assert_true(observation_rates(console->observation, 1)->time == 0);
    assert_true(observation_rates(console->observation, 1000)->time == 0);
}

static void a_quantile_lies_within_its_bucket(void **state)
{
    uint64_t times[HISTOGRAM_SERVICE] = {0};

    assert_true(observation_service_quantile(times, 0.5) == 0);
    times[3] = 100; /* 4 to 8 us */
    assert_true(observation_service_quantile(times, 0.5) > 5.9e-6);
    assert_true(observation_service_quantile(times, 0.5) < 6.1e-6);
    times[15] = 1;
    assert_true(observation_service_quantile(times, 0.99) < 8.1e-6);
    assert_true(observation_service_quantile(times, 1) > 16e-3);
}

static void a_worker_that_stands_still_is_stuck_after_seconds(void **state)
{
    char reason[256];

    fake_dataplane.worker[1].alive = false;
    observation_refresh(console->observation);
    assert_int_equal(observation_stuck_worker(console->observation), -1);
    for (int i = 0; i < 32; i++) {
        usleep(100 * 1000);
        observation_refresh(console->observation);
    }
    assert_int_equal(observation_stuck_worker(console->observation), 1);
    assert_int_equal(health_of(console, reason, sizeof(reason)), HEALTH_FAILING);
    assert_non_null(strstr(reason, "worker 1 on core 3"));
    fake_dataplane.worker[1].alive = true;
    observation_refresh(console->observation);
    assert_int_equal(health_of(console, reason, sizeof(reason)), HEALTH_OK);
}

static void health_tells_draining_and_lost_links(void **state)
{
    char reason[256];

    fake_controlplane.draining = true;
    assert_int_equal(health_of(console, reason, sizeof(reason)), HEALTH_DRAINING);
    fake_dataplane.port[0].link_up = false;
    observation_refresh(console->observation);
    assert_int_equal(health_of(console, reason, sizeof(reason)), HEALTH_FAILING);
    assert_non_null(strstr(reason, "enp3s0f0"));
    fake_dataplane.port[0].link_up = true;
    fake_controlplane.draining = false;
    observation_refresh(console->observation);
}

static void drops_come_busiest_first_and_only_those_that_occurred(void **state)
{
    json_t *drops = view_drops(console, false);
    json_t *all = view_drops(console, true);

    assert_int_equal(json_array_size(drops), 3);
    assert_string_equal(json_string_value(json_object_get(json_array_get(drops, 0), "reason")),
                        "connection_id");
    assert_int_equal(json_array_size(all), COUNTERS_DROP_KINDS);
    json_decref(drops);
    json_decref(all);
}

static void live_has_one_row_a_second_that_passed(void **state)
{
    json_t *live = view_live(console, 60);
    json_t *history = json_object_get(live, "history");

    assert_int_equal(json_array_size(json_object_get(history, "received")), 1);
    assert_int_equal(json_array_size(json_object_get(live, "workers")), 2);
    json_decref(live);
}

/* Lets the event loop hand over what the workers have answered. */
static json_t *survey(void)
{
    const struct timeval moment = {.tv_usec = 20 * 1000};

    json_decref(view_survey(console));
    event_base_loopexit(fake_controlplane.events, &moment);
    event_base_dispatch(fake_controlplane.events);
    return view_survey(console);
}

static void the_largest_swarms_are_told_without_saying_which_they_are(void **state)
{
    json_t *view = survey();
    const json_t *top = json_object_get(view, "top"), *sizes = json_object_get(view, "sizes");
    const json_t *first = json_array_get(top, 0);

    assert_int_equal(json_array_size(top), 2); /* one of each worker */
    assert_string_equal(json_string_value(json_object_get(first, "info_hash")), "a1a1a1a1");
    assert_true(json_real_value(json_object_get(view, "age")) < 1);
    assert_int_equal(json_array_size(sizes), 14);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(sizes, 3), "peers")), 8);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(sizes, 3), "swarms")),
                     2 * (200000 >> 3));
    json_decref(view);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_of_the_table_is_whole_and_named_by_convention),
        cmocka_unit_test(the_kinds_of_redis_errors_are_told_of),
        cmocka_unit_test(every_metric_comes_from_one_place),
        cmocka_unit_test(every_metric_is_announced_with_help_and_type),
        cmocka_unit_test(values_are_those_of_the_data_plane),
        cmocka_unit_test(labels_are_escaped),
        cmocka_unit_test(histograms_are_cumulative_and_end_in_infinity),
        cmocka_unit_test(rates_are_those_of_the_last_second),
        cmocka_unit_test(a_quantile_lies_within_its_bucket),
        cmocka_unit_test(a_worker_that_stands_still_is_stuck_after_seconds),
        cmocka_unit_test(health_tells_draining_and_lost_links),
        cmocka_unit_test(drops_come_busiest_first_and_only_those_that_occurred),
        cmocka_unit_test(live_has_one_row_a_second_that_passed),
        cmocka_unit_test(the_largest_swarms_are_told_without_saying_which_they_are),
    };

    return cmocka_run_group_tests(tests, start, stop);
}

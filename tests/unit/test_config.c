/* SPDX-License-Identifier: BSD-3-Clause */
/* The configuration: what is taken, what is refused and how it is said. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../controlplane/config.h"
#include "../../controlplane/config_report.h"
#include "../../controlplane/config_value.h"
#include "config_text.h"

#define PORTS "ports:\n  - type: af_xdp\n    interface: eth0\n"

static struct config config;
static char *said;
static size_t said_size;

/* Parses `text`; what it says is in `said`. */
static int parse_sized(const char *text, size_t size)
{
    free(said);
    FILE *errors = open_memstream(&said, &said_size);
    int error = config_parse(text, size, "/etc/muster.yaml", &config, errors);
    fclose(errors);
    return error;
}

static int parse(const char *text)
{
    return parse_sized(text, strlen(text));
}

static void assert_taken(const char *text)
{
    int error = parse(text);
    if (error)
        print_error("%s", said);
    assert_int_equal(error, 0);
    assert_string_equal(said, "");
}

static void assert_refused(const char *text, const char *because)
{
    assert_int_equal(parse(text), -EINVAL);
    assert_string_equal(said, because);
}

static int set(const char *key, const char *value)
{
    free(said);
    FILE *errors = open_memstream(&said, &said_size);
    int error = config_set(&config, key, value, errors);
    fclose(errors);
    return error;
}

static char *shown(const struct config *from, const char *name)
{
    static char text[1024];
    FILE *out = fmemopen(text, sizeof(text), "w");

    config_print_value(from, config_key_find(name), out);
    fclose(out);
    return text;
}

static void takes_the_least_and_fills_in_defaults(void **state)
{
    assert_taken(PORTS);
    assert_int_equal(config.dataplane.ports_count, 1);
    assert_int_equal(config.dataplane.ports[0].kind, DATAPLANE_AF_XDP);
    assert_string_equal(config.dataplane.ports[0].device, "eth0");
    assert_int_equal(config.dataplane.ports[0].queues, 1);
    assert_int_equal(config.dataplane.ports[0].mtu, 1500);
    assert_int_equal(config.dataplane.workers, 1);
    assert_int_equal(config.dataplane.cores[0], 1);
    assert_int_equal(config.dataplane.torrents_max, 1000000);
    assert_int_equal(config.dataplane.listen_count, 2);
    assert_int_equal(config.dataplane.listen[1].family, 6);
    assert_int_equal(config.settings.interval, 1800);
    assert_int_equal(config.metrics.address.port, 9969);
    assert_true(config.confine.seccomp);
}

static void takes_units(void **state)
{
    assert_taken(PORTS "tracker: {interval: 20m, interval_jitter: 90, peer_timeout: 3h}\n"
                       "memory: {torrents: 10M, peers: 2G}\n");
    assert_int_equal(config.settings.interval, 1200);
    assert_int_equal(config.settings.interval_jitter, 90);
    assert_int_equal(config.settings.timeouts.peer, 3 * 3600);
    assert_int_equal(config.dataplane.torrents_max, 10000000);
    assert_int_equal(config.dataplane.peers_max, 2000000000);
}

static void takes_every_kind_of_port(void **state)
{
    assert_taken("ports:\n"
                 "  - {type: af_xdp, interface: eth0, queues: 2, force_copy: yes, busy_budget: 0}\n"
                 "  - {type: pci, address: '0000:03:00.0', exception: muster0, mtu: 1480}\n"
                 "  - {type: memif, socket: memif.sock, role: server}\n"
                 "  - {type: vdev, args: 'net_tap0,iface=tap0'}\n"
                 "workers: {cores: [1, 2]}\n");
    const struct dataplane_port_config *ports = config.dataplane.ports;
    assert_true(ports[0].force_copy);
    assert_int_equal(ports[0].busy_budget, 0);
    assert_int_equal(ports[1].kind, DATAPLANE_PCI);
    assert_string_equal(ports[1].device, "0000:03:00.0");
    assert_string_equal(ports[1].exception, "muster0");
    assert_int_equal(ports[1].mtu, 1480);
    assert_true(ports[2].memif_server);
    assert_string_equal(ports[3].device, "net_tap0,iface=tap0");
}

static void takes_paths_from_the_folder_of_the_file(void **state)
{
    char name[] = "/tmp/muster-config-XXXXXX";
    char file[64], expected[64];

    assert_non_null(mkdtemp(name));
    snprintf(file, sizeof(file), "%s/muster.yaml", name);
    FILE *out = fopen(file, "w");
    fputs(PORTS "access: {file: lists/allow, mode: allow}\n"
                "connection_id: {key_file: /absolute}\n",
          out);
    fclose(out);
    assert_int_equal(config_load(file, &config, stderr), 0);
    snprintf(expected, sizeof(expected), "%s/lists/allow", name);
    assert_string_equal(config.access.file, expected);
    assert_string_equal(config.connection_id.key_file, "/absolute");
    remove(file);
    remove(name);
}

static void takes_a_section_with_everything_commented_out(void **state)
{
    assert_taken(PORTS "tracker:\n  # interval: 1m\n");
}

static void takes_json(void **state)
{
    assert_taken("{\"ports\": [{\"type\": \"af_xdp\", \"interface\": \"eth0\"}],\n"
                 " \"workers\": {\"cores\": [2, 3]}, \"metrics\": {\"address\": \"off\"}}\n");
    assert_int_equal(config.dataplane.workers, 2);
    assert_int_equal(config.metrics.address.family, 0);
}

static void refuses_unknown_keys_and_guesses(void **state)
{
    assert_refused(PORTS "tracker:\n  intervall: 5m\n",
                   "/etc/muster.yaml:5: unknown key \"tracker.intervall\"; did you mean "
                   "tracker.interval?\n");
    assert_refused("ports: []\n",
                   "/etc/muster.yaml:1: ports: expected a list of at least one item, found an "
                   "empty list\n");
    assert_refused(PORTS "banana: 1\n", "/etc/muster.yaml:4: unknown key \"banana\"\n");
    assert_refused("ports: [{type: af_xdp, interface: a, queue: 1}]\n",
                   "/etc/muster.yaml:1: unknown key \"queue\"; did you mean queues?\n");
}

static void refuses_wrong_types(void **state)
{
    assert_refused(PORTS "tracker:\n  interval: soon\n",
                   "/etc/muster.yaml:5: tracker.interval: expected a duration (s, m, h, d) from 1s "
                   "to 2h, found \"soon\"\n");
    assert_refused(PORTS "tracker: 5\n",
                   "/etc/muster.yaml:4: tracker: expected keys with values (key: value), found "
                   "\"5\"\n");
    assert_refused(PORTS "workers: {cores: 1}\n",
                   "/etc/muster.yaml:4: workers.cores: expected a list of at least one item, found "
                   "\"1\"\n");
    assert_refused(PORTS "workers: {burst: [1]}\n",
                   "/etc/muster.yaml:4: workers.burst: expected a number from 8 to 64, found a "
                   "list\n");
    assert_refused(PORTS "xdp: {answer_connect: maybe}\n",
                   "/etc/muster.yaml:4: xdp.answer_connect: expected true or false, found "
                   "\"maybe\"\n");
    assert_refused(PORTS "workers: {idle: lazy}\n",
                   "/etc/muster.yaml:4: workers.idle: expected poll or adaptive, found \"lazy\"\n");
    assert_refused("- a\n", "/etc/muster.yaml:1: expected keys with values (key: value), found a "
                            "list\n");
}

static void refuses_values_out_of_range(void **state)
{
    static const char *const wrong[] = {
        "workers: {burst: 0}",
        "workers: {burst: 7}",
        "workers: {burst: 65}",
        "workers: {burst: -1}",
        "workers: {burst: +1}",
        "workers: {burst: 1.5}",
        "workers: {burst: 0x10}",
        "workers: {burst: 99999999999999999999}",
        "workers: {burst: 18446744073709551617}",
        "tracker: {interval: 0}",
        "tracker: {interval: 3h}",
        "tracker: {interval: 5 m}",
        "tracker: {interval: 1k}",
        "memory: {peers: 20000000000G}",
        "workers: {cores: [1024]}",
        "workers: {cores: []}",
        "listen: ['1.2.3.4']",
        "listen: ['1.2.3.4:0']",
        "listen: ['1.2.3.4:65536']",
        "listen: ['::1:6969']",
        "listen: ['[1.2.3.4]:6969']",
        "listen: ['host:6969']",
        "listen: ['off']",
        "instance: ''",
        "instance: \"a\\nb\"",
        "instance: \"a\\0b\"",
        "instance: 12345678901234567890123456789012",
    };

    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char text[256];
        snprintf(text, sizeof(text), PORTS "%s\n", wrong[i]);
        if (parse(text) != -EINVAL)
            fail_msg("taken: %s", wrong[i]);
        assert_non_null(strstr(said, "/etc/muster.yaml:4: "));
        assert_non_null(strstr(said, "expected "));
    }
}

static void refuses_keys_given_twice(void **state)
{
    assert_refused(PORTS "tracker: {interval: 5m}\ntracker: {interval: 6m}\n",
                   "/etc/muster.yaml:5: tracker: expected once, found again (first in line 4)\n");
    assert_refused(PORTS "tracker:\n  interval: 30m\n  interval: 31m\n",
                   "/etc/muster.yaml:6: tracker.interval: expected once, found again (first in "
                   "line 5)\n");
}

static void refuses_fields_of_another_kind_of_port(void **state)
{
    assert_refused("ports:\n  - type: af_xdp\n    interface: eth0\n    exception: tap0\n",
                   "/etc/muster.yaml:4: ports[0].exception: not a key of type af_xdp\n");
    assert_refused("ports:\n  - type: pci\n",
                   "/etc/muster.yaml:2: ports[0]: expected the key address, found none\n");
    assert_refused("ports:\n  - interface: eth0\n",
                   "/etc/muster.yaml:2: ports[0]: expected type: af_xdp, pci, memif or vdev, found "
                   "a mapping\n");
    assert_refused(
        "ports: [eth0]\n",
        "/etc/muster.yaml:1: ports[0]: expected a mapping (key: value), found \"eth0\"\n");
}

static void refuses_what_contradicts_itself(void **state)
{
    assert_refused("tracker: {interval: 5m}\n",
                   "/etc/muster.yaml: ports: expected at least one port, found none\n");
    assert_refused(
        PORTS "workers:\n  cores:\n    - 1\n    - 2\n    - 1\n",
        "/etc/muster.yaml:8: workers.cores[2]: expected each core once, found 1 again\n");
    assert_refused(PORTS "tracker:\n  peer_timeout: 30m\n",
                   "/etc/muster.yaml:5: tracker.peer_timeout: expected more than "
                   "tracker.interval_max and tracker.interval_jitter together, 3780s, found "
                   "1800s\n");
    assert_refused(PORTS "tracker:\n  numwant_max: 10\n",
                   "/etc/muster.yaml: tracker.numwant_default: expected at most "
                   "tracker.numwant_max, 10, found 50\n");
    assert_refused("ports: [{type: vdev, args: a}, {type: vdev, args: a}]\n",
                   "/etc/muster.yaml:1: ports[1]: expected each port once, found a again\n");
    assert_refused(PORTS "listen: ['1.2.3.4:5', '1.2.3.4:5']\n",
                   "/etc/muster.yaml:4: listen[1]: expected each address once, found item 0 "
                   "again\n");
    assert_refused("ports: [{type: vdev, args: a, queues: 3}]\nworkers: {cores: [1, 2]}\n",
                   "/etc/muster.yaml:1: ports[0]: expected as many queues as there are "
                   "workers.cores at most, 2, found 3\n");
    assert_refused(PORTS "xdp: {mode: generic}\n",
                   "/etc/muster.yaml:2: ports[0]: expected force_copy: true for xdp.mode generic, "
                   "found false\n");
    assert_refused(PORTS "access: {mode: allow}\n",
                   "/etc/muster.yaml: access.file: expected a list for access.mode allow, found "
                   "nothing\n");
    assert_refused(PORTS "store: {type: redis, interval: 45s}\n"
                         "fleet: {enabled: true, retention: 1m}\n",
                   "/etc/muster.yaml:5: fleet.retention: expected at least twice store.interval, "
                   "90s, found 60s\n");
}

static void listens_at_what_can_be_asked_and_answer(void **state)
{
    static const char *const wrong[] = {"127.0.0.1:1",       "0.0.0.1:1", "224.0.0.1:1",
                                        "255.255.255.255:1", "[::1]:1",   "[ff02::1]:1",
                                        "[::ffff:1.2.3.4]:1"};
    char text[256];

    assert_taken(PORTS "listen: ['0.0.0.0:1', '[::]:1', '192.0.2.1:1', '[2001:db8::1]:1']\n");
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        snprintf(text, sizeof(text), PORTS "listen: ['%s']\n", wrong[i]);
        assert_refused(text, "/etc/muster.yaml:4: listen[0]: expected an address of this "
                             "machine's, or 0.0.0.0 or [::], found a loopback, multicast or "
                             "reserved one\n");
    }
}

static void says_everything_that_is_wrong(void **state)
{
    assert_int_equal(parse(PORTS "banana: 1\nworkers: {burst: 0}\ntracker: {interval: x}\n"),
                     -EINVAL);
    assert_non_null(strstr(said, "muster.yaml:4: "));
    assert_non_null(strstr(said, "muster.yaml:5: "));
    assert_non_null(strstr(said, "muster.yaml:6: "));
}

static void refuses_what_is_not_yaml(void **state)
{
    assert_int_equal(parse("a: [1\nb: 2\n"), -EINVAL);
    assert_non_null(strstr(said, "/etc/muster.yaml:2: not YAML: "));
    assert_int_equal(parse("a: \"b\n"), -EINVAL);
    assert_int_equal(parse("\tports: 1\n"), -EINVAL);
    assert_int_equal(parse_sized("a\0b", 3), -EINVAL);
    assert_int_equal(parse("\xff\xfe\xfd"), -EINVAL);
    assert_int_equal(parse(""), -EINVAL); /* no port */
    assert_int_equal(parse("? [a, b]\n: 1\n"), -EINVAL);
    assert_int_equal(parse("ports: &a [*a]\n"), -EINVAL);
    assert_int_equal(parse("&a *a : 1\n"), -EINVAL);
    assert_refused("---\n" PORTS "---\nb: 1\n",
                   "/etc/muster.yaml:5: expected one document, found a second\n");
}

static void refuses_too_many_items(void **state)
{
    static char text[64 << 10];
    size_t length = (size_t)sprintf(text, PORTS "workers: {cores: [0");

    for (unsigned core = 1; core <= DATAPLANE_WORKERS_MAX; core++)
        length += (size_t)sprintf(text + length, ", %u", core);
    strcpy(text + length, "]}\n");
    assert_refused(text, "/etc/muster.yaml:4: workers.cores: expected 64 items at most\n");
}

static void refuses_files_that_are_none(void **state)
{
    FILE *null = fopen("/dev/null", "w");

    assert_int_equal(config_load("/nonexistent/muster.yaml", &config, null), -ENOENT);
    assert_int_equal(config_load("/", &config, null), -EISDIR);
    assert_int_equal(config_load("/dev/zero", &config, null), -EFBIG);
    fclose(null);
}

static void sets_live_keys(void **state)
{
    assert_taken(PORTS);
    assert_int_equal(set("tracker.interval", "10m"), 0);
    assert_int_equal(config.settings.interval, 600);
    assert_int_equal(set("metrics.address", "[::1]:80"), -EPERM);
    assert_non_null(strstr(said, "metrics.address: needs a restart: "));
    assert_int_equal(set("tracker.intervall", "10m"), -ENOENT);
    assert_int_equal(set("tracker.interval", "10x"), -EINVAL);
    assert_string_equal(said, "tracker.interval: expected a duration (s, m, h, d) from 1s to 2h, "
                              "found \"10x\"\n");
    assert_int_equal(set("tracker.interval", "2h"), -EINVAL); /* above interval_max */
    assert_int_equal(config.settings.interval, 600);
}

static void shows_what_it_takes(void **state)
{
    struct config again;
    char *text;
    size_t size;

    assert_taken(PORTS "  - {type: pci, address: '0000:03:00.0'}\n"
                       "tracker: {interval: 90s, interval_jitter: 7}\n"
                       "control: {group: \"a \\\"b\\\\\"}\n");
    assert_string_equal(shown(&config, "tracker.interval"), "90s");
    assert_string_equal(shown(&config, "tracker.peer_timeout"), "75m");
    assert_string_equal(shown(&config, "memory.peers"), "4M");
    assert_string_equal(shown(&config, "workers.cores"), "[1]");
    assert_string_equal(shown(&config, "listen"), "[\"0.0.0.0:6969\", \"[::]:6969\"]");

    FILE *out = open_memstream(&text, &size);
    config_text(&config, out);
    fclose(out);
    again = config;
    assert_taken(text);
    for (const struct config_key *key = config_keys; key->name; key++)
        if (!config_same(&again, &config, key))
            fail_msg("%s isn't what was shown", key->name);
    free(text);
}

static void tells_changes(void **state)
{
    struct config before;
    char text[512] = "";

    assert_taken(PORTS);
    before = config;
    assert_taken(PORTS "tracker: {interval: 20m}\nworkers: {cores: [2, 3]}\n");
    FILE *out = fmemopen(text, sizeof(text), "w");
    config_print_changes(&before, &config, out);
    fclose(out);
    assert_string_equal(text, "workers.cores: unchanged, needs a restart: "
                              "workers are pinned to their cores at start\n"
                              "tracker.interval: 30m -> 20m\n");
    config_copy(&before, &config, config_key_find("workers.cores"));
    assert_int_equal(before.dataplane.workers, 2);
    assert_true(config_same(&before, &config, config_key_find("workers.cores")));
}

/* Each key's limits fit its field, its default is within them, and its section exists. */
static void table_is_consistent(void **state)
{
    unsigned keys = 0;

    for (const struct config_key *key = config_keys; key->name; key++, keys++) {
        const struct config_section *section = config_sections;
        const char *dot = strchr(key->name, '.');

        while (dot && section->name &&
               (strlen(section->name) != (size_t)(dot - key->name) ||
                strncmp(section->name, key->name, (size_t)(dot - key->name)) != 0))
            section++;
        assert_true(!dot || section->name);
        assert_true(key->list_max < CONFIG_REPORT_ITEMS);
        assert_true(key->help && *key->help);
        if (key->type == CONFIG_COUNT || key->type == CONFIG_DURATION || key->type == CONFIG_SIZE) {
            assert_true(key->size == 1 || key->size == 2 || key->size == 4 || key->size == 8);
            assert_true(key->size == 8 || key->max >> (8 * key->size) == 0);
            assert_true(key->min <= key->max);
        }
    }
    assert_true(keys < CONFIG_REPORT_KEYS);
    config_defaults(&config); /* aborts if a default isn't a value */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_the_least_and_fills_in_defaults),
        cmocka_unit_test(takes_units),
        cmocka_unit_test(takes_every_kind_of_port),
        cmocka_unit_test(takes_paths_from_the_folder_of_the_file),
        cmocka_unit_test(takes_a_section_with_everything_commented_out),
        cmocka_unit_test(takes_json),
        cmocka_unit_test(refuses_unknown_keys_and_guesses),
        cmocka_unit_test(refuses_wrong_types),
        cmocka_unit_test(refuses_values_out_of_range),
        cmocka_unit_test(refuses_keys_given_twice),
        cmocka_unit_test(refuses_fields_of_another_kind_of_port),
        cmocka_unit_test(refuses_what_contradicts_itself),
        cmocka_unit_test(listens_at_what_can_be_asked_and_answer),
        cmocka_unit_test(says_everything_that_is_wrong),
        cmocka_unit_test(refuses_what_is_not_yaml),
        cmocka_unit_test(refuses_too_many_items),
        cmocka_unit_test(refuses_files_that_are_none),
        cmocka_unit_test(sets_live_keys),
        cmocka_unit_test(shows_what_it_takes),
        cmocka_unit_test(tells_changes),
        cmocka_unit_test(table_is_consistent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "options.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../workload/option_table.h"

enum {
    WINDOW_DEFAULT = 512,
    WINDOW_MAX = 65536,
    MTU = 1500,
};

static const char usage_text[] =
    "usage: musterload WORKLOAD --port PORT [OPTION...]\n"
    "       musterload bounce --port PORT [OPTION...]\n"
    "\n"
    "Speaks BEP 15 to a tracker from millions of addresses, over any port of DPDK, and checks "
    "every\n"
    "reply. `bounce` sends each frame back where it came from: the limit of a port. One core, "
    "always\n"
    "at 100 %%.\n"
    "\n"
    "  WORKLOAD           %s\n"
    "  --port PORT        memif:SOCKET, memif-server:SOCKET, af_xdp:INTERFACE, pci:ADDRESS, "
    "vdev:ARGS\n"
    "  --tracker A:P      IPv4 address and port (198.18.0.1:6969)\n"
    "  --tracker6 A       IPv6 address, same port (2001:db8:ffff::1)\n"
    "  --tracker-mac MAC  where frames are sent (02:00:00:00:00:01)\n"
    "  --mac MAC          whence (02:00:00:00:00:02)\n"
    "\n"
    "  --load STEP,...    one after the other: max (closed loop), max:N (with that window), a\n"
    "                     number of requests/s, or N%% of the best rate of replies so far (max)\n"
    "  --window N         requests that may be unanswered in closed loop (512)\n"
    "  --seconds N        of each step, without a second of warming up (5)\n"
    "  --torrents N, --peers N, --numwant N\n"
    "                     instead of the workload's own\n"
    "  --mix C/A/S        weights of connects, announces and scrapes, likewise\n"
    "  --invalid N        percent of the announces with an invalid connection ID (0)\n"
    "  --no-populate      don't announce everybody once before\n"
    "  --populate-window N  unanswered requests meanwhile (the window)\n"
    "  --echoed           the other side bounces\n"
    "  --check-all        look every peer's torrent up, not only of one in 64 replies\n"
    "  --lenient          failed checks are told, but are no failure\n"
    "  --server-pid N     tell the processor time of that process, too\n"
    "  --write-hashes F   write the info-hashes to a file, one a line, as access lists are; no "
    "load\n"
    "\n"
    "  --core N           run there (0)\n"
    "  --no-huge          without huge pages\n"
    "  --samples FILE     a line of JSON there for every 2 seconds of a step\n"
    "  --json             for scripts\n";

static int parse_port(char *text, void *into)
{
    static const struct {
        const char *name;
        enum dataplane_port_kind kind;
        bool server;
    } kinds[] = {
        {"memif", DATAPLANE_MEMIF, false},   {"memif-server", DATAPLANE_MEMIF, true},
        {"af_xdp", DATAPLANE_AF_XDP, false}, {"pci", DATAPLANE_PCI, false},
        {"vdev", DATAPLANE_VDEV, false},
    };
    struct dataplane_port_config *port = into;
    const char *kind = strsep(&text, ":");

    for (size_t i = 0; text && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(kinds[i].name, kind) != 0)
            continue;
        port->kind = kinds[i].kind;
        port->memif_server = kinds[i].server;
        port->queues = 1;
        port->mtu = MTU;
        return snprintf(port->device, sizeof(port->device), "%s", text) < (int)sizeof(port->device)
                   ? 0
                   : -1;
    }
    return -1;
}

static int parse_mac(char *text, void *into)
{
    uint8_t *mac = into;

    return sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &mac[0], &mac[1], &mac[2], &mac[3],
                  &mac[4], &mac[5]) == 6
               ? 0
               : -1;
}

static int parse_tracker(char *text, void *into)
{
    struct frame_tracker *tracker = into;
    char address[INET_ADDRSTRLEN];

    return sscanf(text, "%15[0-9.]:%hu", address, &tracker->port) == 2 && tracker->port > 0 &&
                   inet_pton(AF_INET, address, tracker->ipv4) == 1
               ? 0
               : -1;
}

static int parse_ipv6(char *text, void *into)
{
    return inet_pton(AF_INET6, text, into) == 1 ? 0 : -1;
}

static int parse_mix(const char *text, struct workload *workload)
{
    return sscanf(text, "%u/%u/%u", &workload->connects, &workload->announces,
                  &workload->scrapes) == 3 &&
                   workload->connects + workload->announces + workload->scrapes > 0
               ? 0
               : -1;
}

static int parse_step(const char *text, struct options_step *step)
{
    char *end;

    *step = (struct options_step){.kind = STEP_MAX};
    if (strcmp(text, "max") == 0)
        return 0;
    if (sscanf(text, "max:%u", &step->window) == 1)
        return step->window > 0 && step->window <= WINDOW_MAX ? 0 : -1;
    step->value = strtod(text, &end);
    step->kind = *end == '%' ? STEP_PERCENT : STEP_RATE;
    if (*end == '%')
        end++;
    return end != text && *end == '\0' && step->value > 0 ? 0 : -1;
}

static int parse_load(char *text, void *into)
{
    struct options *options = into;

    options->steps_count = 0;
    for (char *word = strtok(text, ","); word; word = strtok(NULL, ",")) {
        if (options->steps_count == OPTIONS_STEPS_MAX ||
            parse_step(word, &options->steps[options->steps_count]))
            return -1;
        options->steps_count++;
    }
    return options->steps_count > 0 ? 0 : -1;
}

static void set_defaults(struct options *options)
{
    *options = (struct options){
        .tracker = {.ethernet = {0x02, 0, 0, 0, 0, 0x01},
                    .client_ethernet = {0x02, 0, 0, 0, 0, 0x02},
                    .ipv4 = {198, 18, 0, 1},
                    .ipv6 = {0x20, 0x01, 0x0d, 0xb8, 0xff, 0xff, [15] = 1},
                    .port = 6969},
        .steps = {{.kind = STEP_MAX}},
        .steps_count = 1,
        .seconds = 5,
        .warmup = 1,
        .window = WINDOW_DEFAULT,
        .dataplane = {.ports_count = 1},
    };
    snprintf(options->dataplane.file_prefix, sizeof(options->dataplane.file_prefix),
             "musterload-%d", getpid());
}

/* What isn't taken as it was said. */
struct said {
    bool no_populate, no_huge;
    unsigned server_pid;
    unsigned torrents, peers, numwant; /* of the workload; 0: its own */
    const char *mix;
};

static int read_options(int argc, char **argv, struct options *options, struct said *said)
{
    struct dataplane_config *dataplane = &options->dataplane;
    struct frame_tracker *tracker = &options->tracker;
    const struct option_row table[] = {
        {"port", .parse = parse_port, .into = &dataplane->ports[0]},
        {"tracker", .parse = parse_tracker, .into = tracker},
        {"tracker6", .parse = parse_ipv6, .into = tracker->ipv6},
        {"tracker-mac", .parse = parse_mac, .into = tracker->ethernet},
        {"mac", .parse = parse_mac, .into = tracker->client_ethernet},
        {"load", .parse = parse_load, .into = options},
        {"window", .number = &options->window},
        {"seconds", .seconds = &options->seconds},
        {"torrents", .number = &said->torrents},
        {"peers", .number = &said->peers},
        {"numwant", .number = &said->numwant},
        {"mix", .text = &said->mix},
        {"invalid", .number = &options->invalid_percent},
        {"no-populate", .flag = &said->no_populate},
        {"populate-window", .number = &options->populate_window},
        {"echoed", .flag = &options->echoed},
        {"check-all", .flag = &options->check_all},
        {"lenient", .flag = &options->lenient},
        {"server-pid", .number = &said->server_pid},
        {"write-hashes", .text = &options->hashes_file},
        {"core", .number = &dataplane->control_core},
        {"no-huge", .flag = &said->no_huge},
        {"samples", .text = &options->samples},
        {"json", .flag = &options->json},
        {0},
    };

    return option_table_read(argc, argv, table, 1);
}

static int find_workload(const char *name, const struct said *said, struct options *options)
{
    if (strcmp(name, "bounce") == 0) {
        options->bounce = true;
        return 0;
    }
    if (workload_find(name, &options->workload))
        return -1;
    workload_scale(&options->workload, said->torrents, said->peers);
    if (said->numwant > 0)
        options->workload.numwant = (uint16_t)said->numwant;
    return said->mix ? parse_mix(said->mix, &options->workload) : 0;
}

static bool sound(const struct options *options)
{
    return (options->dataplane.ports[0].device[0] != '\0' || options->hashes_file) &&
           options->seconds > 0 && options->window > 0 && options->window <= WINDOW_MAX &&
           options->populate_window <= WINDOW_MAX && options->invalid_percent <= 100 &&
           options->workload.peers < WORKLOAD_PEERS_MAX;
}

int options_parse(int argc, char **argv, struct options *options)
{
    struct said said = {0};
    int parsed;

    set_defaults(options);
    parsed = read_options(argc, argv, options, &said);
    if (parsed == OPTION_TABLE_HELP) {
        printf(usage_text, workload_names());
        return 1;
    }
    if (parsed != 0 || find_workload(argv[optind], &said, options) || !sound(options)) {
        fprintf(stderr, usage_text, workload_names());
        return -1;
    }
    options->populate = !said.no_populate && !options->echoed;
    options->dataplane.huge_pages = !said.no_huge;
    options->server_pid = (int)said.server_pid;
    if (options->populate_window == 0)
        options->populate_window = options->window;
    return 0;
}

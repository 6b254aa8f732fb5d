/* SPDX-License-Identifier: BSD-3-Clause */
#include "options.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

static int parse_port(const char *text, struct dataplane_port_config *port)
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
    const char *colon = strchr(text, ':');

    for (size_t i = 0; colon && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strlen(kinds[i].name) != (size_t)(colon - text) ||
            strncmp(text, kinds[i].name, (size_t)(colon - text)) != 0)
            continue;
        port->kind = kinds[i].kind;
        port->memif_server = kinds[i].server;
        port->queues = 1;
        port->mtu = MTU;
        return snprintf(port->device, sizeof(port->device), "%s", colon + 1) <
                       (int)sizeof(port->device)
                   ? 0
                   : -1;
    }
    return -1;
}

static int parse_mac(const char *text, uint8_t mac[6])
{
    return sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &mac[0], &mac[1], &mac[2], &mac[3],
                  &mac[4], &mac[5]) == 6
               ? 0
               : -1;
}

static int parse_tracker(const char *text, struct frame_tracker *tracker)
{
    char address[INET_ADDRSTRLEN];

    return sscanf(text, "%15[0-9.]:%hu", address, &tracker->port) == 2 && tracker->port > 0 &&
                   inet_pton(AF_INET, address, tracker->ipv4) == 1
               ? 0
               : -1;
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

static int parse_load(char *text, struct options *options)
{
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
        .populate = true,
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
        .dataplane = {.huge_pages = true, .ports_count = 1},
    };
    snprintf(options->dataplane.file_prefix, sizeof(options->dataplane.file_prefix),
             "musterload-%d", getpid());
}

/* Of the options that change a workload: applied when all are known. */
struct changes {
    uint32_t torrents, peers, numwant;
    const char *mix;
};

enum {
    PORT = 256,
    TRACKER,
    TRACKER6,
    TRACKER_MAC,
    MAC,
    LOAD,
    WINDOW,
    SECONDS,
    TORRENTS,
    PEERS,
    NUMWANT,
    MIX,
    INVALID,
    NO_POPULATE,
    POPULATE_WINDOW,
    ECHOED,
    CHECK_ALL,
    LENIENT,
    SERVER_PID,
    WRITE_HASHES,
    CORE,
    NO_HUGE,
    SAMPLES,
    JSON,
    HELP,
};

static const struct option option_names[] = {
    {"port", required_argument, NULL, PORT},
    {"tracker", required_argument, NULL, TRACKER},
    {"tracker6", required_argument, NULL, TRACKER6},
    {"tracker-mac", required_argument, NULL, TRACKER_MAC},
    {"mac", required_argument, NULL, MAC},
    {"load", required_argument, NULL, LOAD},
    {"window", required_argument, NULL, WINDOW},
    {"seconds", required_argument, NULL, SECONDS},
    {"torrents", required_argument, NULL, TORRENTS},
    {"peers", required_argument, NULL, PEERS},
    {"numwant", required_argument, NULL, NUMWANT},
    {"mix", required_argument, NULL, MIX},
    {"invalid", required_argument, NULL, INVALID},
    {"no-populate", no_argument, NULL, NO_POPULATE},
    {"populate-window", required_argument, NULL, POPULATE_WINDOW},
    {"echoed", no_argument, NULL, ECHOED},
    {"check-all", no_argument, NULL, CHECK_ALL},
    {"lenient", no_argument, NULL, LENIENT},
    {"server-pid", required_argument, NULL, SERVER_PID},
    {"write-hashes", required_argument, NULL, WRITE_HASHES},
    {"core", required_argument, NULL, CORE},
    {"no-huge", no_argument, NULL, NO_HUGE},
    {"samples", required_argument, NULL, SAMPLES},
    {"json", no_argument, NULL, JSON},
    {"help", no_argument, NULL, HELP},
    {NULL, 0, NULL, 0},
};

/* Options with a text to be parsed. */
static int take_text(int option, char *text, struct options *options)
{
    switch (option) {
    case PORT:
        return parse_port(text, &options->dataplane.ports[0]);
    case TRACKER:
        return parse_tracker(text, &options->tracker);
    case TRACKER6:
        return inet_pton(AF_INET6, text, options->tracker.ipv6) == 1 ? 0 : -1;
    case TRACKER_MAC:
        return parse_mac(text, options->tracker.ethernet);
    case MAC:
        return parse_mac(text, options->tracker.client_ethernet);
    case LOAD:
        return parse_load(text, options);
    default:
        return -1;
    }
}

static int take_flag(int option, struct options *options)
{
    switch (option) {
    case NO_POPULATE:
        options->populate = false;
        break;
    case ECHOED:
        options->echoed = true;
        options->populate = false;
        break;
    case CHECK_ALL:
        options->check_all = true;
        break;
    case LENIENT:
        options->lenient = true;
        break;
    case NO_HUGE:
        options->dataplane.huge_pages = false;
        break;
    case JSON:
        options->json = true;
        break;
    default:
        return -1;
    }
    return 0;
}

/* Options that are a number, a name or a flag. */
static int take_option(int option, struct options *options, struct changes *changes)
{
    static char none[] = "";
    char *text = optarg ? optarg : none;
    unsigned number = (unsigned)strtoul(text, NULL, 0);

    switch (option) {
    case WINDOW:
        options->window = number;
        break;
    case POPULATE_WINDOW:
        options->populate_window = number;
        break;
    case SECONDS:
        options->seconds = atof(text);
        break;
    case TORRENTS:
        changes->torrents = number;
        break;
    case PEERS:
        changes->peers = number;
        break;
    case NUMWANT:
        changes->numwant = number;
        break;
    case MIX:
        changes->mix = text;
        break;
    case INVALID:
        options->invalid_percent = number;
        break;
    case SERVER_PID:
        options->server_pid = (int)number;
        break;
    case WRITE_HASHES:
        options->hashes_file = optarg;
        break;
    case CORE:
        options->dataplane.control_core = number;
        break;
    case SAMPLES:
        options->samples = text;
        break;
    default:
        return optarg ? take_text(option, text, options) : take_flag(option, options);
    }
    return 0;
}

static int find_workload(const char *name, const struct changes *changes, struct options *options)
{
    if (strcmp(name, "bounce") == 0) {
        options->bounce = true;
        return 0;
    }
    if (workload_find(name, &options->workload))
        return -1;
    workload_scale(&options->workload, changes->torrents, changes->peers);
    if (changes->numwant > 0)
        options->workload.numwant = (uint16_t)changes->numwant;
    return changes->mix ? parse_mix(changes->mix, &options->workload) : 0;
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
    struct changes changes = {0};
    int option;

    set_defaults(options);
    while ((option = getopt_long(argc, argv, "", option_names, NULL)) != -1) {
        if (option == HELP) {
            printf(usage_text, workload_names());
            return 1;
        }
        if (option == '?' || take_option(option, options, &changes))
            goto wrong;
    }
    if (optind != argc - 1 || find_workload(argv[optind], &changes, options) || !sound(options))
        goto wrong;
    if (options->populate_window == 0)
        options->populate_window = options->window;
    return 0;
wrong:
    fprintf(stderr, usage_text, workload_names());
    return -1;
}

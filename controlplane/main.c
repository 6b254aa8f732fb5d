/* SPDX-License-Identifier: BSD-3-Clause */
/* musterd: its options, its signals, and the control thread between the start of all parts and
 * their end. */
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controlplane.h"
#include "log.h"
#include "parts.h"
#include "service.h"

enum { EXIT_USAGE = 2 }; /* wrong options or configuration: nothing was started */

#define DEFAULT_CONFIG "/etc/muster/muster.yaml"

/* Options ------------------------------------------------------------------------------------- */

struct options {
    const char *config_path;
    bool check_only;
};

static const char usage[] =
    "usage: musterd [-c FILE] [--check-config]\n"
    "       musterd --version | --help\n"
    "\n"
    "A BitTorrent UDP tracker (BEP 15). Runs in the foreground.\n"
    "\n"
    "  -c, --config FILE  the configuration (" DEFAULT_CONFIG "); see muster.yaml(5)\n"
    "      --check-config only say whether the configuration is right\n"
    "      --version      print the version\n"
    "      --help         print this\n"
    "\n"
    "SIGTERM and SIGINT end it in order, SIGHUP reads the configuration again.\n"
    "Exits with 0 when all went well, 1 when a part couldn't start, 2 when an option or the\n"
    "configuration is wrong.\n";

/* -1: go on; else the exit code. */
static int parse_options(int argc, char *argv[], struct options *options)
{
    enum { CHECK_CONFIG = 256, VERSION, HELP };
    static const struct option known[] = {
        {"config", required_argument, NULL, 'c'},
        {"check-config", no_argument, NULL, CHECK_CONFIG},
        {"version", no_argument, NULL, VERSION},
        {"help", no_argument, NULL, HELP},
        {0},
    };
    int option;

    *options = (struct options){.config_path = DEFAULT_CONFIG};
    while ((option = getopt_long(argc, argv, "c:", known, NULL)) != -1) {
        switch (option) {
        case 'c':
            options->config_path = optarg;
            break;
        case CHECK_CONFIG:
            options->check_only = true;
            break;
        case VERSION:
            puts("musterd " MUSTER_VERSION);
            return EXIT_SUCCESS;
        case HELP:
            fputs(usage, stdout);
            return EXIT_SUCCESS;
        default:
            fputs(usage, stderr);
            return EXIT_USAGE;
        }
    }
    if (optind == argc)
        return -1;
    fprintf(stderr, "musterd: unexpected argument: %s\n%s", argv[optind], usage);
    return EXIT_USAGE;
}

/* Events -------------------------------------------------------------------------------------- */

struct sources {
    struct event *tick, *terminate, *interrupt, *hangup;
};

static void on_tick(evutil_socket_t descriptor, short what, void *user)
{
    controlplane_tick(user);
}

static void on_terminate(evutil_socket_t number, short what, void *user)
{
    log_info("main", "stopping: signal=%s", strsignal((int)number));
    controlplane_shutdown(user);
}

static void on_hangup(evutil_socket_t number, short what, void *user)
{
    char *report = NULL;
    size_t size;
    FILE *out = open_memstream(&report, &size);
    int error;

    if (!out)
        return;
    error = controlplane_reload(user, out);
    fclose(out);
    log_lines(error ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO, "main", report);
    free(report);
}

static int watch(struct controlplane *controlplane, struct sources *sources)
{
    const struct timeval second = {.tv_sec = 1};
    struct event_base *events = controlplane->events;

    sources->tick = event_new(events, -1, EV_PERSIST, on_tick, controlplane);
    sources->terminate = evsignal_new(events, SIGTERM, on_terminate, controlplane);
    sources->interrupt = evsignal_new(events, SIGINT, on_terminate, controlplane);
    sources->hangup = evsignal_new(events, SIGHUP, on_hangup, controlplane);
    if (!sources->tick || !sources->terminate || !sources->interrupt || !sources->hangup)
        return -ENOMEM;
    return event_add(sources->tick, &second) | event_add(sources->terminate, NULL) |
           event_add(sources->interrupt, NULL) | event_add(sources->hangup, NULL);
}

static void unwatch(struct sources *sources)
{
    struct event *all[] = {sources->tick, sources->terminate, sources->interrupt, sources->hangup};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (all[i])
            event_free(all[i]);
}

/*
 * Threads inherit it: while the data plane starts its own, signals for the control thread are
 * blocked, or a worker would be the one to be interrupted.
 */
static void block_signals(bool block)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(block ? SIG_BLOCK : SIG_UNBLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* The process --------------------------------------------------------------------------------- */

static int serve(struct controlplane *controlplane)
{
    struct sources sources = {0};
    int result = EXIT_FAILURE;

    block_signals(true);
    if (parts_start(controlplane) && watch(controlplane, &sources) == 0) {
        block_signals(false);
        log_info("main", "ready: version=%s workers=%u ports=%u", MUSTER_VERSION,
                 controlplane->config.dataplane.workers,
                 controlplane->config.dataplane.ports_count);
        service_ready("ready");
        event_base_dispatch(controlplane->events);
        result = controlplane->failed ? EXIT_FAILURE : EXIT_SUCCESS;
    }
    unwatch(&sources);
    parts_stop(controlplane);
    if (result == EXIT_SUCCESS)
        log_info("main", "stopped");
    return result;
}

int main(int argc, char *argv[])
{
    static struct controlplane controlplane;
    struct options options;
    int result = parse_options(argc, argv, &options);

    if (result >= 0)
        return result;
    if (config_load(options.config_path, &controlplane.config, stderr) < 0)
        return EXIT_USAGE;
    if (options.check_only) {
        printf("%s: valid\n", options.config_path);
        return EXIT_SUCCESS;
    }
    log_open(controlplane.config.log.target, controlplane.config.log.level);
    log_adopt_dpdk();
    controlplane.config_path = options.config_path;
    controlplane_init(&controlplane);
    controlplane.events = event_base_new();
    if (!controlplane.events) {
        log_error("main", "no event loop can be had");
        return EXIT_FAILURE;
    }
    result = serve(&controlplane);
    event_base_free(controlplane.events);
    return result;
}

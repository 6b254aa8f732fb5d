/* SPDX-License-Identifier: BSD-3-Clause */
/* musterd: starts the parts in order, runs the control thread, stops them in the opposite order. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ban_file.h"
#include "confine.h"
#include "confinement.h"
#include "controlplane.h"
#include "jobs.h"
#include "log.h"
#include "operator/console.h"
#include "persistence.h"
#include "secrets.h"
#include "service.h"
#include "steering.h"

enum {
    EXIT_USAGE = 2,   /* wrong options or configuration: nothing was started */
    DELTAS = 1 << 17, /* of each worker's ring, 5.5 MiB: what the control thread may fall behind */
    LAST_SNAPSHOT_SECONDS = 30,       /* that stopping waits for it; service managers wait 90 */
    ERROR_SIZE = STEERING_ERROR_SIZE, /* the longest of the parts' */
};

_Static_assert((int)ERROR_SIZE >= (int)SECRETS_ERROR_SIZE, "an explanation fits");

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

/* Parts --------------------------------------------------------------------------------------- */

static int start_folders(struct controlplane *controlplane, char *error)
{
    const struct config *config = &controlplane->config;
    const char *user = config->confine.user;
    char file[CONFIG_PATH_SIZE + sizeof("/lock")];
    uid_t id;
    int failed = confine_user_id(user, &id, error, ERROR_SIZE);

    if (!failed)
        failed = confine_make_folder(config->connection_id.key_file, user, error, ERROR_SIZE);
    if (!failed)
        failed = confine_make_folder(config->control.socket, user, error, ERROR_SIZE);
    if (!failed && config->persistence.kind == PERSISTENCE_FILE) {
        snprintf(file, sizeof(file), "%s/lock", config->persistence.directory);
        failed = confine_make_folder(file, user, error, ERROR_SIZE);
    }
    return failed;
}

static int start_secrets(struct controlplane *controlplane, char *error)
{
    struct config *config = &controlplane->config;
    int failed =
        secrets_open(config->connection_id.key_file, time(NULL), &controlplane->secrets, error);

    if (!failed)
        config->dataplane.secret = *secrets_swarms(controlplane->secrets);
    return failed;
}

static void stop_secrets(struct controlplane *controlplane)
{
    secrets_close(controlplane->secrets);
}

static int start_access(struct controlplane *controlplane, char *error)
{
    controlplane->access = access_control_start(controlplane, error, ERROR_SIZE);
    return controlplane->access ? 0 : -EINVAL;
}

static void stop_access(struct controlplane *controlplane)
{
    access_control_free(controlplane->access);
}

static int start_bans(struct controlplane *controlplane, char *error)
{
    char path[PATH_MAX];
    int failed;

    controlplane->bans = bans_new();
    if (!controlplane->bans) {
        snprintf(error, ERROR_SIZE, "out of memory");
        return -ENOMEM;
    }
    ban_file_path(controlplane->config.connection_id.key_file, path, sizeof(path));
    failed = ban_file_read(path, time(NULL), controlplane->bans, error, ERROR_SIZE);
    if (failed)
        bans_free(controlplane->bans);
    return failed;
}

static void stop_bans(struct controlplane *controlplane)
{
    controlplane_save_bans(controlplane);
    bans_free(controlplane->bans);
}

static int start_steering(struct controlplane *controlplane, char *error)
{
    const struct config *config = &controlplane->config;

    return steering_prepare(&config->dataplane, config->xdp.program, config->xdp.mode,
                            &controlplane->steering, error);
}

static void stop_steering(struct controlplane *controlplane)
{
    steering_close(controlplane->steering);
}

static int start_dataplane(struct controlplane *controlplane, char *error)
{
    struct dataplane_settings settings;
    int failed;

    if (controlplane->config.persistence.fleet.enabled)
        controlplane->config.dataplane.deltas = DELTAS;
    controlplane_settings(controlplane, &settings);
    failed = dataplane_start(&controlplane->config.dataplane, &settings, &controlplane->dataplane,
                             error, ERROR_SIZE);
    if (failed && controlplane->steering)
        steering_explain(controlplane->steering, error);
    return failed;
}

/* The workers may write to jobs until they have stopped. */
static void stop_dataplane(struct controlplane *controlplane)
{
    dataplane_stop(controlplane->dataplane);
    persistence_free(controlplane->persistence);
    jobs_free(controlplane->jobs);
}

static int start_steering_maps(struct controlplane *controlplane, char *error)
{
    uid_t owner;
    int failed = confine_user_id(controlplane->config.confine.user, &owner, error, ERROR_SIZE);

    if (failed || !controlplane->steering)
        return failed;
    failed = steering_open(controlplane->steering, owner, error);
    for (unsigned i = 0; !failed && i < controlplane->config.dataplane.ports_count; i++) {
        const struct dataplane_port_config *port = &controlplane->config.dataplane.ports[i];

        if (port->kind == DATAPLANE_AF_XDP)
            log_info("steering", "program attached: interface=%s mode=%s", port->device,
                     steering_mode_of(controlplane->steering, port->device));
    }
    return failed;
}

static int start_console(struct controlplane *controlplane, char *error)
{
    controlplane->jobs = jobs_new(controlplane->events, controlplane->dataplane);
    if (!controlplane->jobs) {
        snprintf(error, ERROR_SIZE, "out of memory");
        return -ENOMEM;
    }
    return console_start(controlplane, &controlplane->console, error, ERROR_SIZE);
}

static void stop_console(struct controlplane *controlplane)
{
    console_stop(controlplane->console);
}

static int start_confinement(struct controlplane *controlplane, char *error)
{
    return confinement_start(controlplane, error, ERROR_SIZE);
}

static int start_serving(struct controlplane *controlplane, char *error)
{
    int failed = controlplane_publish(controlplane);

    if (failed)
        snprintf(error, ERROR_SIZE, "the data plane takes no settings: %s", strerror(-failed));
    return failed;
}

static void on_persistence_note(void *user, bool warning, const char *text)
{
    if (warning)
        log_warning("store", "%s", text);
    else
        log_info("store", "%s", text);
}

/* What needs no privileges any more. */
static int start_persistence(struct controlplane *controlplane, char *error)
{
    struct persistence_config config = {
        .settings = &controlplane->config.persistence,
        .base = controlplane->events,
        .jobs = controlplane->jobs,
        .dataplane = controlplane->dataplane,
        .secret = &controlplane->config.dataplane.secret,
        .timeouts = &controlplane->config.settings.timeouts,
        .on_note = on_persistence_note,
    };

    if (config.settings->kind == PERSISTENCE_NONE)
        return 0;
    controlplane->persistence = persistence_start(&config, error, ERROR_SIZE);
    return controlplane->persistence ? 0 : -EIO;
}

/* It is freed once the workers have let go of its jobs. */
static void stop_persistence(struct controlplane *controlplane)
{
    if (controlplane->persistence)
        persistence_stop(controlplane->persistence, LAST_SNAPSHOT_SECONDS);
}

static const struct part {
    const char *name;
    int (*start)(struct controlplane *controlplane, char *error); /* error: ERROR_SIZE bytes */
    void (*stop)(struct controlplane *controlplane);
} parts[] = {
    {"folders", start_folders, NULL},
    {"secrets", start_secrets, stop_secrets},
    {"access", start_access, stop_access},
    {"bans", start_bans, stop_bans},
    {"steering", start_steering, stop_steering},
    {"dataplane", start_dataplane, stop_dataplane},
    {"steering", start_steering_maps, NULL},
    {"console", start_console, stop_console},
    {"confine", start_confinement, NULL},
    {"dataplane", start_serving, NULL},
    {"store", start_persistence, stop_persistence},
};

enum { PARTS = sizeof(parts) / sizeof(parts[0]) };

/* How many parts have started: all of them, or those before the one that failed. */
static unsigned start(struct controlplane *controlplane)
{
    char error[ERROR_SIZE] = "";

    for (unsigned i = 0; i < PARTS; i++) {
        log_debug("main", "starting: part=%s", parts[i].name);
        if (parts[i].start(controlplane, error) < 0) {
            log_lines(LOG_LEVEL_ERROR, parts[i].name, error);
            return i;
        }
    }
    return PARTS;
}

static void stop(struct controlplane *controlplane, unsigned started)
{
    service_stopping();
    while (started-- > 0) {
        if (!parts[started].stop)
            continue;
        log_debug("main", "stopping: part=%s", parts[started].name);
        parts[started].stop(controlplane);
    }
}

/* The process --------------------------------------------------------------------------------- */

static int serve(struct controlplane *controlplane)
{
    struct sources sources = {0};
    unsigned started;
    int result = EXIT_FAILURE;

    block_signals(true);
    started = start(controlplane);
    if (started == PARTS && watch(controlplane, &sources) == 0) {
        block_signals(false);
        log_info("main", "ready: version=%s workers=%u ports=%u", MUSTER_VERSION,
                 controlplane->config.dataplane.workers,
                 controlplane->config.dataplane.ports_count);
        service_ready("ready");
        event_base_dispatch(controlplane->events);
        result = EXIT_SUCCESS;
    }
    unwatch(&sources);
    stop(controlplane, started);
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

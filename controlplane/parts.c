/* SPDX-License-Identifier: BSD-3-Clause */
#include "parts.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "ban_file.h"
#include "confine.h"
#include "confinement.h"
#include "controlplane.h"
#include "jobs.h"
#include "log.h"
#include "observation.h"
#include "operator/console.h"
#include "persistence.h"
#include "secrets.h"
#include "service.h"
#include "steering.h"

enum {
    DELTAS = 1 << 17, /* slots of a worker's ring, 4 MiB: what the control thread may fall behind */
    LAST_SNAPSHOT_SECONDS = 30,       /* that stopping waits for it; service managers wait 90 */
    ERROR_SIZE = STEERING_ERROR_SIZE, /* the longest of the parts' */
};

_Static_assert((int)ERROR_SIZE >= (int)SECRETS_ERROR_SIZE, "an explanation fits");

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

static void publish(void *controlplane)
{
    controlplane_publish(controlplane);
}

static int start_access(struct controlplane *controlplane, char *error)
{
    const struct access_control_owner owner = {
        .config = &controlplane->config,
        .events = controlplane->events,
        .changed = publish,
        .user = controlplane,
    };

    controlplane->access = access_control_start(&owner, error, ERROR_SIZE);
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
    observation_free(controlplane->observation);
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

static int start_jobs(struct controlplane *controlplane, char *error)
{
    controlplane->jobs = jobs_new(controlplane->events, controlplane->dataplane);
    controlplane->observation = observation_new(controlplane->dataplane, controlplane->steering);
    if (controlplane->jobs && controlplane->observation)
        return 0;
    snprintf(error, ERROR_SIZE, "out of memory");
    return -ENOMEM;
}

/* Not part of the control plane's state: nothing below it knows it. */
static struct console *console;

static int start_console(struct controlplane *controlplane, char *error)
{
    return console_start(controlplane, &console, error, ERROR_SIZE);
}

static void stop_console(struct controlplane *controlplane)
{
    console_stop(console);
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
    {"jobs", start_jobs, NULL},
    {"console", start_console, stop_console},
    {"confine", start_confinement, NULL},
    {"dataplane", start_serving, NULL},
    {"store", start_persistence, stop_persistence},
};

enum { PARTS = sizeof(parts) / sizeof(parts[0]) };

static unsigned parts_started;

bool parts_start(struct controlplane *controlplane)
{
    char error[ERROR_SIZE] = "";

    for (parts_started = 0; parts_started < PARTS; parts_started++) {
        const struct part *part = &parts[parts_started];

        log_debug("main", "starting: part=%s", part->name);
        if (part->start(controlplane, error) < 0) {
            log_lines(LOG_LEVEL_ERROR, part->name, error);
            return false;
        }
    }
    return true;
}

void parts_stop(struct controlplane *controlplane)
{
    service_stopping();
    while (parts_started > 0) {
        const struct part *part = &parts[--parts_started];

        if (!part->stop)
            continue;
        log_debug("main", "stopping: part=%s", part->name);
        part->stop(controlplane);
    }
}

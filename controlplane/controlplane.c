/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "access_list.h"
#include "adaptive_interval.h"
#include "ban_file.h"
#include "config_report.h"
#include "log.h"
#include "observation.h"
#include "persistence.h"
#include "secrets.h"
#include "service.h"
#include "steering.h"

void controlplane_init(struct controlplane *controlplane)
{
    controlplane->started = time(NULL);
    controlplane->interval = controlplane->config.settings.interval;
    controlplane->config.dataplane.xdp_program = controlplane->config.xdp.program;
    secrets_random(controlplane->limiter_secret, sizeof(controlplane->limiter_secret));
}

/* Publishing ---------------------------------------------------------------------------------- */

static void set_limiter(const struct controlplane *controlplane, struct limiter_config *limiter)
{
    const struct config *config = &controlplane->config;

    memset(limiter, 0, sizeof(*limiter));
    memcpy(limiter->secret, controlplane->limiter_secret, sizeof(limiter->secret));
    limiter->dry_run = config->limits.dry_run;
    for (unsigned kind = 0; kind < LIMITER_CLASSES; kind++) {
        const uint32_t *rates = config->limits.rates[kind];
        struct limiter_limit address = limiter_limit(
            rates[CONFIG_SOURCE_ADDRESS], rates[CONFIG_SOURCE_ADDRESS] * config->limits.burst);
        struct limiter_limit network = limiter_limit(
            rates[CONFIG_SOURCE_NETWORK], rates[CONFIG_SOURCE_NETWORK] * config->limits.burst);

        limiter->limits[kind][LIMITER_IPV4_32] = address;
        limiter->limits[kind][LIMITER_IPV6_64] = address;
        limiter->limits[kind][LIMITER_IPV4_24] = network;
        limiter->limits[kind][LIMITER_IPV6_48] = network;
    }
}

void controlplane_settings(struct controlplane *controlplane, struct dataplane_settings *settings)
{
    const struct config *config = &controlplane->config;

    *settings = config->settings;
    settings->draining = controlplane->draining;
    settings->interval =
        controlplane->draining ? config->adaptive_interval.maximum : controlplane->interval;
    settings->access_mode = access_control_mode(controlplane->access);
    settings->access = access_list_set(access_control_list(controlplane->access));
    settings->cookies = secrets_cookies(controlplane->secrets, time(NULL));
    settings->bans = bans_set(controlplane->bans);
    set_limiter(controlplane, &settings->limiter);
}

static int ban_in_program(void *steering, const struct ban *ban)
{
    return steering_ban_add(steering, ban);
}

static int lift_in_program(void *steering, const struct ban *ban)
{
    return steering_ban_delete(steering, ban);
}

int controlplane_publish(struct controlplane *controlplane)
{
    struct dataplane_settings settings;
    int error;

    controlplane_settings(controlplane, &settings);
    error = dataplane_configure(controlplane->dataplane, &settings);
    if (!error && controlplane->steering)
        error = steering_configure(controlplane->steering, &settings,
                                   controlplane->config.xdp.answer_connect);
    if (!error && controlplane->steering)
        error =
            bans_apply(controlplane->bans, ban_in_program, lift_in_program, controlplane->steering);
    if (controlplane->persistence)
        persistence_set(controlplane->persistence, &controlplane->config.persistence);
    if (error) {
        log_error("control", "settings can't be published: error=%s", strerror(-error));
        controlplane->epoch = 0; /* the next tick tries again */
    }
    return error;
}

/* Every second -------------------------------------------------------------------------------- */

/* True in a new epoch: the keys are to be published again, perhaps with a new one. */
static bool follow_clock(struct controlplane *controlplane)
{
    time_t now = time(NULL);
    uint64_t epoch = (uint64_t)now / COOKIE_EPOCH_SECONDS;
    char error[SECRETS_ERROR_SIZE];

    if (epoch == controlplane->epoch)
        return false;
    controlplane->epoch = epoch;
    if (secrets_due(controlplane->secrets, now, controlplane->config.connection_id.rotation)) {
        if (secrets_rotate(controlplane->secrets, now, error) < 0)
            log_error("secrets", "the key stays the old one: %s", error);
        else
            log_info("secrets", "new key for connection IDs");
    }
    return true;
}

/* True when clients are to be told another interval. */
static bool follow_load(struct controlplane *controlplane)
{
    const struct adaptive_interval rule = {
        .base = controlplane->config.settings.interval,
        .maximum = controlplane->config.adaptive_interval.maximum,
        .threshold = controlplane->config.adaptive_interval.load / 100.0,
    };
    uint32_t before = controlplane->interval;

    controlplane->interval = adaptive_interval(&rule, controlplane->load);
    return controlplane->interval != before;
}

/* The manager restarts us if a worker hangs: then it isn't fed. */
static void tell_service(struct controlplane *controlplane)
{
    const struct observation *observation = controlplane->observation;
    const struct observation_rates *rates = observation_rates(observation, 0);
    int stuck = observation_stuck_worker(observation);
    char status[128];

    if (stuck >= 0) {
        controlplane->failing = "a worker is stuck";
        log_error("control", "worker is stuck: worker=%d", stuck);
        return;
    }
    controlplane->failing = NULL;
    snprintf(status, sizeof(status), "%s%.0f announces/s, %llu peers, load %.0f %%",
             controlplane->draining ? "draining, " : "",
             rates->announces_ipv4 + rates->announces_ipv6, (unsigned long long)rates->peers,
             100 * rates->load);
    service_alive(status);
}

/* Without a port there is nothing to do; the service manager may try again. */
static void watch_links(struct controlplane *controlplane)
{
    if (controlplane->failed || links_watch(&controlplane->links, controlplane->observation))
        return;
    log_error("control", "stopping: no port is left");
    controlplane->failed = true;
    controlplane_shutdown(controlplane);
}

void controlplane_tick(struct controlplane *controlplane)
{
    bool new_epoch = follow_clock(controlplane);
    bool stretched;

    dataplane_tend(controlplane->dataplane);
    observation_tick(controlplane->observation);
    watch_links(controlplane);
    controlplane->load =
        adaptive_load(controlplane->load, observation_rates(controlplane->observation, 0)->load, 1);
    stretched = follow_load(controlplane);
    if (stretched)
        log_info("control", "announce interval follows the load: load=%.0f%% interval=%us",
                 100 * controlplane->load, controlplane->interval);
    if (stretched || new_epoch || bans_expire(controlplane->bans, bans_clock()))
        controlplane_publish(controlplane);
    if (dataplane_settled(controlplane->dataplane)) {
        access_list_settled(access_control_list(controlplane->access));
        bans_settled(controlplane->bans);
    }
    controlplane_save_bans(controlplane);
    tell_service(controlplane);
}

void controlplane_save_bans(struct controlplane *controlplane)
{
    char path[PATH_MAX];
    int failed;

    if (!bans_unsaved(controlplane->bans))
        return;
    ban_file_path(controlplane->config.connection_id.key_file, path, sizeof(path));
    failed = ban_file_write(path, time(NULL), controlplane->bans);
    bans_saved(controlplane->bans); /* or else it would be told every second */
    if (failed)
        log_error("bans", "not kept, they end with this process: file=%s error=\"%s\"", path,
                  strerror(-failed));
}

/* Changes ------------------------------------------------------------------------------------- */

/*
 * Makes the configuration take effect, or puts `before` back. What the access list says may follow
 * later, when it has been read.
 */
static int apply(struct controlplane *controlplane, const struct config *before, bool read_list,
                 FILE *errors)
{
    int error;

    log_set_level(controlplane->config.log.level);
    follow_load(controlplane);
    error = access_control_apply(controlplane->access, read_list, NULL, NULL);
    if (!error)
        error = controlplane_publish(controlplane);
    if (!error)
        return 0;
    controlplane->config = *before;
    log_set_level(before->log.level);
    follow_load(controlplane);
    controlplane_publish(controlplane);
    fputs(error == -EBUSY ? "an access list is being read: try again when it is done\n"
                          : "the data plane would not take it; nothing was changed\n",
          errors);
    return error;
}

static void take_live_keys(struct config *running, const struct config *next)
{
    for (const struct config_key *key = config_keys; key->name; key++)
        if (!key->restart)
            config_copy(running, next, key);
}

/* Live keys of the new file must go with what can't change now, too. */
static int check(const struct config *config, const char *path, FILE *report)
{
    struct config_report problems = {.file = path, .out = report};

    config_check(config, &problems);
    return problems.errors ? -EINVAL : 0;
}

/* Somebody may have brought the file of another appliance. */
static int reload_secrets(struct controlplane *controlplane, FILE *report)
{
    char explanation[SECRETS_ERROR_SIZE];
    int error = secrets_reload(controlplane->secrets, explanation);

    if (error)
        fprintf(report, "%s\n", explanation);
    return error;
}

int controlplane_reload(struct controlplane *controlplane, FILE *report)
{
    struct config before = controlplane->config;
    struct config next;
    int error;

    service_reloading();
    error = config_load(controlplane->config_path, &next, report);
    if (!error) {
        take_live_keys(&controlplane->config, &next);
        error = check(&controlplane->config, controlplane->config_path, report);
    }
    if (!error)
        error = reload_secrets(controlplane, report);
    if (error) {
        controlplane->config = before;
        service_ready("the configuration is wrong: it runs as before");
        return error;
    }
    config_print_changes(&before, &next, report);
    error = apply(controlplane, &before, true, report);
    service_ready(error ? "the configuration can't be applied: it runs as before" : "reloaded");
    return error;
}

int controlplane_set(struct controlplane *controlplane, const char *key, const char *value,
                     FILE *errors)
{
    struct config before = controlplane->config;
    int error = config_set(&controlplane->config, key, value, errors);

    if (!error)
        error = apply(controlplane, &before, false, errors);
    if (!error)
        log_info("control", "key set: %s=%s", key, value);
    return error;
}

int controlplane_load_access(struct controlplane *controlplane, const char *path,
                             access_list_done *done, void *user)
{
    char *file = controlplane->config.access.file;
    char before[CONFIG_PATH_SIZE];
    int error;

    memcpy(before, file, sizeof(before));
    if (path && strlen(path) >= sizeof(before))
        return -ENAMETOOLONG;
    if (path)
        snprintf(file, sizeof(before), "%s", path);
    error = *file ? access_control_apply(controlplane->access, true, done, user) : -ENOENT;
    if (error)
        memcpy(file, before, sizeof(before));
    return error;
}

int controlplane_drain(struct controlplane *controlplane, bool drain)
{
    bool before = controlplane->draining;
    int error;

    controlplane->draining = drain;
    error = controlplane_publish(controlplane);
    if (error) {
        controlplane->draining = before;
        controlplane_publish(controlplane);
        return error;
    }
    log_info("control", drain ? "draining" : "no longer draining");
    return 0;
}

void controlplane_shutdown(struct controlplane *controlplane)
{
    event_base_loopexit(controlplane->events, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "controlplane/access_list.h"
#include "controlplane/bans.h"
#include "controlplane/jobs.h"
#include "controlplane/observation.h"
#include "controlplane/operator/console.h"
#include "fake_controlplane.h"
#include "fake_dataplane.h"

struct controlplane fake_controlplane;
struct console *fake_console;
int fake_refusal;
static char config_path[128];

int controlplane_publish(struct controlplane *controlplane)
{
    return fake_refusal;
}

int controlplane_reload(struct controlplane *controlplane, FILE *report)
{
    struct config next;
    int error = config_load(controlplane->config_path, &next, report);

    if (error == 0) {
        fputs("tracker.interval: taken over\n", report);
        controlplane->config.settings = next.settings;
    }
    return error;
}

int controlplane_set(struct controlplane *controlplane, const char *key, const char *value,
                     FILE *errors)
{
    return config_set(&controlplane->config, key, value, errors);
}

int controlplane_load_access(struct controlplane *controlplane, const char *path,
                             access_list_done *done, void *user)
{
    if (path == NULL)
        return -ENOENT;
    return access_list_load(access_control_list(controlplane->access), path, done, user);
}

int controlplane_drain(struct controlplane *controlplane, bool drain)
{
    controlplane->draining = drain;
    return fake_refusal;
}

void controlplane_shutdown(struct controlplane *controlplane)
{
    event_base_loopexit(controlplane->events, NULL);
}

static void publish(void *user)
{
    controlplane_publish(&fake_controlplane);
}

int fake_controlplane_start(const char *folder)
{
    struct config *config = &fake_controlplane.config;
    struct access_control_owner owner = {.config = config, .changed = publish};
    char error[1024];
    FILE *file;

    snprintf(config_path, sizeof(config_path), "%s/muster.yaml", folder);
    file = fopen(config_path, "w");
    if (file == NULL)
        return -1;
    fputs("ports:\n  - type: vdev\n    args: net_null0\n"
          "memory:\n  torrents: 5M\n  peers: 20M\n",
          file);
    fclose(file);
    if (config_load(config_path, config, stderr) != 0)
        return -1;
    snprintf(config->control.socket, sizeof(config->control.socket), "%s/control.sock", folder);
    config->metrics.address =
        (struct dataplane_address){.family = 4, .bytes = {127, 0, 0, 1}, .port = 0};
    fake_controlplane.config_path = config_path;
    fake_controlplane.events = owner.events = event_base_new();
    fake_controlplane.started = time(NULL);
    fake_controlplane.interval = config->settings.interval;
    fake_controlplane.jobs = jobs_new(fake_controlplane.events, fake_controlplane.dataplane);
    fake_controlplane.observation =
        observation_new(fake_controlplane.dataplane, fake_controlplane.steering);
    fake_controlplane.bans = bans_new();
    fake_controlplane.access = access_control_start(&owner, error, sizeof(error));
    if (console_start(&fake_controlplane, &fake_console, error, sizeof(error)) != 0) {
        fprintf(stderr, "%s\n", error);
        return -1;
    }
    return 0;
}

void fake_controlplane_stop(void)
{
    console_stop(fake_console);
    bans_free(fake_controlplane.bans);
    access_control_free(fake_controlplane.access);
    observation_free(fake_controlplane.observation);
    jobs_free(fake_controlplane.jobs);
    event_base_free(fake_controlplane.events);
    unlink(config_path);
}

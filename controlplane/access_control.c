/* SPDX-License-Identifier: BSD-3-Clause */
#include "access_control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

enum { EXPLANATION_SIZE = 2048 };

struct access_control {
    struct access_control_owner owner;
    struct access_list *list;

    /* in force */
    enum dataplane_access_mode mode;
    char file[CONFIG_PATH_SIZE];

    /* whoever waits for a load */
    access_list_done *done;
    void *user;
};

/* The configuration is now what is in force. */
static void adopt(struct access_control *control)
{
    const struct config *config = control->owner.config;

    control->mode = config->settings.access_mode;
    memcpy(control->file, config->access.file, sizeof(control->file));
}

/* What is in force is now the configuration. */
static void revert(struct access_control *control)
{
    struct config *config = control->owner.config;

    config->settings.access_mode = control->mode;
    memcpy(config->access.file, control->file, sizeof(control->file));
}

static void on_changed(void *user)
{
    struct access_control *control = user;

    adopt(control);
    control->owner.changed(control->owner.user);
}

static void on_loaded(void *user, int error, const char *explanation)
{
    struct access_control *control = user;
    access_list_done *done = control->done;
    struct access_list_status status;

    control->done = NULL;
    access_list_status(control->list, &status);
    if (error) {
        revert(control);
        log_lines(LOG_LEVEL_ERROR, "access", explanation);
        log_error("access", "the list stays as it was: hashes=%zu", status.hashes);
    } else {
        log_info("access", "list loaded: file=%s hashes=%zu", status.file, status.hashes);
    }
    if (done)
        done(control->user, error, explanation);
}

int access_control_apply(struct access_control *control, bool again, access_list_done *done,
                         void *user)
{
    const char *file = control->owner.config->access.file;
    int error;

    if (*file && (again || strcmp(file, control->file) != 0)) {
        error = access_list_load(control->list, file, on_loaded, control);
        if (!error) {
            control->done = done;
            control->user = user;
        }
        return error;
    }
    adopt(control);
    return 0;
}

enum dataplane_access_mode access_control_mode(const struct access_control *control)
{
    return control->mode;
}

const char *access_control_mode_name(const struct access_control *control)
{
    return config_key_find("access.mode")->choices[control->mode];
}

struct access_list *access_control_list(const struct access_control *control)
{
    return control->list;
}

struct access_control *access_control_start(const struct access_control_owner *owner, char *error,
                                            size_t error_size)
{
    struct access_control *control = calloc(1, sizeof(*control));
    char explanation[EXPLANATION_SIZE];

    if (control) {
        control->owner = *owner;
        control->list = access_list_new(owner->events, on_changed, control);
    }
    if (!control || !control->list) {
        snprintf(error, error_size, "no memory for the access list");
        free(control);
        return NULL;
    }
    if (*owner->config->access.file &&
        access_list_load_now(control->list, owner->config->access.file, explanation,
                             sizeof(explanation)) < 0) {
        log_lines(LOG_LEVEL_ERROR, "access", explanation);
        snprintf(error, error_size,
                 "the access list can't be taken: mend it, or empty access.file");
        access_control_free(control);
        return NULL;
    }
    adopt(control);
    return control;
}

void access_control_free(struct access_control *control)
{
    if (!control)
        return;
    access_list_free(control->list);
    free(control);
}

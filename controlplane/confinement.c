/* SPDX-License-Identifier: BSD-3-Clause */
#include "confinement.h"

#include <errno.h>

#include "../bpf/steering_maps.h"
#include "confine.h"
#include "log.h"

/*
 * What getaddrinfo() reads, for Redis nodes given by name. A file that is replaced meanwhile is a
 * new one, and is seen at the next start; so systemd-resolved's are allowed with their folder.
 */
static const char *const resolver_files[] = {"/etc/hosts",       "/etc/host.conf",
                                             "/etc/gai.conf",    "/etc/nsswitch.conf",
                                             "/etc/resolv.conf", "/run/systemd/resolve"};

enum { RESOLVER_FILES = sizeof(resolver_files) / sizeof(resolver_files[0]) };

/* Where the running tracker's files are. */
static int confine_to_files(const struct controlplane *controlplane, char *error, size_t error_size)
{
    const struct config *config = &controlplane->config;
    const struct dataplane_config *dataplane = &config->dataplane;
    char settings[CONFINE_PATH_SIZE], lists[CONFINE_PATH_SIZE] = "";
    char keys[CONFINE_PATH_SIZE], socket[CONFINE_PATH_SIZE];
    char memif[DATAPLANE_PORTS_MAX][CONFINE_PATH_SIZE];
    const char *readable[RESOLVER_FILES + 6] = {settings, lists, config->confine.readable,
                                                config->persistence.redis.password_file,
                                                "/proc/self"};
    const char *writable[DATAPLANE_PORTS_MAX + 5] = {keys, socket, STEERING_PIN_ROOT};
    unsigned count = 3;

    confine_folder_of(controlplane->config_path, settings);
    confine_folder_of(config->control.socket, socket);
    confine_folder_of(config->connection_id.key_file, keys);
    if (*config->access.file)
        confine_folder_of(config->access.file, lists);
    for (unsigned i = 0; config->persistence.kind == PERSISTENCE_REDIS && i < RESOLVER_FILES; i++)
        readable[5 + i] = resolver_files[i];
    if (config->persistence.kind == PERSISTENCE_FILE)
        writable[count++] = config->persistence.directory;
    for (unsigned i = 0; i < dataplane->ports_count; i++) {
        if (dataplane->ports[i].kind != DATAPLANE_MEMIF)
            continue;
        confine_folder_of(dataplane->ports[i].device, memif[i]);
        writable[count++] = memif[i];
    }
    return confine_files(readable, writable, error, error_size);
}

int confinement_start(const struct controlplane *controlplane, char *error, size_t error_size)
{
    const struct config *config = &controlplane->config;
    const char *key_file = config->connection_id.key_file, *user = config->confine.user;
    int failed = confine_give_file(key_file, user, error, error_size);

    if (!failed && *user)
        failed = confine_user(user, controlplane->steering != NULL, error, error_size);
    if (!failed)
        failed = confine_check_folder(key_file, error, error_size);
    if (!failed && config->confine.files)
        failed = confine_to_files(controlplane, error, error_size);
    if (failed == -EOPNOTSUPP) {
        log_warning("confine", "files stay open to it: %s", error);
        failed = 0;
    }
    if (!failed && config->confine.seccomp)
        failed = confine_system_calls(error, error_size);
    return failed;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "steering_pins.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "../bpf/steering_maps.h"
#include "steering.h"

/* A folder, for bpffs has no plain files; flock() takes folders, too. */
#define LOCK_PATH STEERING_PIN_ROOT "/muster"

/* Calls `act` on the path of each pin of ours; the first error ends it. */
static int for_each_pin(int (*act)(const char *path, void *context), void *context)
{
    DIR *folder = opendir(STEERING_PIN_ROOT);
    struct dirent *entry;
    int error = 0;

    if (!folder)
        return -errno;
    while (!error && (entry = readdir(folder))) {
        char path[sizeof(STEERING_PIN_ROOT "/") + NAME_MAX];

        if (strncmp(entry->d_name, STEERING_PIN_PREFIX, strlen(STEERING_PIN_PREFIX)) != 0)
            continue;
        snprintf(path, sizeof(path), STEERING_PIN_ROOT "/%s", entry->d_name);
        error = act(path, context);
    }
    closedir(folder);
    return error;
}

static int pin_remove(const char *path, void *context)
{
    return unlink(path) == 0 || errno == ENOENT ? 0 : -errno;
}

static int pin_give(const char *path, void *context)
{
    const uid_t *owner = context;

    return chown(path, *owner, (gid_t)-1) == 0 ? 0 : -errno;
}

int steering_pins_lock(char *error)
{
    struct statfs fs;
    int lock;

    if (statfs(STEERING_PIN_ROOT, &fs) != 0 || fs.f_type != BPF_FS_MAGIC) {
        snprintf(error, STEERING_ERROR_SIZE,
                 STEERING_PIN_ROOT
                 " is not a BPF file system: mount -t bpf bpf " STEERING_PIN_ROOT);
        return -ENODEV;
    }
    if (mkdir(LOCK_PATH, 0700) != 0 && errno != EEXIST) {
        int reason = errno;
        snprintf(error, STEERING_ERROR_SIZE, "can't make " LOCK_PATH ": %s: start as root",
                 strerror(reason));
        return -reason;
    }
    lock = open(LOCK_PATH, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock < 0) {
        int reason = errno;
        snprintf(error, STEERING_ERROR_SIZE, "can't open " LOCK_PATH ": %s", strerror(reason));
        return -reason;
    }
    if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
        close(lock);
        snprintf(error, STEERING_ERROR_SIZE,
                 "another musterd has " STEERING_PIN_ROOT ": stop it, or give this one a bpffs of "
                 "its own (unshare --mount, then mount -t bpf bpf " STEERING_PIN_ROOT ")");
        return -EBUSY;
    }
    return lock;
}

int steering_pins_remove(char *error)
{
    int result = for_each_pin(pin_remove, NULL);

    if (result != 0)
        snprintf(error, STEERING_ERROR_SIZE,
                 "can't remove old pins: %s: rm " STEERING_PIN_ROOT "/" STEERING_PIN_PREFIX "*",
                 strerror(-result));
    return result;
}

int steering_pins_give(uid_t owner, char *error)
{
    int result = for_each_pin(pin_give, &owner);

    if (result == 0 && chown(LOCK_PATH, owner, (gid_t)-1) != 0)
        result = -errno;
    if (result != 0)
        snprintf(error, STEERING_ERROR_SIZE,
                 "can't give the pins in " STEERING_PIN_ROOT " to user %u: %s", (unsigned)owner,
                 strerror(-result));
    return result;
}

int steering_pins_open(const char *map, unsigned value_size, char *error)
{
    char path[sizeof(STEERING_PIN_ROOT "/") + NAME_MAX];
    struct bpf_map_info info = {0};
    unsigned size = sizeof(info);
    int fd;

    snprintf(path, sizeof(path), STEERING_PIN_ROOT "/%s", map);
    fd = bpf_obj_get(path);
    if (fd < 0) {
        snprintf(error, STEERING_ERROR_SIZE,
                 "can't open %s: %s: did the driver load another program?", path, strerror(-fd));
        return fd;
    }
    if (bpf_obj_get_info_by_fd(fd, &info, &size) == 0 && info.value_size == value_size)
        return fd;
    snprintf(error, STEERING_ERROR_SIZE,
             "%s has values of %u bytes instead of %u: xdp.program is of another version of Muster",
             path, info.value_size, value_size);
    close(fd);
    return -EINVAL;
}

void steering_pins_unlock(int lock)
{
    for_each_pin(pin_remove, NULL);
    rmdir(LOCK_PATH);
    close(lock);
}

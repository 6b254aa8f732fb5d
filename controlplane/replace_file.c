/* SPDX-License-Identifier: BSD-3-Clause */
#include "replace_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* So that the new name, too, is on the disk. */
static void sync_folder(const char *path)
{
    char folder[PATH_MAX];
    char *slash;
    int fd;

    snprintf(folder, sizeof(folder), "%s", path);
    slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = '\0';
    fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}

static int write_all(int fd, const char *content, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, content, size);

        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return written < 0 ? -errno : -ENOSPC;
        content += written;
        size -= (size_t)written;
    }
    return fsync(fd) == 0 ? 0 : -errno;
}

int replace_file(const char *path, const void *content, size_t size, mode_t mode)
{
    char temporary[PATH_MAX + sizeof(".new")];
    int result, fd;

    snprintf(temporary, sizeof(temporary), "%s.new", path);
    unlink(temporary); /* of somebody who crashed */
    fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return -errno;
    result = write_all(fd, content, size);
    close(fd);
    if (result == 0 && rename(temporary, path) != 0)
        result = -errno;
    if (result != 0)
        unlink(temporary);
    else
        sync_folder(path);
    return result;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unix_listener.h"

/* Does somebody answer there? 0 no; -EADDRINUSE yes; or why that can't be told. */
static int probe(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int status;

    if (fd < 0)
        return -errno;
    if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN)
        status = -EADDRINUSE; /* EAGAIN: it lives, and its backlog is full */
    else
        status = errno == ECONNREFUSED ? 0 : -errno;
    close(fd);
    return status;
}

/* Clears the way for a new file at the address. */
static int clear_path(const struct sockaddr_un *address, char *error, size_t error_size)
{
    const char *path = address->sun_path;
    struct stat file;
    int status;

    if (lstat(path, &file) != 0)
        return 0; /* or bind() will say what is wrong */
    if (!S_ISSOCK(file.st_mode)) {
        snprintf(error, error_size, "%s exists and is no socket: move it away", path);
        return -EEXIST;
    }
    status = probe(address);
    if (status == -EADDRINUSE)
        snprintf(error, error_size,
                 "%s: another daemon answers there: stop it, or set another control.socket", path);
    else if (status != 0)
        snprintf(error, error_size, "%s: can't tell whether a daemon answers there: %s", path,
                 strerror(-status));
    else if (unlink(path) != 0)
        snprintf(error, error_size, "%s: can't replace a dead daemon's socket: %s", path,
                 strerror(-(status = -errno)));
    return status;
}

static int give_to_group(const char *path, const char *name, char *error, size_t error_size)
{
    const struct group *group;

    if (name[0] == '\0')
        return 0;
    group = getgrnam(name);
    if (!group) {
        snprintf(error, error_size,
                 "there is no group \"%s\": addgroup --system %s, or change "
                 "control.group",
                 name, name);
        return -ENOENT;
    }
    if (chown(path, (uid_t)-1, group->gr_gid) == 0)
        return 0;
    snprintf(error, error_size, "%s: can't give it to group %s: %s", path, name, strerror(errno));
    return -errno;
}

static int bind_and_listen(int fd, const struct sockaddr_un *address, mode_t mode)
{
    mode_t mask = umask(0777 & ~mode);
    int status = bind(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ? 0 : -errno;

    umask(mask);
    if (status == 0 && listen(fd, SOMAXCONN) != 0)
        status = -errno;
    return status;
}

int unix_listener_open(struct unix_listener *listener, const char *path, const char *group,
                       mode_t mode, char *error, size_t error_size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat file;
    int status;

    if (strlen(path) >= sizeof(address.sun_path)) {
        snprintf(error, error_size, "%s: a socket's path is at most %zu bytes", path,
                 sizeof(address.sun_path) - 1);
        return -ENAMETOOLONG;
    }
    strcpy(address.sun_path, path);
    strcpy(listener->path, path);
    status = clear_path(&address, error, error_size);
    if (status != 0)
        return status;

    listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    status = listener->fd < 0 ? -errno : bind_and_listen(listener->fd, &address, mode);
    if (status != 0) {
        snprintf(error, error_size, "can't listen at %s: %s", path, strerror(-status));
    } else {
        status = give_to_group(path, group, error, error_size);
        if (status != 0)
            unlink(path);
    }
    if (status != 0) {
        close(listener->fd);
        return status;
    }
    if (lstat(path, &file) == 0) {
        listener->device = file.st_dev;
        listener->inode = file.st_ino;
    }
    return 0;
}

void unix_listener_remove(struct unix_listener *listener)
{
    struct stat file;

    if (lstat(listener->path, &file) == 0 && file.st_dev == listener->device &&
        file.st_ino == listener->inode)
        unlink(listener->path);
}

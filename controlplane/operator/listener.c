/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../dataplane/dataplane.h"
#include "listener.h"

/* A socket that listens at the address, or a negative errno. */
static int listen_at(const struct sockaddr *address, socklen_t length)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1, status;

    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, address, length) == 0 && listen(fd, SOMAXCONN) == 0)
        return fd;
    status = -errno;
    close(fd);
    return status;
}

/* Unix -------------------------------------------------------------------------------------- */

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
    int failed;

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
    failed = -errno;
    snprintf(error, error_size, "%s: can't give it to group %s: %s", path, name, strerror(-failed));
    return failed;
}

int listener_file_open(struct listener_file *listener, const char *path, const char *group,
                       mode_t mode, char *error, size_t error_size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat file;
    mode_t mask;
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

    mask = umask(0777 & ~mode);
    listener->fd = listen_at((const struct sockaddr *)&address, sizeof(address));
    umask(mask);
    if (listener->fd < 0) {
        snprintf(error, error_size, "can't listen at %s: %s", path, strerror(-listener->fd));
        return listener->fd;
    }
    status = give_to_group(path, group, error, error_size);
    if (status != 0) {
        unlink(path);
        close(listener->fd);
        return status;
    }
    if (lstat(path, &file) == 0) {
        listener->device = file.st_dev;
        listener->inode = file.st_ino;
    }
    return 0;
}

void listener_file_remove(struct listener_file *listener)
{
    struct stat file;

    if (lstat(listener->path, &file) == 0 && file.st_dev == listener->device &&
        file.st_ino == listener->inode)
        unlink(listener->path);
}

/* TCP ---------------------------------------------------------------------------------------- */

union internet_address {
    struct sockaddr any;
    struct sockaddr_in ipv4;
    struct sockaddr_in6 ipv6;
};

static socklen_t to_sockaddr(const struct dataplane_address *from, union internet_address *to)
{
    memset(to, 0, sizeof(*to));
    if (from->family == 4) {
        to->ipv4.sin_family = AF_INET;
        to->ipv4.sin_port = htons(from->port);
        memcpy(&to->ipv4.sin_addr, from->bytes, sizeof(to->ipv4.sin_addr));
        return sizeof(to->ipv4);
    }
    to->ipv6.sin6_family = AF_INET6;
    to->ipv6.sin6_port = htons(from->port);
    memcpy(&to->ipv6.sin6_addr, from->bytes, sizeof(to->ipv6.sin6_addr));
    return sizeof(to->ipv6);
}

int listener_tcp_open(const struct dataplane_address *address, uint16_t *port)
{
    union internet_address internet;
    socklen_t length = to_sockaddr(address, &internet);
    int fd = listen_at(&internet.any, length);

    if (fd >= 0 && getsockname(fd, &internet.any, &length) == 0)
        *port = ntohs(address->family == 4 ? internet.ipv4.sin_port : internet.ipv6.sin6_port);
    return fd;
}

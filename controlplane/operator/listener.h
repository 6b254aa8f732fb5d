/* SPDX-License-Identifier: BSD-3-Clause */
/* Sockets that listen, for server.h: a Unix one and the file that stands for it, and a TCP one. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/un.h>

struct dataplane_address;

struct listener_file {
    int fd; /* non-blocking */
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    dev_t device; /* of the file, so that another daemon's isn't removed */
    ino_t inode;
};

/*
 * Listens at `path`, for members of `group` ("": the process's own). Replaces the file of a dead
 * listener. -EADDRINUSE: a live one answers; -EEXIST: it is no socket; or another negative errno.
 * `error` gets one line that says what to do.
 */
int listener_file_open(struct listener_file *listener, const char *path, const char *group,
                       mode_t mode, char *error, size_t error_size);

/* Removes the file, if it is still ours. The descriptor is the caller's to close. */
void listener_file_remove(struct listener_file *listener);

/* The descriptor, non-blocking, or a negative errno; *port is the one that was bound. */
int listener_tcp_open(const struct dataplane_address *address, uint16_t *port);

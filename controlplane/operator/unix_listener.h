/* SPDX-License-Identifier: BSD-3-Clause */
/* A listening Unix stream socket and the file that stands for it. */
#pragma once

#include <stddef.h>
#include <sys/stat.h>
#include <sys/un.h>

struct unix_listener {
    int fd; /* non-blocking */
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    dev_t device; /* of the file, so that another daemon's isn't removed */
    ino_t inode;
};

/*
 * Replaces the file of a dead listener. -EADDRINUSE: a live one answers; -EEXIST: it is no socket;
 * or another negative errno. `error` gets one line that says what to do.
 */
int unix_listener_open(struct unix_listener *listener, const char *path, const char *group,
                       mode_t mode, char *error, size_t error_size);

/* Removes the file, if it is still ours. The descriptor is the caller's to close. */
void unix_listener_remove(struct unix_listener *listener);

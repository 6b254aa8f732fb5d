/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the process gives up once ports, memory and sockets are taken. Each returns 0, or a negative
 * errno with one line of explanation in `error`.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Who confine_user() would become. */
int confine_user_id(const char *user, uid_t *id, char *error, size_t error_size);

/* Makes the folder that `path` lies in, if it is missing, for `user` ("": who we are). */
int confine_make_folder(const char *path, const char *user, char *error, size_t error_size);

/* Gives a file of ours to `user`, who will have to read and replace it. */
int confine_give_file(const char *path, const char *user, char *error, size_t error_size);

/*
 * Becomes `user` in all threads. The control thread keeps CAP_NET_ADMIN if `keep_net_admin`: it
 * takes the XDP programs off their interfaces at the end. Workers keep nothing.
 */
int confine_user(const char *user, bool keep_net_admin, char *error, size_t error_size);

/* Whether files in the folder of `path` can still be replaced. */
int confine_check_folder(const char *path, char *error, size_t error_size);

/* The folder that `path` lies in. */
enum { CONFINE_PATH_SIZE = 256 };
void confine_folder_of(const char *path, char folder[CONFINE_PATH_SIZE]);

/*
 * From here on, in all threads, files are there below these folders only (or are these files), to
 * be read, or to be written, too; none may be run. What is open stays open. Both lists end with
 * NULL; "" and what doesn't exist is skipped. -EOPNOTSUPP: the kernel has no Landlock.
 */
int confine_files(const char *const readable[], const char *const writable[], char *error,
                  size_t error_size);

/*
 * From here on, in all threads, system calls that a running tracker doesn't make fail with EPERM:
 * rather lose a function that was forgotten here than all swarms.
 */
int confine_system_calls(char *error, size_t error_size);

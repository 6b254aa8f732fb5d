/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Landlock, which denies files to a thread and to those that it makes. The workers are there
 * already: each thread confines itself, in a signal handler.
 *
 * Source: the kernel's Documentation/userspace-api/landlock.rst.
 */
#include "confine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef LANDLOCK_ACCESS_FS_TRUNCATE /* newer than the headers */
#define LANDLOCK_ACCESS_FS_TRUNCATE (UINT64_C(1) << 14)
#endif

enum {
    /* Has a thread confine itself. Workers block all others; without a handler it does nothing. */
    CONFINE_SIGNAL = SIGURG,
    THREADS_MILLISECONDS = 2000, /* a thread that lets a signal wait for longer hangs */
};

static const uint64_t reading = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;

/* All there is to do with files, but to run them and to make devices of them. */
static const uint64_t writing = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR |
                                LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                                LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |
                                LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |
                                LANDLOCK_ACCESS_FS_REFER | LANDLOCK_ACCESS_FS_TRUNCATE;

static const uint64_t on_files =
    LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE;

/* All rights to files that this kernel's Landlock knows how to deny; 0 without it. */
static uint64_t deniable(void)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

    if (version < 1)
        return 0;
    if (version == 1)
        return LANDLOCK_ACCESS_FS_REFER - 1;
    if (version == 2)
        return LANDLOCK_ACCESS_FS_TRUNCATE - 1;
    return 2 * LANDLOCK_ACCESS_FS_TRUNCATE - 1;
}

/* What isn't there, or is denied already, needs no rule. */
static int allow(int ruleset, const char *path, uint64_t rights)
{
    struct landlock_path_beneath_attr rule = {.allowed_access = rights};
    struct stat status;
    int error = 0;

    rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
    if (rule.parent_fd < 0)
        return errno == ENOENT || errno == EACCES ? 0 : -errno;
    if (fstat(rule.parent_fd, &status) == 0 && !S_ISDIR(status.st_mode))
        rule.allowed_access &= on_files;
    if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
        error = -errno;
    close(rule.parent_fd);
    return error;
}

static int allow_all(int ruleset, const char *const paths[], uint64_t rights, char *error,
                     size_t error_size)
{
    for (; *paths; paths++) {
        int failed = **paths ? allow(ruleset, *paths, rights) : 0;

        if (failed) {
            snprintf(error, error_size, "%s can't be kept accessible: %s", *paths,
                     strerror(-failed));
            return failed;
        }
    }
    return 0;
}

/* All threads --------------------------------------------------------------------------------- */

static struct {
    int ruleset;
    atomic_uint confined;
    atomic_int error;
} request;

static void confine_thread(int number)
{
    int kept = errno;

    (void)number;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        syscall(SYS_landlock_restrict_self, request.ruleset, 0) < 0)
        atomic_store(&request.error, errno);
    atomic_fetch_add(&request.confined, 1);
    errno = kept;
}

/* Returns how many there are, or a negative errno. */
static int signal_threads(void)
{
    DIR *tasks = opendir("/proc/self/task");
    struct dirent *entry;
    int threads = 0;

    if (!tasks)
        return -errno;
    while ((entry = readdir(tasks)))
        if (entry->d_name[0] != '.' &&
            syscall(SYS_tgkill, getpid(), atoi(entry->d_name), CONFINE_SIGNAL) == 0)
            threads++;
    closedir(tasks);
    return threads;
}

static int confine_threads(int ruleset)
{
    struct sigaction action = {.sa_handler = confine_thread, .sa_flags = SA_RESTART}, former;
    sigset_t signals;
    int threads;

    request.ruleset = ruleset;
    atomic_store(&request.confined, 0);
    atomic_store(&request.error, 0);
    if (sigaction(CONFINE_SIGNAL, &action, &former) < 0)
        return -errno;
    sigemptyset(&signals);
    sigaddset(&signals, CONFINE_SIGNAL);
    pthread_sigmask(SIG_UNBLOCK, &signals, NULL); /* blocked, maybe, by whoever started us */
    threads = signal_threads();
    for (unsigned wait = 0; wait < THREADS_MILLISECONDS; wait++) {
        if (threads < 0 || atomic_load(&request.confined) >= (unsigned)threads)
            break;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    if (threads >= 0 && atomic_load(&request.confined) < (unsigned)threads)
        return -ETIMEDOUT; /* the handler stays: the signal may still come */
    sigaction(CONFINE_SIGNAL, &former, NULL);
    return threads < 0 ? threads : -atomic_load(&request.error);
}

int confine_files(const char *const readable[], const char *const writable[], char *error,
                  size_t error_size)
{
    struct landlock_ruleset_attr denied = {.handled_access_fs = deniable()};
    int ruleset, failed;

    if (denied.handled_access_fs == 0) {
        snprintf(error, error_size, "this kernel has no Landlock");
        return -EOPNOTSUPP;
    }
    ruleset = (int)syscall(SYS_landlock_create_ruleset, &denied, sizeof(denied), 0);
    if (ruleset < 0) {
        failed = -errno;
        snprintf(error, error_size, "Landlock can't be had: %s", strerror(-failed));
        return failed;
    }
    failed = allow_all(ruleset, readable, reading & denied.handled_access_fs, error, error_size);
    if (!failed)
        failed =
            allow_all(ruleset, writable, writing & denied.handled_access_fs, error, error_size);
    if (!failed) {
        failed = confine_threads(ruleset);
        if (failed)
            snprintf(error, error_size, "not every thread can be confined: %s", strerror(-failed));
    }
    close(ruleset);
    return failed;
}

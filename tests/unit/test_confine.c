/* SPDX-License-Identifier: BSD-3-Clause */
/* What is refused to a confined process, and what is left. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../controlplane/confine.h"

enum { FAILED_TO_CONFINE = 100 };

static void *idle_thread(void *argument)
{
    return argument;
}

/* Each returns 0, or the number of what didn't go as it should. */

static int try_what_is_refused(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (execl("/bin/true", "true", NULL) != -1 || errno != EPERM)
        return 1;
    if (fork() != -1 || errno != EPERM)
        return 2;
    if (socket(AF_INET, SOCK_RAW, 1) != -1 || errno != EPERM)
        return 3;
    if (socket(AF_PACKET, SOCK_RAW, 0) != -1 || errno != EPERM)
        return 4;
    if (mprotect(page, 4096, PROT_READ | PROT_EXEC) != -1 || errno != EPERM)
        return 5;
    if (mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
        return 6;
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != -1 || errno != EPERM)
        return 7;
    if (mount("none", "/mnt", "tmpfs", 0, NULL) != -1 || errno != EPERM)
        return 8;
    if (unshare(CLONE_NEWNS) != -1 || errno != EPERM)
        return 9;
    if (setuid(0) != -1 || errno != EPERM)
        return 10;
    if (syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0) != -1 || errno != EPERM)
        return 11;
    if (kill(getppid(), 0) != -1 || errno != EPERM)
        return 12;
    if (chmod("/tmp", 01777) != -1 || errno != EPERM)
        return 13;
    return 0;
}

static int try_what_is_needed(void)
{
    char name[] = "/tmp/muster-confine-XXXXXX", other[64];
    void *volatile large;
    pthread_t thread;
    int file, end;

    if (pthread_create(&thread, NULL, idle_thread, NULL) != 0 || pthread_join(thread, NULL) != 0)
        return 1;
    file = mkstemp(name);
    snprintf(other, sizeof(other), "%s.new", name);
    if (file < 0 || write(file, "x", 1) != 1 || fsync(file) < 0 || rename(name, other) < 0 ||
        unlink(other) < 0 || close(file) < 0)
        return 2;
    end = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (end < 0 || close(end) < 0)
        return 3;
    end = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (end < 0 || close(end) < 0)
        return 4;
    end = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (end < 0 || close(end) < 0)
        return 5;
    large = malloc(64 << 20);
    free(large);
    return large != NULL ? 0 : 6;
}

/* Runs `tries` confined, in a process of its own; what it returned. */
static int confined(int (*tries)(void))
{
    char error[256];
    int status = 0;
    pid_t child = fork();

    if (child == 0)
        _exit(confine_system_calls(error, sizeof(error)) < 0 ? FAILED_TO_CONFINE : tries());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void refuses_what_a_tracker_does_not_do(void **state)
{
    assert_int_equal(confined(try_what_is_refused), 0);
}

static void leaves_what_a_tracker_does(void **state)
{
    assert_int_equal(confined(try_what_is_needed), 0);
}

/* Threads that were there before, the workers, are confined, too. */
static void *wait_and_try(void *confined_now)
{
    while (!atomic_load((atomic_bool *)confined_now))
        sched_yield();
    return (void *)(intptr_t)(socket(AF_INET, SOCK_RAW, 1) == -1 && errno == EPERM);
}

static int try_in_an_older_thread(void)
{
    static atomic_bool confined_now;
    char error[256];
    pthread_t thread;
    void *refused = NULL;

    if (pthread_create(&thread, NULL, wait_and_try, &confined_now) != 0)
        return 1;
    if (confine_system_calls(error, sizeof(error)) < 0)
        return 2;
    atomic_store(&confined_now, true);
    pthread_join(thread, &refused);
    return refused ? 0 : 3;
}

static void confines_threads_that_run_already(void **state)
{
    int status = 0;
    pid_t child = fork();

    if (child == 0)
        _exit(try_in_an_older_thread());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* Files: a folder to read, one to write, and the rest of the world. */

enum { FOLDER_SIZE = 64 };

static char readable[FOLDER_SIZE], writable[FOLDER_SIZE];

static bool opens(const char *folder, const char *name, int flags)
{
    char path[2 * FOLDER_SIZE];
    int file;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = open(path, flags, 0600);
    if (file >= 0)
        close(file);
    return file >= 0;
}

static int try_files(void)
{
    if (!opens(readable, "file", O_RDONLY))
        return 1;
    if (opens(readable, "file", O_WRONLY) || errno != EACCES)
        return 2;
    if (opens(readable, "new", O_WRONLY | O_CREAT) || errno != EACCES)
        return 3;
    if (!opens(writable, "new", O_RDWR | O_CREAT) || !opens(writable, "new", O_RDONLY))
        return 4;
    if (opens("/etc", "passwd", O_RDONLY) || errno != EACCES)
        return 5;
    if (opens("/", ".", O_RDONLY) || errno != EACCES)
        return 6;
    if (execl("/bin/true", "true", NULL) != -1 || errno != EACCES)
        return 7;
    return 0;
}

static int confine_to_folders(void)
{
    const char *const read[] = {readable, "", "/not/there", NULL}, *const write[] = {writable,
                                                                                     NULL};
    char error[256];

    return confine_files(read, write, error, sizeof(error));
}

static int try_files_confined(void)
{
    return confine_to_folders() < 0 ? FAILED_TO_CONFINE : try_files();
}

static void *wait_and_try_files(void *confined_now)
{
    while (!atomic_load((atomic_bool *)confined_now))
        sched_yield();
    return (void *)(intptr_t)try_files();
}

static int try_files_in_an_older_thread(void)
{
    static atomic_bool confined_now;
    pthread_t thread;
    void *wrong = NULL;

    if (pthread_create(&thread, NULL, wait_and_try_files, &confined_now) != 0)
        return 50;
    if (confine_to_folders() < 0)
        return FAILED_TO_CONFINE;
    atomic_store(&confined_now, true);
    pthread_join(thread, &wrong);
    return (int)(intptr_t)wrong;
}

static int with_folders(int (*tries)(void))
{
    char file[2 * FOLDER_SIZE];
    int status = 0;
    pid_t child;

    strcpy(readable, "/tmp/muster-readable-XXXXXX");
    strcpy(writable, "/tmp/muster-writable-XXXXXX");
    assert_non_null(mkdtemp(readable));
    assert_non_null(mkdtemp(writable));
    assert_true(opens(readable, "file", O_WRONLY | O_CREAT));
    child = fork();
    if (child == 0)
        _exit(tries());
    assert_int_equal(waitpid(child, &status, 0), child);
    snprintf(file, sizeof(file), "%s/file", readable);
    unlink(file);
    snprintf(file, sizeof(file), "%s/new", writable);
    unlink(file);
    rmdir(readable);
    rmdir(writable);
    return WEXITSTATUS(status);
}

static void denies_files_outside_of_its_folders(void **state)
{
    if (syscall(SYS_landlock_create_ruleset, NULL, 0, 1) < 0)
        skip();
    assert_int_equal(with_folders(try_files_confined), 0);
}

static void denies_files_to_threads_that_run_already(void **state)
{
    if (syscall(SYS_landlock_create_ruleset, NULL, 0, 1) < 0)
        skip();
    assert_int_equal(with_folders(try_files_in_an_older_thread), 0);
}

static void makes_a_missing_folder(void **state)
{
    char name[] = "/tmp/muster-confine-XXXXXX", file[64], error[256];

    assert_non_null(mkdtemp(name));
    snprintf(file, sizeof(file), "%s/made/key", name);
    assert_int_equal(confine_make_folder(file, "", error, sizeof(error)), 0);
    assert_int_equal(confine_make_folder(file, "", error, sizeof(error)), 0); /* it is there */
    assert_int_equal(confine_check_folder(file, error, sizeof(error)), 0);
    snprintf(file, sizeof(file), "%s/not/there/key", name);
    assert_int_equal(confine_make_folder(file, "", error, sizeof(error)), -ENOENT);
    assert_non_null(strstr(error, "can't be made"));
    snprintf(file, sizeof(file), "%s/made", name);
    rmdir(file);
    rmdir(name);
}

static void tells_of_a_missing_user(void **state)
{
    char error[256];
    uid_t id;

    assert_int_equal(confine_user_id("nobody-at-all", &id, error, sizeof(error)), -ENOENT);
    assert_non_null(strstr(error, "there is no user nobody-at-all"));
    assert_int_equal(confine_user("nobody-at-all", false, error, sizeof(error)), -ENOENT);
    assert_int_equal(confine_user_id("", &id, error, sizeof(error)), 0);
    assert_int_equal(id, geteuid());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_what_a_tracker_does_not_do),
        cmocka_unit_test(leaves_what_a_tracker_does),
        cmocka_unit_test(confines_threads_that_run_already),
        cmocka_unit_test(denies_files_outside_of_its_folders),
        cmocka_unit_test(denies_files_to_threads_that_run_already),
        cmocka_unit_test(makes_a_missing_folder),
        cmocka_unit_test(tells_of_a_missing_user),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

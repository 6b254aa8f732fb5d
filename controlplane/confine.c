/* SPDX-License-Identifier: BSD-3-Clause */
#include "confine.h"

#include <errno.h>
#include <libgen.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cap-ng.h>
#include <seccomp.h>

/* Folders ------------------------------------------------------------------------------------- */

void confine_folder_of(const char *path, char folder[CONFINE_PATH_SIZE])
{
    char copy[CONFINE_PATH_SIZE];

    snprintf(copy, sizeof(copy), "%s", path);
    snprintf(folder, CONFINE_PATH_SIZE, "%s", dirname(copy));
}

static const struct passwd *find_user(const char *name, char *error, size_t error_size)
{
    const struct passwd *user = getpwnam(name);

    if (!user)
        snprintf(
            error, error_size,
            "confine.user: there is no user %s: make it (useradd --system %s) or leave the key "
            "empty",
            name, name);
    return user;
}

int confine_user_id(const char *name, uid_t *id, char *error, size_t error_size)
{
    const struct passwd *user = *name ? find_user(name, error, error_size) : NULL;

    if (*name && !user)
        return -ENOENT;
    *id = user ? user->pw_uid : geteuid();
    return 0;
}

int confine_make_folder(const char *path, const char *user_name, char *error, size_t error_size)
{
    const struct passwd *user = NULL;
    char folder[CONFINE_PATH_SIZE];

    confine_folder_of(path, folder);
    if (access(folder, F_OK) == 0)
        return 0;
    if (*user_name && !(user = find_user(user_name, error, error_size)))
        return -ENOENT;
    if (mkdir(folder, 0755) < 0 || (user && chown(folder, user->pw_uid, user->pw_gid) < 0)) {
        int reason = errno;
        snprintf(error, error_size, "folder %s can't be made: %s", folder, strerror(reason));
        return -reason;
    }
    return 0;
}

int confine_give_file(const char *path, const char *user_name, char *error, size_t error_size)
{
    const struct passwd *user = *user_name ? find_user(user_name, error, error_size) : NULL;

    if (!user)
        return *user_name ? -ENOENT : 0;
    if (geteuid() != 0 || lchown(path, user->pw_uid, user->pw_gid) == 0)
        return 0;
    int reason = errno;
    snprintf(error, error_size, "%s can't be given to user %s: %s", path, user_name,
             strerror(reason));
    return -reason;
}

int confine_check_folder(const char *path, char *error, size_t error_size)
{
    char folder[CONFINE_PATH_SIZE];

    confine_folder_of(path, folder);
    if (access(folder, W_OK | X_OK) == 0)
        return 0;
    int reason = errno;
    snprintf(error, error_size,
             "%s can't be written to as user %u: %s: give the folder to it (chown)", folder,
             geteuid(), strerror(reason));
    return -reason;
}

/* Privileges ---------------------------------------------------------------------------------- */

int confine_user(const char *name, bool keep_net_admin, char *error, size_t error_size)
{
    const struct passwd *user = find_user(name, error, error_size);

    if (!user)
        return -ENOENT;
    if (geteuid() != 0) {
        if (geteuid() == user->pw_uid)
            return 0; /* the service manager did it */
        snprintf(error, error_size, "confine.user: only root can become %s", name);
        return -EPERM;
    }
    capng_clear(CAPNG_SELECT_BOTH);
    if (keep_net_admin)
        capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_NET_ADMIN);
    /* glibc changes the IDs of all threads; a thread that isn't told to keep capabilities then has
     * none. */
    int failed = capng_change_id((int)user->pw_uid, (int)user->pw_gid,
                                 CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING);
    if (failed) {
        snprintf(error, error_size, "can't become user %s (step %d of libcap-ng's)", name, -failed);
        return -EPERM;
    }
    return 0;
}

/* System calls -------------------------------------------------------------------------------- */

static const int allowed_calls[] = {
    /* files and what is open */
    SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(pread64),
    SCMP_SYS(pwrite64), SCMP_SYS(close), SCMP_SYS(lseek), SCMP_SYS(fcntl), SCMP_SYS(ioctl),
    SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(stat), SCMP_SYS(fstat), SCMP_SYS(lstat),
    SCMP_SYS(newfstatat), SCMP_SYS(statx), SCMP_SYS(statfs), SCMP_SYS(fstatfs), SCMP_SYS(access),
    SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(readlink), SCMP_SYS(readlinkat),
    SCMP_SYS(getcwd), SCMP_SYS(getdents64), SCMP_SYS(mkdir), SCMP_SYS(mkdirat), SCMP_SYS(rmdir),
    SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(rename), SCMP_SYS(renameat), SCMP_SYS(renameat2),
    SCMP_SYS(ftruncate), SCMP_SYS(fallocate), SCMP_SYS(fsync), SCMP_SYS(fdatasync),
    SCMP_SYS(syncfs), SCMP_SYS(sync_file_range), SCMP_SYS(fadvise64), SCMP_SYS(flock),
    SCMP_SYS(fchmod), SCMP_SYS(umask), SCMP_SYS(dup), SCMP_SYS(dup2), SCMP_SYS(dup3),
    SCMP_SYS(pipe2), SCMP_SYS(eventfd2), SCMP_SYS(memfd_create),
    /* sockets; which kinds may be made is told below */
    SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(listen), SCMP_SYS(accept), SCMP_SYS(accept4),
    SCMP_SYS(sendto), SCMP_SYS(sendmsg), SCMP_SYS(sendmmsg), SCMP_SYS(recvfrom), SCMP_SYS(recvmsg),
    SCMP_SYS(recvmmsg), SCMP_SYS(shutdown), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt),
    SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(socketpair),
    /* waiting */
    SCMP_SYS(epoll_create), SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2), SCMP_SYS(poll), SCMP_SYS(ppoll),
    SCMP_SYS(select), SCMP_SYS(pselect6), SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime),
    SCMP_SYS(nanosleep), SCMP_SYS(clock_nanosleep), SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres),
    SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(sched_yield),
    /* memory; what may be executed is told below */
    SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(mincore),
    SCMP_SYS(mlock), SCMP_SYS(munlock), SCMP_SYS(mbind), SCMP_SYS(get_mempolicy),
    SCMP_SYS(set_mempolicy), SCMP_SYS(move_pages),
    /* threads; making processes is told below */
    SCMP_SYS(futex), SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(exit),
    SCMP_SYS(exit_group), SCMP_SYS(gettid), SCMP_SYS(getpid), SCMP_SYS(getppid), SCMP_SYS(tgkill),
    SCMP_SYS(sched_getaffinity), SCMP_SYS(sched_setaffinity), SCMP_SYS(sched_getparam),
    SCMP_SYS(sched_getscheduler), SCMP_SYS(sched_setscheduler), SCMP_SYS(membarrier),
    SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigtimedwait), SCMP_SYS(sigaltstack), SCMP_SYS(restart_syscall),
    /* what one is, and what the machine is */
    SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid), SCMP_SYS(getcpu),
    SCMP_SYS(getrusage), SCMP_SYS(getrlimit), SCMP_SYS(prlimit64), SCMP_SYS(getrandom),
    SCMP_SYS(uname), SCMP_SYS(sysinfo), SCMP_SYS(times), SCMP_SYS(capget),
    /* maps of the XDP program; without CAP_BPF it can't load another */
    SCMP_SYS(bpf)};

/* Sockets: to Redis, to operators, to the journal, to memif's other side, to the kernel's tables.
 * No raw ones. */
static const struct {
    int family, type;
} allowed_sockets[] = {
    {AF_UNIX, SOCK_STREAM}, {AF_UNIX, SOCK_DGRAM},  {AF_UNIX, SOCK_SEQPACKET},
    {AF_INET, SOCK_STREAM}, {AF_INET, SOCK_DGRAM},  {AF_INET6, SOCK_STREAM},
    {AF_INET6, SOCK_DGRAM}, {AF_NETLINK, SOCK_RAW}, {AF_NETLINK, SOCK_DGRAM},
};

enum { SOCKET_TYPE_MASK = 0xf }; /* the rest of the argument is SOCK_NONBLOCK and SOCK_CLOEXEC */

static int allow_by_argument(scmp_filter_ctx filter)
{
    int failed = 0;

    for (size_t i = 0; i < sizeof(allowed_sockets) / sizeof(allowed_sockets[0]); i++)
        failed |= seccomp_rule_add(
            filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
            SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)allowed_sockets[i].family, 0),
            SCMP_A1(SCMP_CMP_MASKED_EQ, SOCKET_TYPE_MASK, (scmp_datum_t)allowed_sockets[i].type));
    /* Nothing is made executable any more. */
    failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
                               SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
                               SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    /* Threads, not processes. clone3's arguments can't be seen: ENOSYS has libc use clone. */
    failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                               SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
    failed |= seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
                               SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME, 0));
    return failed;
}

int confine_system_calls(char *error, size_t error_size)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int failed = filter ? 0 : -ENOMEM;

    for (size_t i = 0; !failed && i < sizeof(allowed_calls) / sizeof(allowed_calls[0]); i++)
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed_calls[i], 0);
    if (!failed)
        failed = allow_by_argument(filter);
    if (!failed)
        failed = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1); /* all threads */
    if (!failed)
        failed = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* workers' kicks pass it */
    if (!failed)
        failed = seccomp_load(filter);
    seccomp_release(filter);
    if (!failed)
        return 0;
    snprintf(
        error, error_size,
        "the system call filter can't be had: %s: set confine.seccomp: false if the kernel has "
        "none",
        strerror(-failed));
    return failed;
}

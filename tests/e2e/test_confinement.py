# SPDX-License-Identifier: BSD-3-Clause
"""What is left to somebody who has taken over a running musterd, who is root here.

System calls are made in its own threads (intrusion.py): none that it doesn't need may succeed, in none
of them.
"""

import errno
import json
import os
import re
import socket
from pathlib import Path

import pytest

from intrusion import Intruder
from testbed import ControlError

# System calls of x86-64.
OPEN, CLOSE, MMAP, GETPID, SOCKET, FORK, EXECVE, KILL = 2, 3, 9, 39, 41, 57, 59, 62
CHMOD, PTRACE, SETUID, MKNOD, MOUNT, INIT_MODULE = 90, 101, 105, 133, 165, 175
UNSHARE, PROCESS_VM_READV, IO_URING_SETUP = 272, 310, 425

SETTINGS = {"confine": {"files": True}}

PROT_READ, PROT_EXEC = 1, 4
MAP_PRIVATE_ANONYMOUS = 0x22
CLONE_NEWNET = 0x40000000
AT_LEAST_THREADS = 3  # the control plane and two workers

REFUSED = {
    "run a program": (EXECVE, b"/bin/true\0", 0, 0),
    "make a process": (FORK,),
    "open a raw socket": (SOCKET, socket.AF_INET, socket.SOCK_RAW, 1),
    "open a packet socket": (SOCKET, socket.AF_PACKET, socket.SOCK_RAW, 0),
    "open a vsock": (SOCKET, 40, socket.SOCK_STREAM, 0),
    "make memory executable": (MMAP, 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE_ANONYMOUS, -1, 0),
    "signal another process": (KILL, 1, 0),
    "trace another process": (PTRACE, 3, 1, 0, 0),
    "read another process's memory": (PROCESS_VM_READV, 1, 0, 0, 0, 0, 0),
    "become somebody": (SETUID, 0),
    "mount": (MOUNT, b"none\0", b"/mnt\0", b"tmpfs\0", 0, 0),
    "leave its namespace": (UNSHARE, CLONE_NEWNET),
    "load a kernel module": (INIT_MODULE, 0, 0, b"\0"),
    "change a file's mode": (CHMOD, b"/tmp\0", 0o1777),
    "make a device": (MKNOD, b"/tmp/muster-device\0", 0o20666, 0x103),
    "make a ring of system calls": (IO_URING_SETUP, 8, bytes(120)),
}

UNREACHABLE = ["/etc/passwd", "/etc/shadow", "/root", "/", "/proc/1/environ", "/dev/null", "/bin/sh"]


def threads_of(daemon):
    return sorted(int(entry.name) for entry in Path(f"/proc/{daemon.pid}/task").iterdir())


@pytest.fixture(scope="module")
def threads(musterd):
    assert len(threads_of(musterd)) >= AT_LEAST_THREADS
    return threads_of(musterd)


def in_each(threads, *call):
    results = []
    for thread in threads:
        with Intruder(thread) as intruder:
            results.append(intruder.call(*call))
            if call[0] in (OPEN, SOCKET) and results[-1] >= 0:
                assert intruder.call(CLOSE, results[-1]) == 0
    return results


def test_what_is_open_is_what_it_needs(musterd):
    """Besides sockets and the kernel's nameless files: its log, and nothing else by name."""
    names = {os.readlink(entry) for entry in Path(f"/proc/{musterd.pid}/fd").iterdir()}
    files = {name for name in names if name.startswith("/") and "(deleted)" not in name}
    assert files <= {"/dev/null", "/sys/fs/bpf/muster", str(musterd.log_file)}


def test_the_intruder_can_do_what_is_allowed(threads, musterd):
    """Else the tests below would prove nothing."""
    assert in_each(threads, GETPID) == [musterd.pid] * len(threads)
    assert all(result >= 0 for result in
               in_each(threads, SOCKET, socket.AF_UNIX, socket.SOCK_STREAM, 0))


@pytest.mark.parametrize("what", REFUSED)
def test_no_thread_can(threads, what):
    for result in in_each(threads, *REFUSED[what]):
        assert result in (-errno.EPERM, -errno.EACCES), os.strerror(abs(result))


@pytest.mark.parametrize("path", UNREACHABLE)
def test_no_thread_opens_files_outside_its_folders(threads, path):
    for result in in_each(threads, OPEN, path.encode() + b"\0", os.O_RDONLY, 0):
        assert result == -errno.EACCES


def test_its_own_folders_stay_open_to_it(threads, musterd):
    for path in (musterd.config_file, "/proc/self/statm"):
        assert all(result > 0 for result in
                   in_each(threads, OPEN, bytes(str(path), "ascii") + b"\0", os.O_RDONLY, 0))


def test_no_file_is_made_or_changed_outside_its_folders(threads):
    for path in (b"/tmp/muster-made\0", b"/etc/muster-made\0", b"/run/muster-made\0"):
        assert in_each(threads, OPEN, path, os.O_WRONLY | os.O_CREAT, 0o644) == \
            [-errno.EACCES] * len(threads)


# Somebody of the operators' group would like to read what the daemon can.

def secrets_in(key_file):
    return re.findall(r"[0-9a-f]{8,}", key_file.read_text())


@pytest.mark.parametrize("method", ["access.load", "config.check"])
def test_no_command_reads_files_for_others(musterd, method):
    """Neither from elsewhere, nor the daemon's own secrets."""
    key_file = Path(musterd.config["connection_id"]["key_file"])
    for path in (Path("/etc/passwd"), key_file):
        try:
            told = json.dumps(musterd.call(method, file=str(path)))
        except ControlError as error:
            told = f"{error} {error.data}"
        assert "root:" not in told
        assert secrets_in(key_file) and not any(secret in told for secret in secrets_in(key_file))


@pytest.mark.parametrize("method", ["access.load", "config.check"])
def test_no_command_waits_for_a_pipe(musterd, method, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    try:
        assert musterd.call(method, file=str(tmp_path / "pipe"))["valid"] is False
    except ControlError:
        pass


def test_it_serves_after_all_this(testbed, musterd):
    assert testbed.answers()

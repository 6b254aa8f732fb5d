# SPDX-License-Identifier: BSD-3-Clause
"""musterd as a service: what the manager is told, reloads, the log, and what privileges are left."""

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from intrusion import Intruder
from sandbox import ROOT
from testbed import MUSTERD, wait_until
from tracker_client import TrackerError

UNIT = ROOT / "configs" / "systemd" / "muster.service"
JOURNAL = Path("/run/systemd/journal/socket")
USER = "nobody"
CAP_NET_ADMIN = 1 << 12
START_SECONDS = 20
SYS_OPEN = 2


@contextmanager
def datagrams(path):
    """A socket that receives datagrams, as the service manager and the journal have one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(path))
        path.chmod(0o666)
        yield receiver
    path.unlink()


class Manager:
    """Reads what a daemon tells its manager, until it has told `what`."""

    def __init__(self, receiver):
        self.receiver = receiver
        self.told = []

    def hears(self, what, seconds=5):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.receiver.settimeout(max(deadline - time.monotonic(), 0.01))
            try:
                lines = self.receiver.recv(4096).decode().splitlines()
            except TimeoutError:
                break
            self.told += lines
            if what in lines:
                return lines
        raise AssertionError(f"never heard {what}: {self.told}")


def start_managed(daemon, notify, wrapper=()):
    """Starts a daemon, through the command `wrapper`, with `notify` as its manager's socket."""
    words = daemon.command("-c", daemon.config_file)
    place = words.index(str(MUSTERD))
    with open(daemon.log_file, "ab") as log:
        daemon.process = subprocess.Popen([*words[:place], *wrapper, *words[place:]], stdout=log,
                                          stderr=log, env={**os.environ, "NOTIFY_SOCKET": str(notify)})


@pytest.fixture
def managed(testbed):
    """A running daemon, and its manager."""
    daemon = testbed.daemon()
    with datagrams(daemon.directory / "manager") as receiver:
        manager = Manager(receiver)
        start_managed(daemon, daemon.directory / "manager")
        manager.hears("READY=1", START_SECONDS)
        yield daemon, manager
    testbed.discard(daemon)


def interval_told(testbed, info_hash):
    with testbed.tracker() as tracker:
        return tracker.announce(info_hash).interval


# The manager

def test_tells_the_manager_when_it_is_ready_and_when_it_stops(managed, testbed):
    daemon, manager = managed
    assert testbed.answers()
    daemon.signal(signal.SIGTERM)
    manager.hears("STOPPING=1")
    assert daemon.process.wait(15) == 0


def test_feeds_the_watchdog_and_shows_its_status(managed):
    _, manager = managed
    lines = manager.hears("WATCHDOG=1")
    assert any(re.match(r"STATUS=\d+ announces/s, \d+ peers, load \d+ %", line) for line in lines)


def test_a_hanging_control_plane_starves_the_watchdog(managed):
    daemon, manager = managed
    manager.hears("WATCHDOG=1")
    daemon.signal(signal.SIGSTOP)
    try:
        time.sleep(0.2)
        manager.receiver.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                manager.receiver.recv(4096)
        with pytest.raises(AssertionError):
            manager.hears("WATCHDOG=1", 2)
    finally:
        daemon.signal(signal.SIGCONT)


# Reloads

def test_reload_changes_live_keys_and_loses_no_request(managed, testbed, info_hash):
    daemon, manager = managed
    assert 1620 <= interval_told(testbed, info_hash) <= 1980
    daemon.configure({"tracker": {"interval": "10m", "interval_jitter": 0}})
    daemon.signal(signal.SIGHUP)
    with testbed.tracker() as tracker:
        for _ in range(200):
            tracker.announce(info_hash)
    manager.hears("READY=1")
    assert any(line.startswith("MONOTONIC_USEC=") for line in manager.told)
    wait_until(lambda: interval_told(testbed, info_hash) == 600, 3, what="the new interval")
    wait_until(lambda: "tracker.interval: 30m -> 10m" in daemon.log(), 3, what="the change is told")


def test_reload_of_a_wrong_file_changes_nothing(managed, testbed, info_hash):
    daemon, manager = managed
    daemon.configure({"tracker": {"interval": "10m", "numwant_max": "many"}})
    daemon.signal(signal.SIGHUP)
    manager.hears("READY=1")
    wait_until(lambda: "tracker.numwant_max: expected a number" in daemon.log(), 3, what="the reason")
    assert re.search(r"muster\.yaml:\d+: tracker.numwant_max", daemon.log())
    assert interval_told(testbed, info_hash) > 1600


def test_reload_names_keys_that_need_a_restart(managed, testbed, info_hash):
    daemon, manager = managed
    daemon.configure({"memory": {"peers": "200k"},
                      "tracker": {"interval": "10m", "interval_jitter": 0}})
    daemon.signal(signal.SIGHUP)
    manager.hears("READY=1")
    wait_until(lambda: interval_told(testbed, info_hash) == 600, 3, what="the new interval")
    wait_until(lambda: "memory.peers: unchanged, needs a restart: memory is reserved at start"
               in daemon.log(), 3, what="the key is named")


def test_reload_reads_the_access_list_again(testbed, tmp_path, info_hash):
    listed = tmp_path / "list"
    listed.write_text("# nothing is allowed\n")

    def allowed():
        with testbed.tracker() as tracker:
            try:
                tracker.announce(info_hash)
            except TrackerError:
                return False
            return True

    with testbed.running({"access": {"mode": "allow", "file": str(listed)}}) as daemon:
        assert not allowed()
        listed.write_text(f"{info_hash.hex()}  # ours\n")
        daemon.signal(signal.SIGHUP)
        wait_until(allowed, 5, what="the info-hash is allowed")
        listed.write_text("banana\n")
        daemon.signal(signal.SIGHUP)
        wait_until(lambda: f"{listed}:1: expected 40 hexadecimal digits" in daemon.log(), 5,
                   what="the wrong line is told")
        assert allowed()


# The log

def test_survives_a_full_disk_under_its_log(testbed):
    daemon = testbed.daemon()
    daemon.log_file.unlink(missing_ok=True)
    daemon.log_file.symlink_to("/dev/full")
    try:
        daemon.start()
        assert testbed.answers()
        daemon.signal(signal.SIGHUP)
        assert testbed.answers()
    finally:
        daemon.log_file.unlink()
        testbed.discard(daemon)


def test_logs_fields_to_the_journal(testbed):
    with datagrams(JOURNAL) as journal:
        with testbed.running({"log": {"target": "journal", "level": "info"}}) as daemon:
            journal.settimeout(5)
            fields = dict(line.split("=", 1) for line in journal.recv(8192).decode().splitlines()
                          if "=" in line)
            while "ready" not in fields["MESSAGE"]:
                fields = dict(line.split("=", 1) for line in journal.recv(8192).decode().splitlines()
                              if "=" in line)
            assert daemon.log() == ""
    assert fields["MUSTER_AREA"] == "main"
    assert fields["PRIORITY"] == "6"
    assert fields["SYSLOG_IDENTIFIER"] == "musterd"


# Privileges

def threads_of(daemon):
    """The status of each thread of the daemon, by name."""
    pid = daemon.process.pid
    statuses = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        status = dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines()
                      if ":\t" in line)
        statuses[int(task.name)] = status
    return statuses


@pytest.fixture
def unprivileged(testbed):
    """A daemon that is to become another user, which its folder belongs to; not yet started."""
    daemon = testbed.daemon({"confine": {"user": USER}})
    user = pwd.getpwnam(USER)
    os.chown(daemon.directory, user.pw_uid, user.pw_gid)
    yield daemon
    testbed.discard(daemon)


def test_gives_up_privileges_and_still_serves_and_ends_well(testbed, unprivileged):
    user = pwd.getpwnam(USER)
    unprivileged.start()
    assert testbed.answers()
    threads = threads_of(unprivileged)
    assert len(threads) >= 3  # the control plane and two workers
    for number, status in threads.items():
        mine = CAP_NET_ADMIN if number == unprivileged.process.pid else 0
        assert set(status["Uid"].split()) == {str(user.pw_uid)}
        assert set(status["Gid"].split()) == {str(user.pw_gid)}
        assert status["Groups"].strip() == ""
        assert int(status["CapPrm"], 16) == mine
        assert int(status["CapEff"], 16) == mine
        assert int(status["CapInh"], 16) == 0
        assert status["NoNewPrivs"] == "1"
        assert status["Seccomp"] == "2"
    # It can still read what it needs to.
    unprivileged.signal(signal.SIGHUP)
    wait_until(lambda: "no key has changed" in unprivileged.log(), 3, what="the reload")
    assert testbed.answers()
    unprivileged.stop()
    assert "xdp" not in testbed.links[0].appliance.ip("link", "show", testbed.links[0].interface)
    assert list(unprivileged.pins.glob("muster_*")) == []
    assert not unprivileged.control_socket.exists()


def test_seccomp_can_be_switched_off(testbed):
    with testbed.running({"confine": {"seccomp": False}}) as daemon:
        assert all(status["Seccomp"] == "0" for status in threads_of(daemon).values())


def test_files_can_be_left_open_to_it(testbed):
    with testbed.running({"confine": {"files": False, "seccomp": False}}) as daemon:
        with Intruder(daemon.process.pid) as intruder:
            assert intruder.call(SYS_OPEN, b"/etc/passwd\0", os.O_RDONLY, 0) >= 0


# The unit

def unit_values(name):
    return [word for line in UNIT.read_text().splitlines() if line.startswith(f"{name}=")
            for word in line.split("=", 1)[1].split()]


def test_the_units_capabilities_are_enough(testbed, unprivileged):
    """With the unit's bounding set alone, it starts, becomes another user, serves and ends."""
    allowed = ",".join("+" + name.removeprefix("CAP_").lower()
                       for name in unit_values("CapabilityBoundingSet"))
    with datagrams(unprivileged.directory / "manager") as receiver:
        start_managed(unprivileged, unprivileged.directory / "manager",
                      ["setpriv", "--bounding-set", f"-all,{allowed}", "--inh-caps=-all"])
        Manager(receiver).hears("READY=1", START_SECONDS)
        assert testbed.answers()
        unprivileged.stop()


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_the_unit_lets_musterd_have_its_own_filter():
    named = unit_values("SystemCallFilter")
    assert {"bpf", "seccomp"} <= set(named)
    for group in (name for name in named if name.startswith("@")):
        assert subprocess.run(["systemd-analyze", "syscall-filter", group],
                              stdout=subprocess.DEVNULL).returncode == 0


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
@pytest.mark.parametrize("name", ["muster.service", "muster-host.service"])
def test_units_are_well_formed(tmp_path, name):
    unit = tmp_path / name
    text = re.sub(r"^(ExecStart|ExecReload)=.*", r"\1=/bin/true", UNIT.with_name(name).read_text(), flags=re.MULTILINE)
    unit.write_text(re.sub(r"^Documentation=.*\n", "", text, flags=re.MULTILINE))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_the_unit_exposes_no_more_than_it_did():
    """systemd's own score in tenths, 0 to 100; what is left is root's start, the NIC and the sockets."""
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=38", UNIT],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-200:]

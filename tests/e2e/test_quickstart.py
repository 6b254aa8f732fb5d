# SPDX-License-Identifier: BSD-3-Clause
"""tools/quickstart does what the README says, and takes everything back."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

import sandbox
from sandbox import ROOT
from testbed import wait_until

QUICKSTART = ROOT / "tools" / "quickstart"
HUGE_PAGES = Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")

pytestmark = pytest.mark.skipif(os.cpu_count() < 2, reason="configs/quickstart.yaml wants two cores")


def machine():
    """What quickstart changes, as it is now."""
    def listing(folder):
        return sorted(path.name for path in Path(folder).iterdir()) if Path(folder).exists() else None

    return {
        "interfaces": sandbox.sh("ip", "-br", "address"),
        "namespaces": listing("/run/netns"),
        "mounts": Path("/proc/mounts").read_text(),
        "pins": listing("/sys/fs/bpf"),
        "run": listing("/run"),
        "dpdk": listing("/run/dpdk"),
        "pages": listing("/dev/hugepages"),
        "huge pages": HUGE_PAGES.read_text() if HUGE_PAGES.exists() else None,
    }


def run(*arguments):
    return subprocess.run([QUICKSTART, *arguments], capture_output=True, text=True, timeout=120,
                          stdin=subprocess.DEVNULL)


def test_machine_without_huge_pages_is_warned_and_served():
    hidden = "mount -t tmpfs tmpfs /sys/kernel/mm/hugepages && exec \"$@\""
    done = subprocess.run(["unshare", "--mount", "sh", "-c", hidden, "sh", QUICKSTART, "--once"],
                          capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning: this kernel has no huge pages" in done.stdout


def begin(log):
    """Starts it as a user would, and waits until it says that Muster is running.

    From a terminal Ctrl-C isn't ignored, whatever these tests were started from: a shell can't trap what is.
    """
    process = subprocess.Popen([QUICKSTART], stdout=open(log, "w"), stderr=subprocess.STDOUT,
                               stdin=subprocess.DEVNULL, start_new_session=True,
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    wait_until(lambda: "Muster is running" in log.read_text() or process.poll() is not None, 120,
               every=0.1, what="Muster is running")
    assert process.poll() is None, log.read_text()
    return process


def test_once_demonstrates_and_takes_everything_back():
    before = machine()
    done = run("--once")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "10.98.0.2:6881" in done.stdout and "[fd00:98::2]:6881" in done.stdout
    assert machine() == before


def test_ctrl_c_takes_everything_back(tmp_path):
    before = machine()
    process = begin(tmp_path / "log")
    os.killpg(process.pid, signal.SIGINT)
    process.wait(30)
    assert machine() == before, (tmp_path / "log").read_text()


def test_second_one_is_refused_and_harms_nothing(tmp_path):
    process = begin(tmp_path / "log")
    second = run("--once")
    assert second.returncode == 1
    assert "another quickstart is running" in second.stderr
    asked = subprocess.run(["ip", "netns", "exec", "muster-clients", ROOT / "tests/e2e/tracker_client.py",
                            "connect", "udp://10.98.0.1:6969"])
    assert asked.returncode == 0
    os.killpg(process.pid, signal.SIGINT)
    process.wait(30)


def test_next_one_takes_back_what_a_killed_one_left(tmp_path):
    before = machine()
    process = begin(tmp_path / "log")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(0.2)
    assert machine() != before
    done = run("--once")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "taking back what an earlier run left" in done.stdout
    assert machine() == before

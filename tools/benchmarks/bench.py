# SPDX-License-Identifier: BSD-3-Clause
"""What the benchmarks have in common: the machine, processes that are measured, medians, tables."""

import json
import os
import platform
import shlex
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("MUSTER_BUILD", ROOT / "build"))
MUSTERD = BUILD / "controlplane" / "musterd"
MUSTERCTL = BUILD / "tools" / "musterctl" / "musterctl"
MUSTERLOAD = BUILD / "tools" / "musterload" / "musterload"
MUSTERBENCH = BUILD / "tools" / "musterbench" / "musterbench"

sys.path.insert(0, str(ROOT / "tests" / "e2e"))

import sandbox  # noqa: E402

SERVER_CORE, LOAD_CORE = 1, 0
START_SECONDS, STOP_SECONDS = 20, 15
PRIORITY = 50  # of SCHED_FIFO

# The trackers that Muster is compared with have no limits.
UNLIMITED = {key: 0 for key in ("connect_address", "connect_network", "request_address", "request_network")}


def need(*programs):
    missing = [str(program) for program in programs if not Path(program).exists()]
    if missing:
        sys.exit(f"not there: {' '.join(missing)}; run tools/setup first")
    if os.geteuid() != 0:
        sys.exit("must run as root: for cores, huge pages and network namespaces")
    if os.cpu_count() <= max(SERVER_CORE, LOAD_CORE):
        sys.exit("needs two cores")


def machine():
    """What a result can't be read without."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "virtual": any("hypervisor" in line for line in lines),
        "kernel": platform.release(),
    }


def stolen_seconds():
    """That a hypervisor gave to others while cores of ours had work; all cores together."""
    return int(Path("/proc/stat").read_text().split("\n", 1)[0].split()[8]) / os.sysconf("SC_CLK_TCK")


def favour(pid, thread=None):
    """A process' first thread, or those with that in their name, go before all others on their cores: a
    worker that is sent off its core for some milliseconds loses thousands of packets, and that would
    measure its neighbours."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        if task.name == str(pid) if thread is None else thread in (task / "comm").read_text():
            os.sched_setscheduler(int(task.name), os.SCHED_FIFO, os.sched_param(PRIORITY))


class Process:
    """A process that ends with this one at the latest."""

    def __init__(self, command, log, **options):
        self.command, self.log_file = [str(word) for word in command], Path(log)
        options.setdefault("stdout", subprocess.DEVNULL)
        with open(self.log_file, "wb") as stderr:
            self.popen = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stderr=stderr, text=True,
                                          preexec_fn=sandbox.die_with_parent, **options)

    @property
    def pid(self):
        return self.popen.pid

    def log(self):
        return self.log_file.read_text(errors="replace")

    def fail(self, what):
        self.popen.kill()
        sys.exit(f"{shlex.join(self.command)}: {what}:\n{self.log()}")

    def wait_for(self, condition, what):
        deadline = time.monotonic() + START_SECONDS
        while not condition():
            if self.popen.poll() is not None:
                self.fail(f"ended with exit code {self.popen.returncode}")
            if time.monotonic() > deadline:
                self.fail(f"no {what} after {START_SECONDS} s")
            time.sleep(0.02)

    def result(self, codes=(0,)):
        """What a tool tells with --json, when it is through."""
        text = self.popen.communicate()[0]
        if self.popen.returncode not in codes or not text:
            self.fail(f"exit code {self.popen.returncode}")
        return json.loads(text)

    def stop(self):
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
        try:
            self.popen.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()


def medians(rows):
    """One row of the medians of many rows with equal keys; what isn't a number is the first's."""
    return {key: statistics.median(row[key] for row in rows) if isinstance(value, (int, float)) else value
            for key, value in rows[0].items()}


def human(number):
    """12.3 M, 45 k, 678."""
    for factor, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(number) >= factor:
            return f"{number / factor:.3g}{unit}"
    return f"{number:.3g}"


def print_table(header, rows):
    lines = [header] + [[str(cell) for cell in row] for row in rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    for line in lines:
        print("  ".join([line[0].ljust(widths[0])]
                        + [cell.rjust(width) for cell, width in zip(line[1:], widths[1:])]).rstrip())


def finish(result, path):
    """Writes a result for scripts, if that was asked for."""
    if path:
        Path(path).write_text(json.dumps(result, indent=1) + "\n")

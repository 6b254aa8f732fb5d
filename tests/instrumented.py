# SPDX-License-Identifier: BSD-3-Clause
"""Builds with sanitizers, in folders of their own below build/."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# What meson is told, and what the programs are told when they run.
OPTIONS = {
    "address": ["-Db_sanitize=address,undefined", "-Dc_args=-fno-sanitize-recover=all"],
    "thread": ["-Db_sanitize=thread"],
}
ENVIRONMENT = {
    # Leaks are looked for in the unit tests: the system call filter doesn't let a daemon be stopped for it.
    "address": {"ASAN_OPTIONS": "detect_leaks=1", "UBSAN_OPTIONS": "print_stacktrace=1"},
    "thread": {"TSAN_OPTIONS": "halt_on_error=1"},
}

# Tests of what threads share: rings between workers and to the fleet, export and import as jobs and
# as whole snapshots, files written beside, settings and access lists swapped. The rest of the
# product has one thread each.
THREADED = ["access_list", "deltas", "file_store", "handoff", "jobs", "settings", "snapshot"]

# Unit tests that valgrind can run: not those that load XDP programs, confine themselves, wait for
# time to pass, or draw millions of numbers.
MEMCHECKED = ["access_list", "access_set", "adaptive_interval", "admit", "announce", "ban_set", "bans",
              "chunk", "config", "cookie", "deltas", "file_store", "fleet", "handoff", "jobs",
              "json_rpc", "limiter", "log", "metrics", "musterctl", "packet", "pipeline", "redis_parse",
              "reply", "scrape", "secrets", "settings", "slab", "snapshot", "transfer"]
MEMCHECK = ["valgrind", "--quiet", "--error-exitcode=9", "--leak-check=full", "--errors-for-leak-kinds=definite"]


def build(kind):
    """Configures and builds; returns the folder."""
    folder = ROOT / "build" / kind
    if not (folder / "build.ninja").exists():
        subprocess.run(["meson", "setup", folder, "-Dbuildtype=debugoptimized", *OPTIONS[kind]], cwd=ROOT,
                       check=True, stdout=subprocess.DEVNULL)
    targets = [f"tests/unit/test_{name}" for name in THREADED] if kind == "thread" else []
    subprocess.run(["ninja", "--quiet", "-C", folder, *targets], check=True)
    os.environ.update(ENVIRONMENT[kind])
    return folder

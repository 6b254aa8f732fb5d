# SPDX-License-Identifier: BSD-3-Clause
"""Runs every test of a built tree and counts them: style, meson's suites, pytest end to end, fuzzing.

Called by tools/test, as root, after the build. The last line printed is
`N passed, N failed[, N skipped]`.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import instrumented

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
PYTHON = "/usr/bin/python3"

# Huge pages of 2 MB that the end-to-end tests want: several appliances at a time, some of them large.
HUGE_PAGES_WANTED = 512
HUGE_PAGES = Path("/sys/kernel/mm/hugepages/hugepages-2048kB")

# Each fuzz target's short run.
FUZZ_SECONDS = 6

# A test case in TAP as cmocka prints it: "ok 1 - name", "not ok 2 - name", "not ok 3 # SKIP name".
TAP_LINE = re.compile(r"^(not )?ok \d+ (?:- (.*)|(# SKIP).*)$", re.MULTILINE)


class Tally:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures = []

    def ok(self, count=1):
        self.passed += count

    def skip(self, count=1):
        self.skipped += count

    def fail(self, name):
        self.failed += 1
        self.failures.append(name)

    def __str__(self):
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


def headline(text):
    print(f"\n=== {text}", flush=True)


def tracked(*patterns):
    listing = subprocess.run(["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", *patterns],
                             cwd=ROOT, capture_output=True, text=True)
    if listing.returncode == 0:
        return [name for name in listing.stdout.split("\0") if name]
    # Not a git checkout, but a tarball: all there is.
    found = (path for pattern in patterns for path in ROOT.rglob(pattern))
    return sorted(str(path.relative_to(ROOT)) for path in found if BUILD not in path.parents)


def check_format(tally):
    """Every C file as .clang-format wants it."""
    files = tracked("*.c", "*.h")
    checked = subprocess.run(["clang-format", "--dry-run", "-Werror", *files], cwd=ROOT,
                             capture_output=True, text=True)
    if checked.returncode == 0:
        print(f"ok      clang-format, {len(files)} files")
        tally.ok()
    else:
        ugly = sorted(set(re.findall(r"^(\S+?):\d+:\d+: error:", checked.stderr, re.MULTILINE)))
        print(f"FAILED  clang-format; mend with: clang-format -i {' '.join(ugly)}")
        tally.fail("style: clang-format")


def check_license(tally):
    """An SPDX line within the first lines of every source file."""
    sources = tracked("*.c", "*.h", "*.py", "*.sh", "meson.build", "*/meson.build", "tools/*")
    bare = [name for name in sources if (ROOT / name).is_file()
            and b"SPDX-License-Identifier: BSD-3-Clause" not in (ROOT / name).read_bytes()[:300]]
    if not bare:
        print(f"ok      SPDX lines, {len(sources)} files")
        tally.ok()
    else:
        print(f"FAILED  no SPDX line in: {' '.join(bare)}")
        tally.fail("style: SPDX lines")


# Who may not include whom (docs/architecture.md): sources, and paths that they must not name.
LAYERS = (
    ("bpf/*.[ch]", re.compile(r'^#include "\.\./', re.MULTILINE)),
    ("dataplane/*.[ch]", re.compile(r'^#include ".*(controlplane|tools|tests)/', re.MULTILINE)),
    ("dataplane/swarms/*.[ch]", re.compile(r'^#include "\.\./', re.MULTILINE)),
    ("controlplane/*.[ch]", re.compile(r'^#include ".*(tools|tests)/', re.MULTILINE)),
    ("controlplane/*.[ch]", re.compile(r'^#include "(.*/)?(operator|parts\.h)', re.MULTILINE)),
    ("controlplane/store/*.[ch]", re.compile(r'^#include ".*(controlplane\.h|operator/)', re.MULTILINE)),
    ("controlplane/fleet/*.[ch]", re.compile(r'^#include ".*(controlplane\.h|operator/)', re.MULTILINE)),
)
# What stands on top of all: it starts the parts.
TOP = {"controlplane/main.c", "controlplane/parts.c"}


def check_layers(tally):
    """Includes point down only."""
    upward = [name for pattern, forbidden in LAYERS for name in tracked(pattern)
              if name not in TOP and forbidden.search((ROOT / name).read_text())]
    if not upward:
        print("ok      layers")
        tally.ok()
    else:
        print(f"FAILED  includes what lies above it: {' '.join(sorted(set(upward)))}")
        tally.fail("style: layers")


def check_lint(tally):
    """clang-tidy and cppcheck, over what they haven't seen clean before."""
    if subprocess.run(["tools/lint"], cwd=ROOT).returncode == 0:
        tally.ok()
    else:
        tally.fail("lint")


def count_meson_test(record, tally):
    """A cmocka program counts as its test cases, any other program as one."""
    name = record["name"]
    cases = TAP_LINE.findall(record.get("stdout") or "")
    failed = [case for bad, case, skipped in cases if bad and not skipped]
    skipped = sum(1 for _, _, skipped in cases if skipped)
    tally.skip(skipped)
    tally.ok(len(cases) - skipped - len(failed))
    for case in failed:
        tally.fail(f"{name}: {case}")
    if record["result"] == "SKIP" and not cases:
        tally.skip()
    elif record["result"] in ("FAIL", "ERROR", "TIMEOUT", "INTERRUPT", "UNEXPECTEDPASS"):
        if not failed:
            tally.fail(f"{name}: {record['result'].lower()}, exit code {record['returncode']}")
    elif not cases:
        tally.ok()


def unit_tests(pattern, drills):
    known = json.loads(subprocess.run(["meson", "introspect", "--tests", str(BUILD)],
                                      capture_output=True, text=True, check=True).stdout)
    return [test["name"] for test in known if pattern in test["name"]
            and (drills or not any(suite.endswith(":drills") for suite in test["suite"]))]


def run_meson(tally, names, build=BUILD, wrapper=None):
    if not names:
        print("no unit tests selected")
        return
    suffix = f"-{wrapper[0]}" if wrapper else ""
    log = build / "meson-logs" / f"testlog{suffix}.json"
    log.unlink(missing_ok=True)
    slower = ["-t", "20", "--wrapper", " ".join(wrapper)] if wrapper else ["-t", "3"]
    done = subprocess.run(["meson", "test", "-C", str(build), "--no-rebuild", "--print-errorlogs",
                           *slower, *names],
                          env={**os.environ, "CMOCKA_MESSAGE_OUTPUT": "TAP"})
    if not log.exists():
        tally.fail(f"meson test, exit code {done.returncode}")
        return
    for line in log.read_text().splitlines():
        count_meson_test(json.loads(line), tally)


def run_threaded(tally):
    """What threads share, under ThreadSanitizer."""
    try:
        build = instrumented.build("thread")
    except (OSError, subprocess.CalledProcessError) as error:
        tally.fail(f"build for ThreadSanitizer: {error}")
        return
    run_meson(tally, instrumented.THREADED, build)


def run_fuzz(tally, pattern):
    """A short run of each fuzz target, from its corpus."""
    targets = subprocess.run(["tools/fuzz", "--list"], cwd=ROOT, capture_output=True, text=True,
                             check=True).stdout.split()
    for target in targets:
        if pattern not in f"fuzz_{target}":
            continue
        if subprocess.run(["tools/fuzz", target, str(FUZZ_SECONDS)], cwd=ROOT).returncode == 0:
            tally.ok()
        else:
            tally.fail(f"fuzz {target}")


def run_pytest(tally, folders, pattern, drills):
    report = BUILD / "e2e.xml"
    report.unlink(missing_ok=True)
    command = [PYTHON, "-m", "pytest", "-v", "--tb=short", "--durations=10", "-p", "no:cacheprovider",
               f"--junitxml={report}", "-rs", *folders]
    if pattern:
        command += ["-k", pattern]
    if drills:
        command += ["--drills"]
    done = subprocess.run(command, cwd=ROOT)
    if done.returncode == 5:
        print("no end-to-end tests selected")
        return
    if done.returncode not in (0, 1) or not report.exists():
        tally.fail(f"pytest, exit code {done.returncode}")
    if not report.exists():
        return
    for case in ElementTree.parse(report).iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}"
        if case.find("failure") is not None or case.find("error") is not None:
            tally.fail(name)
        elif case.find("skipped") is not None:
            tally.skip()
        else:
            tally.ok()


class HugePages:
    """Takes huge pages for the tests where the machine has too few free, and gives them back."""

    def __enter__(self):
        self.before = None
        try:
            free = int((HUGE_PAGES / "free_hugepages").read_text())
            total = int((HUGE_PAGES / "nr_hugepages").read_text())
        except OSError:
            print("no huge pages in this kernel: tests run on 4 KiB pages")
            return self
        if free < HUGE_PAGES_WANTED:
            self.before = total
            (HUGE_PAGES / "nr_hugepages").write_text(str(total + HUGE_PAGES_WANTED - free))
            free = int((HUGE_PAGES / "free_hugepages").read_text())
        enough = "" if free >= HUGE_PAGES_WANTED else "; tests fall back to 4 KiB pages"
        print(f"huge pages of 2 MB: {free} free, {HUGE_PAGES_WANTED} wanted{enough}")
        return self

    def __exit__(self, *_):
        if self.before is not None:
            (HUGE_PAGES / "nr_hugepages").write_text(str(self.before))


def parse_arguments():
    parser = argparse.ArgumentParser(prog="tools/test")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--drills", action="store_true")
    parser.add_argument("--sanitize", choices=["address", "memory", "thread"])
    parser.add_argument("-k", dest="pattern", default="")
    return parser.parse_args()


def run_sanitized(tally, arguments):
    """Unit, XDP and end-to-end tests under ASan and UBSan; or what threads share, under TSan; or what is
    read before it was written, with valgrind, which sees it without instrumented libraries."""
    global BUILD
    if arguments.sanitize == "memory":
        run_meson(tally, instrumented.MEMCHECKED, wrapper=instrumented.MEMCHECK)
        return
    if arguments.sanitize == "thread":
        run_threaded(tally)
        return
    BUILD = instrumented.build("address")
    run_meson(tally, unit_tests(arguments.pattern, arguments.drills), BUILD)
    if not arguments.quick:
        os.environ["MUSTER_BUILD"] = str(BUILD)
        os.environ["ASAN_OPTIONS"] = "detect_leaks=0"
        with HugePages():
            run_pytest(tally, ["tests/e2e"], arguments.pattern, arguments.drills)


def run_all(tally, arguments):
    if not arguments.pattern:
        headline("style")
        check_format(tally)
        check_license(tally)
        check_layers(tally)
    headline("unit tests")
    run_meson(tally, unit_tests(arguments.pattern, arguments.drills))
    if arguments.quick:
        return
    headline("end to end")
    with HugePages():
        run_pytest(tally, ["tests/e2e", "tests/cluster", "tests/vm"], arguments.pattern, arguments.drills)
    if not arguments.pattern:
        headline("threads")
        run_threaded(tally)
        headline("lint")
        check_lint(tally)
    headline("fuzzing")
    run_fuzz(tally, arguments.pattern)


def main():
    arguments = parse_arguments()
    tally = Tally()
    started = time.monotonic()

    if arguments.sanitize:
        run_sanitized(tally, arguments)
    else:
        run_all(tally, arguments)

    headline(f"{time.monotonic() - started:.0f} s")
    for name in tally.failures:
        print(f"FAILED  {name}")
    print(tally, flush=True)
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())

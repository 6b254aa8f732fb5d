# SPDX-License-Identifier: BSD-3-Clause
"""musterd on the command line: options, what it says of a configuration, and how it fails to start."""

import shutil
import subprocess
from pathlib import Path

import pytest

from sandbox import ROOT
from testbed import MUSTERD

PORTS = "ports: [{type: af_xdp, interface: nowhere0}]\n"


START_SECONDS = 30


def run(*arguments):
    return subprocess.run([MUSTERD, *arguments], capture_output=True, text=True, timeout=30)


def exit_code(daemon):
    """Starts a daemon that is to end by itself."""
    return daemon.start(ready=False).process.wait(START_SECONDS)


@pytest.fixture
def check(tmp_path):
    """Checks a configuration of that text."""
    def check_text(text):
        file = tmp_path / "muster.yaml"
        file.write_text(text)
        return run("--check-config", "-c", file)
    return check_text


# Options

def test_prints_its_version():
    done = run("--version")
    assert done.returncode == 0
    assert done.stdout.startswith("musterd ")


def test_prints_help():
    done = run("--help")
    assert done.returncode == 0
    for option in ("--config", "--check-config", "--version", "--help"):
        assert option in done.stdout


@pytest.mark.parametrize("arguments", [["--banana"], ["-c"], ["-x"], ["muster.yaml"]])
def test_refuses_wrong_options(arguments):
    done = run(*arguments)
    assert done.returncode == 2
    assert "usage: musterd" in done.stderr
    assert done.stdout == ""


# Checking a configuration

@pytest.mark.parametrize("name", ["muster.yaml", "quickstart.yaml"])
def test_takes_the_configurations_in_the_tree(name):
    done = run("--check-config", "-c", ROOT / "configs" / name)
    assert (done.returncode, done.stderr) == (0, "")


def test_checks_without_privileges():
    # Where anybody may read it, wherever the tree is.
    file = Path("/run/check.yaml")
    shutil.copy(ROOT / "configs" / "muster.yaml", file)
    done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                           MUSTERD, "--check-config", "-c", file],
                          capture_output=True, text=True, timeout=30)
    file.unlink()
    # Where coverage is counted, gcov complains that it can't write its counts.
    said = [line for line in done.stderr.splitlines() if not line.startswith("profiling:")]
    assert (done.returncode, said) == (0, [])


@pytest.mark.parametrize("text, line, expected", [
    ("tracker: {intervall: 5m}\n", 2, 'unknown key "tracker.intervall"; did you mean tracker.interval?'),
    ("tracker: {interval: soon}\n", 2, 'tracker.interval: expected a duration'),
    ("\n\nmemory:\n  torrents: 5\n", 5, "memory.torrents: expected a number from 1000 to"),
    ("tracker: {interval: 30m}\ntracker: {}\n", 3, "tracker: expected once, found again"),
    ("listen: [192.0.2.1]\n", 2, "listen[0]: expected an address and port"),
    ("access: {mode: [}\n", 2, "not YAML"),
], ids=["unknown key", "wrong type", "out of range", "twice", "no port", "no YAML"])
def test_says_where_a_configuration_is_wrong(check, tmp_path, text, line, expected):
    done = check(PORTS + text)
    assert done.returncode == 2
    assert done.stderr.startswith(f"{tmp_path}/muster.yaml:{line}: ")
    assert expected in done.stderr


def test_says_all_that_is_wrong(check):
    done = check("banana: 1\nworkers: {burst: 0}\ntracker: {interval: x}\n")
    assert done.returncode == 2
    assert [error.split(":")[1] for error in done.stderr.splitlines()] == ["1", "2", "3"]


def test_says_that_there_is_no_file():
    done = run("-c", "/nonexistent/muster.yaml")
    assert done.returncode == 2
    assert done.stderr == "/nonexistent/muster.yaml: can't be read: No such file or directory\n"


def test_starts_nothing_with_a_wrong_configuration(testbed):
    daemon = testbed.daemon({"tracker": {"interval": "soon"}})
    assert exit_code(daemon) == 2
    assert not daemon.control_socket.exists()
    assert not (daemon.directory / "connection-id.key").exists()
    testbed.discard(daemon)


# Failing to start: exit code 1, a line that tells what to do, and nothing left behind

def fails(testbed, settings, **options):
    daemon = testbed.daemon(settings, **options)
    try:
        assert exit_code(daemon) == 1
        assert not daemon.control_socket.exists()
        assert daemon.pinned() == []
        return daemon.log()
    finally:
        testbed.discard(daemon)


def test_fails_without_the_interface(testbed):
    log = fails(testbed, {}, ports=["nowhere0"])
    assert "nowhere0" in log and "ip link" in log


def test_fails_without_the_xdp_program(testbed):
    assert "/nonexistent.bpf.o" in fails(testbed, {"xdp": {"program": "/nonexistent.bpf.o"}})


def test_fails_without_memory(testbed):
    log = fails(testbed, {"memory": {"torrents": "2G", "peers": "20G"}})
    assert "memory" in log or "huge pages" in log


def test_fails_with_a_bad_access_list(testbed, tmp_path):
    (tmp_path / "list").write_text("0" * 40 + "\nbanana\n")
    log = fails(testbed, {"access": {"mode": "allow", "file": str(tmp_path / "list")}})
    assert f"{tmp_path}/list:2: expected 40 hexadecimal digits" in log


def test_fails_without_the_user(testbed):
    assert "there is no user nobody-at-all" in fails(testbed, {"confine": {"user": "nobody-at-all"}})


def test_fails_where_others_could_read_the_key(testbed, tmp_path):
    key = tmp_path / "key"
    key.write_text("x")
    key.chmod(0o644)
    assert f"{key} may be read by others" in fails(testbed, {"connection_id": {"key_file": str(key)}})


def test_starts_well_after_all_these_failures(testbed):
    with testbed.running():
        assert testbed.answers()

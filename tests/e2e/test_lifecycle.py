# SPDX-License-Identifier: BSD-3-Clause
"""Starting and ending: what is said when it can't, and that nothing is left behind."""

import signal
import subprocess

import pytest

from sandbox import ROOT
from testbed import HUGE_PAGES_FREE, MUSTERD, enough_huge_pages, wait_until
from tracker_client import connect_request


def run(*arguments):
    """musterd with these arguments, to its end."""
    return subprocess.run([MUSTERD, *arguments], capture_output=True, text=True, timeout=30)


def attached(link):
    """True when an XDP program is on the appliance's interface."""
    return "xdp" in link.appliance.ip("link", "show", link.interface)


def traces(musterd, link):
    """What a daemon that ended well must not leave."""
    return {
        "XDP program": attached(link),
        "BPF pins": [path.name for path in musterd.pins.iterdir()],
        "control socket": musterd.control_socket.exists(),
    }


NO_TRACES = {"XDP program": False, "BPF pins": [], "control socket": False}


def test_version_and_help():
    version = run("--version")
    assert version.returncode == 0 and "0." in version.stdout
    help_text = run("--help")
    assert help_text.returncode == 0
    for option in ("-c", "--check-config", "--version"):
        assert option in help_text.stdout


@pytest.mark.parametrize("name", ["muster.yaml", "quickstart.yaml"])
def test_shipped_configuration_is_valid(name):
    checked = run("--check-config", "-c", ROOT / "configs" / name)
    assert checked.returncode == 0, checked.stderr


# What is wrong, and what of it must be said: the line, the key.
BAD_CONFIGS = {
    "unknown key": ("listen: [\"0.0.0.0:6969\"]\nlissen: 3\n", ":2:", "lissen"),
    "wrong type": ("tracker:\n  interval: soon\n", ":2:", "tracker.interval"),
    "out of range": ("tracker:\n  numwant_max: 70000\n", ":2:", "tracker.numwant_max"),
    "a list for a number": ("tracker:\n  interval: [1, 2]\n", ":2:", "tracker.interval"),
    "not YAML": ("tracker: {interval: 5\n", ":", "yaml"),
    "no ports": ("tracker:\n  interval: 30m\n", "", "ports"),
}


@pytest.mark.parametrize("text, place, key", BAD_CONFIGS.values(), ids=BAD_CONFIGS)
@pytest.mark.parametrize("check_only", [True, False], ids=["check", "start"])
def test_bad_configuration_is_refused_with_file_and_line(tmp_path, text, place, key, check_only):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    done = run(*(["--check-config"] if check_only else []), "-c", path)
    assert done.returncode == 2, done.stderr
    assert f"{path}{place}" in done.stderr
    assert key.lower() in done.stderr.lower()


def test_missing_file_and_unknown_option_are_refused(tmp_path):
    missing = run("-c", tmp_path / "none.yaml")
    assert missing.returncode != 0 and "none.yaml" in missing.stderr
    assert run("--no-such-option").returncode == 2


def test_missing_interface_is_named(testbed):
    musterd = testbed.daemon({"ports": [{"type": "af_xdp", "interface": "nosuchif0"}]})
    musterd.start(ready=False)
    assert musterd.process.wait(30) == 1
    assert "nosuchif0" in musterd.log()
    assert traces(musterd, testbed.links[0]) == NO_TRACES
    testbed.discard(musterd)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_signal_ends_it_and_leaves_nothing(testbed, number):
    free = HUGE_PAGES_FREE.read_text() if enough_huge_pages() else None
    musterd = testbed.start()
    assert attached(testbed.links[0])
    assert testbed.answers()
    musterd.signal(number)
    assert musterd.process.wait(15) == 0, musterd.log()
    assert traces(musterd, testbed.links[0]) == NO_TRACES
    if free:
        assert HUGE_PAGES_FREE.read_text() == free
    testbed.discard(musterd)


def test_killed_daemon_breaks_no_interface_and_the_next_one_takes_over(testbed):
    link = testbed.links[0]
    musterd = testbed.start()
    assert testbed.answers()
    musterd.kill()
    testbed.clients.run("ping", "-c", 2, "-i", 0.05, "-W", 2, link.address())
    with testbed.tracker() as tracker:
        assert tracker.is_silent(connect_request(1))
    for _ in range(2):
        musterd.start()
        wait_until(testbed.answers, 5, what="the next one answers")
        musterd.kill()
    musterd.start()
    musterd.stop()
    assert traces(musterd, link) == NO_TRACES
    testbed.discard(musterd)


def test_connection_ids_outlive_a_restart(testbed, info_hash):
    with testbed.running() as musterd, testbed.tracker() as tracker:
        tracker.connect()
        musterd.restart()
        assert tracker.announce(info_hash).leechers == 1


def test_runs_without_huge_pages(testbed, info_hash):
    with testbed.running({"memory": {"huge_pages": False, "torrents": "1k", "peers": "2k"}}):
        with testbed.tracker() as tracker:
            assert tracker.announce(info_hash).leechers == 1

# SPDX-License-Identifier: BSD-3-Clause
"""Ending, crashing and starting again: nothing is left behind, and nothing is in the way."""

import signal
from pathlib import Path

import pytest

from testbed import wait_until
from tracker_client import connect_request

HUGE_PAGES = Path("/dev/hugepages")  # the sandbox's own


def attached(link):
    """True when an XDP program is on the appliance's interface."""
    return "xdp" in link.appliance.ip("link", "show", link.interface)


def traces(musterd, link):
    """What a daemon that ended well must not leave."""
    return {
        "XDP program": attached(link),
        "BPF pins": musterd.pinned(),
        "control socket": musterd.control_socket.exists(),
        "huge pages": [path.name for path in HUGE_PAGES.iterdir()],
    }


NO_TRACES = {"XDP program": False, "BPF pins": [], "control socket": False, "huge pages": []}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_signal_ends_it_and_leaves_nothing(testbed, number):
    musterd = testbed.start()
    assert attached(testbed.links[0])
    assert testbed.answers()
    musterd.signal(number)
    assert musterd.process.wait(15) == 0, musterd.log()
    assert traces(musterd, testbed.links[0]) == NO_TRACES
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

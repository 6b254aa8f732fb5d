# SPDX-License-Identifier: BSD-3-Clause
"""Links that go down and come back, interfaces that are taken away: said in the log, the metrics and
/healthz, and survived as far as can be."""

import pytest

from sandbox import Link
from testbed import Testbed, wait_until

# A port for each link, one worker: there is no need for two.
SETTINGS = {"workers": {"cores": [0]}}


@pytest.fixture
def testbed():
    bed = Testbed(links=2)
    yield bed
    bed.close()


def take_away(testbed, number):
    testbed.host.ip("link", "delete", testbed.links[number].interface)


def bring_back(testbed, number):
    """Another interface of the same name."""
    testbed.links[number] = Link(number + 1, testbed.host, testbed.clients)


def test_link_that_goes_down_and_comes_back(testbed, info_hash):
    link = testbed.links[0]
    with testbed.running(SETTINGS) as musterd:
        assert testbed.answers(link=0)
        testbed.clients.ip("link", "set", link.client_interface, "down")
        wait_until(lambda: musterd.metric("muster_port_up", port=link.interface) == 0)
        wait_until(lambda: f"its link is down: port={link.interface}" in musterd.log())
        assert musterd.http("/healthz") == (503, f"failing: the link of port {link.interface} is down\n")
        assert testbed.answers(link=1)
        testbed.clients.ip("link", "set", link.client_interface, "up")
        wait_until(lambda: f"its link is up again: port={link.interface}" in musterd.log())
        assert musterd.metric("muster_port_up", port=link.interface) == 1
        assert musterd.http("/healthz")[0] == 200
        with testbed.tracker(link=0, client=1, tries=3) as tracker:
            tracker.announce(info_hash)
        assert musterd.metric("muster_port_gone") == 0


def test_interface_that_is_taken_away_from_several(testbed, info_hash):
    interface = testbed.links[0].interface
    with testbed.running(SETTINGS) as musterd:
        assert testbed.answers(link=0)
        take_away(testbed, 0)
        wait_until(lambda: f"its device is gone: port={interface}" in musterd.log())
        assert musterd.metric("muster_port_gone", port=interface) == 1
        assert musterd.metric("muster_port_up", port=interface) == 0
        assert musterd.http("/healthz") == (
            503, f"failing: the device of port {interface} is gone: restart when it is back\n")
        with testbed.tracker(link=1, client=1) as tracker:
            tracker.announce(info_hash)
        bring_back(testbed, 0)
        with testbed.tracker(link=1, client=1) as tracker:
            tracker.announce(info_hash)
        assert musterd.metric("muster_port_gone", port=interface) == 1, "it is another one"
        musterd.restart()
        assert testbed.answers(link=0) and testbed.answers(link=1)


def test_last_interface_that_is_taken_away(testbed):
    musterd = testbed.start(SETTINGS, ports=testbed.links[:1])
    assert testbed.answers(link=0)
    take_away(testbed, 0)
    assert musterd.process.wait(10) == 1
    assert "stopping: no port is left" in musterd.log()
    assert not musterd.control_socket.exists()
    assert not musterd.pinned()
    bring_back(testbed, 0)
    musterd.start()
    assert testbed.answers(link=0)
    musterd.stop()

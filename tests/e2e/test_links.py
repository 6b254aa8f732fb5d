# SPDX-License-Identifier: BSD-3-Clause
"""Links that go down and come back, interfaces that are taken away, queues that nobody serves, or not any
more: said in the log, the metrics and /healthz, and survived as far as can be."""

import pytest

from flooding import Flood
from sandbox import Link
from testbed import Testbed, frozen, wait_until, worker_threads
from tracker_client import NoReply

# A port for each link, one worker: there is no need for two.
SETTINGS = {"workers": {"cores": [0]}}

SECONDS = 15  # in which something is noticed: it takes a few


@pytest.fixture
def testbed():
    bed = Testbed(links=2)
    yield bed
    bed.close()


def take_away(testbed, number):
    testbed.host.ip("link", "delete", testbed.links[number].interface)


def bring_back(testbed, number, queues=1):
    """Another interface of the same name."""
    testbed.links[number] = Link(number + 1, testbed.host, testbed.clients, queues)


def says(musterd, text):
    wait_until(lambda: text in musterd.log(), SECONDS, what=f"the log says {text!r}")


def test_link_that_goes_down_and_comes_back(testbed, info_hash):
    link = testbed.links[0]
    with testbed.running(SETTINGS) as musterd:
        assert testbed.answers(link=0)
        testbed.clients.ip("link", "set", link.client_interface, "down")
        says(musterd, f"its link is down: port={link.interface}")
        assert musterd.metric("muster_port_up", port=link.interface) == 0
        assert musterd.http("/healthz") == (503, f"failing: the link of port {link.interface} is down\n")
        assert testbed.answers(link=1)
        testbed.clients.ip("link", "set", link.client_interface, "up")
        says(musterd, f"its link is up again: port={link.interface}")
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
        says(musterd, f"its device is gone: port={interface}")
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
    assert musterd.process.wait(SECONDS) == 1
    assert "stopping: no port is left" in musterd.log()
    assert not musterd.control_socket.exists()
    assert not musterd.pinned()
    bring_back(testbed, 0)
    musterd.start()
    assert testbed.answers(link=0)
    musterd.stop()


def unanswered(testbed, clients=32):
    """How many of so many clients, each a flow of its own, get no answer."""
    lost = 0
    for client in range(1, clients + 1):
        with testbed.tracker(client=client, timeout=0.2, tries=1) as tracker:
            try:
                tracker.connect()
            except (NoReply, OSError):  # the kernel knows of no such port, and says so
                lost += 1
    return lost


def test_queue_without_a_worker(testbed):
    """An interface with two queues, on a port of one: what comes by the other goes to the kernel."""
    take_away(testbed, 0)
    bring_back(testbed, 0, queues=2)
    with testbed.running(SETTINGS) as musterd:
        lost = unanswered(testbed)
        assert 0 < lost < 32
        assert musterd.dropped("no_socket") >= lost
        # Not of what came in the first second: ports start one after the other.
        wait_until(lambda: unanswered(testbed) > 0 and "packets arrive at a queue without a worker" in musterd.log(),
                   SECONDS, what="it is said")
        # What the log advises. A veth pair needs it at both ends.
        testbed.clients.run("ethtool", "-L", testbed.links[0].client_interface, "tx", 1)
        testbed.host.run("ethtool", "-L", testbed.links[0].interface, "rx", 1)
        assert unanswered(testbed) == 0


def test_queue_whose_worker_stops(testbed, info_hash):
    """Packets come, and all are lost, and counted; when the worker goes on, so does its queue."""
    link = testbed.links[0]
    ports = [{"type": "af_xdp", "interface": link.interface, "descriptors": 256}]
    with testbed.running({**SETTINGS, "ports": ports}) as musterd, testbed.tracker() as tracker:
        tracker.announce(info_hash)
        with frozen(worker_threads(musterd)[0]):
            attack = Flood(testbed, link.client_address(), 1, 2 * SECONDS, ids=[tracker.connection_id], rate=3000,
                           core=1)
            says(musterd, f"receives nothing any more, and loses what comes: port={link.interface}")
            attack.stop()
            assert musterd.metric("muster_port_receive_missed_total", port=link.interface) > 0
            assert musterd.http("/healthz")[0] == 503
        says(musterd, f"receives again: port={link.interface}")
        assert testbed.answers(client=1)
        wait_until(lambda: musterd.http("/healthz")[0] == 200, SECONDS, what="/healthz is well again")

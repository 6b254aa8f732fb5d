# SPDX-License-Identifier: BSD-3-Clause
"""One and two VLAN tags (802.1Q, 802.1ad): requests are understood, replies keep the tags."""

import pytest
from scapy.all import Dot1AD, Dot1Q, Raw

from frames import RawSocket
from tracker_client import Tracker, connect_request, info_hash_of

VLAN = 42
ADDRESS = {4: ("10.97.0.1", "10.97.0.2", 24), 6: ("fd96::1", "fd96::2", 64)}  # appliance, client


@pytest.fixture(scope="module")
def vlan(testbed, musterd):
    """The link's VLAN 42, as the kernels on both ends see it."""
    link = testbed.links[0]
    for namespace, parent, end in ((link.appliance, link.interface, 0),
                                   (link.clients, link.client_interface, 1)):
        namespace.ip("link", "add", "link", parent, "name", "vlan42", "type", "vlan", "id", VLAN)
        namespace.ip("link", "set", "vlan42", "up")
        for pair in ADDRESS.values():
            namespace.ip("address", "add", f"{pair[end]}/{pair[2]}", "dev", "vlan42", "nodad")
    yield
    for namespace in (link.appliance, link.clients):
        namespace.ip("link", "delete", "vlan42")


def test_client_in_a_vlan_announces(testbed, vlan, family):
    appliance, client, _ = ADDRESS[family]
    with testbed.clients:
        tracker = Tracker(appliance, source=(client, 0))
    with tracker:
        assert tracker.announce(info_hash_of("vlan"), port=5).interval > 0
        assert tracker.announce(info_hash_of("vlan"), port=6).peers == [(client, 5)]


def test_ping_in_a_vlan(testbed, vlan, family):
    testbed.clients.run("ping", "-c", 2, "-i", 0.05, "-W", 2, ADDRESS[family][0])


@pytest.mark.parametrize("tags", [
    (Dot1Q(vlan=7, prio=5),),
    (Dot1Q(vlan=7), Dot1Q(vlan=8)),
    (Dot1AD(vlan=7), Dot1Q(vlan=8, prio=3)),
], ids=["one", "two", "QinQ"])
def test_reply_keeps_the_tags(testbed, musterd, family, tags):
    with RawSocket(testbed.links[0]) as raw:
        frame = raw.ethernet()
        for tag in tags:
            frame /= tag
        raw.send(frame / raw.ip(family) / raw.udp() / connect_request(1))
        reply = raw.receive(2)
    assert reply is not None
    for number, tag in enumerate(tags):
        layer = reply.getlayer(type(tag), 1 + [type(t) for t in tags[:number]].count(type(tag)))
        assert (layer.vlan, layer.prio) == (tag.vlan, tag.prio)
    assert len(bytes(reply[Raw])) >= 16

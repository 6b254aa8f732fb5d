# SPDX-License-Identifier: BSD-3-Clause
"""One and two VLAN tags (802.1Q, 802.1ad): requests are understood, replies keep the tags."""

import pytest
from scapy.all import UDP, Dot1AD, Dot1Q

from frames import RawSocket
from tracker_client import Tracker, announce_request, connect_request, info_hash_of

VLAN = 42
ADDRESS = {4: ("10.97.0.1", "10.97.0.2", 24), 6: ("fd96::1", "fd96::2", 64)}  # appliance, client


@pytest.fixture(scope="module")
def vlan(testbed, musterd):
    """The link's VLAN 42, as the kernels on both ends see it."""
    link = testbed.links[0]
    try:
        link.clients.ip("link", "add", "type", "vlan")
    except RuntimeError as error:
        if "Unknown device type" in str(error):
            pytest.skip("this kernel has no VLAN interfaces (module 8021q)")
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


TAGS = pytest.mark.parametrize("tags", [
    [Dot1Q(vlan=7, prio=5)],
    [Dot1Q(vlan=7), Dot1Q(vlan=8)],
    [Dot1AD(vlan=7), Dot1Q(vlan=8, prio=3)],
], ids=["one", "two", "QinQ"])


def tagged(raw, tags, family, payload):
    frame = raw.ethernet()
    for tag in tags:
        frame /= tag
    return frame / raw.ip(family) / raw.udp() / payload


def tags_of(frame):
    """(type, VLAN, priority) of each tag, from the outermost on."""
    found, layer = [], frame.payload
    while isinstance(layer, Dot1Q):
        found.append((type(layer), layer.vlan, layer.prio))
        layer = layer.payload
    return found


@TAGS
def test_conversation_keeps_its_tags(testbed, musterd, family, tags):
    """A connect and two announces in frames made by hand: it takes no VLAN interface."""
    expected = [(type(tag), tag.vlan, tag.prio) for tag in tags]
    info_hash = info_hash_of(f"tags {family} {expected}")
    with RawSocket(testbed.links[0]) as raw:
        def ask(payload):
            raw.send(tagged(raw, tags, family, payload))
            reply = raw.receive(2)
            assert reply is not None
            assert tags_of(reply) == expected
            return bytes(reply[UDP].payload)

        connection_id = int.from_bytes(ask(connect_request(1))[8:16], "big")
        ask(announce_request(connection_id, 2, info_hash, port=501))
        peers = ask(announce_request(connection_id, 3, info_hash, port=502))[20:]
    size = 6 if family == 4 else 18
    assert peers[size - 2:size] == (501).to_bytes(2, "big")


@pytest.mark.parametrize("vlan", [1, 4094])
def test_ends_of_the_vlan_range(testbed, musterd, vlan):
    with RawSocket(testbed.links[0]) as raw:
        raw.send(tagged(raw, [Dot1Q(vlan=vlan)], 4, connect_request(1)))
        assert raw.receive(2)[Dot1Q].vlan == vlan

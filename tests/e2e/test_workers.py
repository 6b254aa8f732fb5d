# SPDX-License-Identifier: BSD-3-Clause
"""Several workers, ports and listen addresses are one tracker."""

import os
import socket

import pytest

from tracker_client import ScrapeRow, connect_request, info_hash_of

SECOND_PORT = 7070

# The wildcards and one more port.
SETTINGS = {"listen": ["0.0.0.0:6969", "[::]:6969", f"0.0.0.0:{SECOND_PORT}", f"[::]:{SECOND_PORT}"]}

pytestmark = [
    pytest.mark.usefixtures("musterd"),
    pytest.mark.skipif(os.cpu_count() < 2, reason="needs two cores for two workers"),
]


def test_peers_that_came_by_different_ports_meet(testbed, family):
    """24 torrents, so that each of the two workers owns some of them."""
    for number in range(24):
        info_hash = info_hash_of(f"meet {family} {number}")
        with testbed.tracker(link=0, client=1, family=family) as first, \
                testbed.tracker(link=1, client=1, family=family) as second:
            first.announce(info_hash, port=1111, left=0)
            reply = second.announce(info_hash, port=2222)
            assert reply.peers == [(testbed.links[0].client_address(1, family), 1111)]
            reply = first.announce(info_hash, port=1111, left=0)
            assert reply.peers == [(testbed.links[1].client_address(1, family), 2222)]


def test_both_workers_own_torrents_and_hand_requests_over(testbed, musterd):
    handed = musterd.metric("muster_handed_off_total")
    with testbed.tracker() as tracker:
        for number in range(64):
            tracker.announce(info_hash_of(f"owner {number}"))
    # Each of 64 torrents belongs to the other worker with probability 1/2.
    assert 10 <= musterd.metric("muster_handed_off_total") - handed <= 54


def test_scrape_over_both_owners_from_either_port(testbed, family):
    hashes = [info_hash_of(f"rows {family} {number}") for number in range(20)]
    with testbed.tracker(link=0, family=family) as tracker:
        for number, info_hash in enumerate(hashes):
            tracker.announce(info_hash, left=number % 2)
    for link in (0, 1):
        with testbed.tracker(link=link, family=family) as tracker:
            assert tracker.scrape(hashes) == [
                ScrapeRow(1, 0, 0) if number % 2 == 0 else ScrapeRow(0, 0, 1) for number in range(20)]


def test_both_listen_ports_know_the_same_swarms(testbed, family, info_hash):
    with testbed.tracker(family=family) as first, \
            testbed.tracker(family=family, port=SECOND_PORT) as second:
        first.announce(info_hash, port=1)
        assert len(second.announce(info_hash, port=2).peers) == 1


def test_id_of_one_port_counts_at_the_other(testbed, family, info_hash):
    """What one worker issued, another honours."""
    with testbed.tracker(family=family) as first, \
            testbed.tracker(family=family, port=SECOND_PORT) as second:
        second.connection_id = first.connect()
        assert second.announce(info_hash).interval > 0


@pytest.mark.parametrize("link", [0, 1])
def test_reply_comes_from_the_address_that_was_asked(testbed, family, link):
    """Also where the interface has several, and the kernel would choose another source."""
    wire = testbed.links[link]
    other = f"10.99.{wire.number}.77" if family == 4 else f"fd99:{wire.number}::77"
    wire.appliance.ip("address", "replace", f"{other}/{24 if family == 4 else 64}", "dev", wire.interface)
    with testbed.clients:
        client = socket.socket(socket.AF_INET if family == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
    with client:
        client.settimeout(2)
        for address in (wire.address(family), other):
            for port in (6969, SECOND_PORT):
                client.sendto(connect_request(port), (address, port))
                reply, source = client.recvfrom(100)
                assert source[:2] == (address, port)
                assert reply[4:8] == port.to_bytes(4, "big")

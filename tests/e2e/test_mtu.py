# SPDX-License-Identifier: BSD-3-Clause
"""Replies name no more peers than fit the MTU of the port that they leave by."""

import pytest

from tracker_client import info_hash_of

MTUS = (1500, 576)  # of the two ports
PEERS = 300
HEADERS = {4: 20 + 8 + 20, 6: 40 + 8 + 20}  # IP, UDP, announce reply
PEER = {4: 6, 6: 18}


@pytest.fixture(scope="module")
def musterd(testbed):
    settings = {
        "ports": [{"type": "af_xdp", "interface": link.interface, "mtu": mtu}
                  for link, mtu in zip(testbed.links, MTUS)],
        "tracker": {"numwant_max": 1000},
    }
    with testbed.running(settings) as daemon:
        yield daemon


@pytest.mark.parametrize("link", [0, 1], ids=[f"mtu {mtu}" for mtu in MTUS])
def test_as_many_peers_as_fit(testbed, musterd, family, link):
    """The client that asks on one port is served from the swarm of both; either worker may own it."""
    info_hash = info_hash_of(f"mtu {family}")
    with testbed.tracker(family=family) as tracker:
        for port in range(1, 1 + PEERS):
            tracker.announce(info_hash, port=port, num_want=0)
    fits = (MTUS[link] - HEADERS[family]) // PEER[family]
    with testbed.tracker(link=link, family=family) as tracker:
        reply = tracker.announce(info_hash, port=5000, num_want=1000)
    assert len(reply.peers) == min(fits, PEERS)
    assert len(set(reply.peers)) == len(reply.peers)

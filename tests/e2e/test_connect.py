# SPDX-License-Identifier: BSD-3-Clause
"""Connection IDs: who gets one, and for whom it counts (BEP 15 "connect")."""

import struct

import pytest

from tracker_client import (Action, announce_request, connect_request, info_hash_of, new_transaction,
                            scrape_request)

pytestmark = pytest.mark.usefixtures("musterd")


def test_connect_reply_is_as_long_as_the_request_and_bears_its_transaction(testbed, family):
    with testbed.tracker(family=family) as tracker:
        request = connect_request(0x12345678)
        tracker.send(request)
        reply = tracker.receive()
    assert len(reply) == len(request) == 16
    assert struct.unpack_from("!II", reply) == (Action.CONNECT, 0x12345678)


def test_id_counts_for_every_port_of_its_address(testbed, family, info_hash):
    with testbed.tracker(client=7, family=family) as first, \
            testbed.tracker(client=7, family=family) as second:
        second.connection_id = first.connect()
        assert second.announce(info_hash).interval > 0


def test_id_of_another_address_gets_silence(testbed, family, info_hash):
    with testbed.tracker(client=1, family=family) as owner, \
            testbed.tracker(client=2, family=family) as thief:
        stolen = owner.connect()
        assert thief.is_silent(announce_request(stolen, 1, info_hash))
        assert thief.is_silent(scrape_request(stolen, 1, [info_hash]))


@pytest.mark.parametrize("forged", [0, 1, 0x41727101980, 2**64 - 1], ids=hex)
def test_forged_id_gets_silence(testbed, family, info_hash, forged):
    with testbed.tracker(family=family) as tracker:
        assert tracker.is_silent(announce_request(forged, 1, info_hash))
        assert tracker.is_silent(scrape_request(forged, 1, [info_hash]))


def test_any_single_bit_of_an_id_matters(testbed, info_hash):
    with testbed.tracker(client=3) as tracker:
        good = tracker.connect()
        for bit in range(64):
            tracker.send(announce_request(good ^ 1 << bit, new_transaction(), info_hash))
        assert tracker.is_silent(b"", 0.3)
        assert tracker.announce(info_hash).interval > 0


def test_wrong_magic_gets_silence(testbed, family):
    with testbed.tracker(family=family) as tracker:
        assert tracker.is_silent(connect_request(1, magic=0x41727101981))
        assert tracker.is_silent(connect_request(1, magic=0))


def test_longer_connect_is_answered_with_sixteen_bytes(testbed, family):
    with testbed.tracker(family=family) as tracker:
        tracker.send(connect_request(9) + bytes(200))
        assert len(tracker.receive()) == 16


def test_many_clients_each_get_an_id_of_their_own(testbed, family):
    ids = set()
    for client in range(1, 51):
        with testbed.tracker(client=client, family=family) as tracker:
            ids.add(tracker.connect())
            assert tracker.announce(info_hash_of("crowd")).interval > 0
    assert len(ids) == 50

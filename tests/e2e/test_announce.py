# SPDX-License-Identifier: BSD-3-Clause
"""Announces: who is told of whom (BEP 15 "announce")."""

import ipaddress

import pytest

from tracker_client import Event, ScrapeRow, announce_request

INTERVAL, JITTER = 1200, 100
DEFAULT, MAXIMUM = 10, 25  # peers in a reply

PAUSED = 4  # BEP 21's event, by the number that libtorrent gives it

SETTINGS = {
    "tracker": {
        "interval": INTERVAL,
        "interval_max": INTERVAL,
        "interval_jitter": JITTER,
        "numwant_default": DEFAULT,
        "numwant_max": MAXIMUM,
    }
}

pytestmark = pytest.mark.usefixtures("musterd")


@pytest.fixture
def announce(testbed, family, info_hash):
    """announce(client number, **fields): an announce of that client for the test's own torrent."""

    def ask(client, **fields):
        with testbed.tracker(client=client, family=family) as tracker:
            return tracker.announce(info_hash, port=address(client)[1], **fields)

    def address(client):
        return testbed.links[0].client_address(client, family), 10000 + client

    ask.address = address
    return ask


def test_first_peer_hears_of_nobody(announce):
    reply = announce(1)
    assert reply.peers == []
    assert (reply.seeders, reply.leechers) == (0, 1)


def test_leecher_is_told_of_seeders_and_leechers_but_not_of_itself(announce):
    announce(1, left=0)
    announce(2)
    reply = announce(3)
    assert sorted(reply.peers) == sorted([announce.address(1), announce.address(2)])
    assert (reply.seeders, reply.leechers) == (1, 2)


def test_seeder_is_told_of_leechers_only(announce):
    announce(1, left=0)
    announce(2)
    reply = announce(3, left=0)
    assert reply.peers == [announce.address(2)]
    assert (reply.seeders, reply.leechers) == (2, 1)


def test_announcing_again_adds_nothing(announce):
    for event in (Event.STARTED, Event.NONE, Event.STARTED, Event.NONE):
        reply = announce(1, event=event)
    assert (reply.seeders, reply.leechers, reply.peers) == (0, 1, [])


def test_two_ports_of_one_address_are_two_peers(testbed, family, info_hash):
    with testbed.tracker(family=family) as tracker:
        tracker.announce(info_hash, port=1001)
        reply = tracker.announce(info_hash, port=1002)
    assert reply.peers == [(testbed.links[0].client_address(0, family), 1001)]
    assert reply.leechers == 2


def test_peer_is_the_source_address_whatever_the_ip_field_says(announce):
    announce(1, ip=0x01020304)
    assert announce(2).peers == [announce.address(1)]


def test_stopped_removes_and_gets_no_peers(announce):
    announce(1)
    announce(2)
    reply = announce(1, event=Event.STOPPED)
    assert reply.peers == []
    assert reply.leechers == 1
    assert announce(3).peers == [announce.address(2)]


def test_stopped_of_a_stranger_changes_nothing(testbed, announce, family, info_hash):
    """Though he names another's address and port."""
    announce(1, left=0)
    address, port = announce.address(1)
    named = int(ipaddress.ip_address(address)) if family == 4 else 0
    with testbed.tracker(client=2, family=family) as stranger:
        reply = stranger.announce(info_hash, event=Event.STOPPED, ip=named, port=port)
    assert (reply.seeders, reply.leechers, reply.peers) == (1, 0, [])


def test_completed_makes_a_seeder(announce):
    announce(1)
    reply = announce(1, left=0, event=Event.COMPLETED)
    assert (reply.seeders, reply.leechers) == (1, 0)
    assert announce(2).peers == [announce.address(1)]


def test_seeder_that_has_something_left_again_is_a_leecher(announce):
    announce(1, left=0)
    reply = announce(1, left=1000)
    assert (reply.seeders, reply.leechers) == (0, 1)


def test_ipv4_and_ipv6_swarms_are_separate(testbed, info_hash):
    with testbed.tracker(family=4) as tracker:
        tracker.announce(info_hash)
    with testbed.tracker(family=6) as tracker:
        reply = tracker.announce(info_hash)
    assert (reply.leechers, reply.peers) == (1, [])


def test_interval_lies_within_the_jitter_and_varies(testbed, info_hash):
    with testbed.tracker() as tracker:
        intervals = {tracker.announce(info_hash).interval for _ in range(40)}
    assert INTERVAL - JITTER <= min(intervals) < max(intervals) <= INTERVAL + JITTER


# num_want: what is asked, and how many of 40 peers are told.
@pytest.mark.parametrize("num_want, told", [
    (-1, DEFAULT),
    (-2**31, DEFAULT),
    (0, 0),
    (1, 1),
    (7, 7),
    (MAXIMUM, MAXIMUM),
    (MAXIMUM + 1, MAXIMUM),
    (2**31 - 1, MAXIMUM),
])
def test_num_want(testbed, family, num_want, told):
    crowd = b"a crowd of 40 peers."
    with testbed.tracker(client=1, family=family) as tracker:
        for port in range(2000, 2040):
            tracker.announce(crowd, port=port, num_want=0)
        reply = tracker.announce(crowd, port=2000, num_want=num_want)
    assert len(reply.peers) == told
    assert len(set(reply.peers)) == told, "a peer was told twice"
    assert {port for _, port in reply.peers} <= set(range(2001, 2040))


def test_who_has_no_port_is_told_of_peers_and_not_kept(testbed, family, info_hash):
    with testbed.tracker(family=family) as tracker:
        assert tracker.announce(info_hash, port=0).leechers == 0
        assert tracker.announce(info_hash, port=1).leechers == 1
        reply = tracker.announce(info_hash, port=0)
        assert ([port for _, port in reply.peers], reply.leechers) == ([1], 1)


def test_partial_seed_is_told_of_leechers_only(announce):
    announce(1, left=0)
    announce(2)
    reply = announce(3, event=PAUSED)
    assert reply.peers == [announce.address(2)]
    assert (reply.seeders, reply.leechers) == (1, 2)


def test_an_announce_sent_again_changes_nothing(testbed, family, info_hash):
    """As a client does whose reply was lost: the very same bytes."""
    with testbed.tracker(family=family) as tracker:
        tracker.announce(info_hash, port=1)
        packet = announce_request(tracker.connect(), 0xcafe, info_hash, port=2, left=0,
                                  event=Event.COMPLETED)
        replies = [tracker.ask(packet) for _ in range(3)]
        assert [reply[4:] for reply in replies] == [replies[0][4:]] * 3  # but for the interval
        assert tracker.scrape([info_hash]) == [ScrapeRow(1, 1, 1)]


def test_key_and_peer_id_are_of_no_matter(testbed, family, info_hash):
    with testbed.tracker(family=family) as tracker:
        for number in range(3):
            reply = tracker.announce(info_hash, key=number, peer_id=bytes([number] * 20))
        assert (reply.leechers, reply.peers) == (1, [])


def test_unknown_event_is_an_announce_without_event(testbed, family, info_hash):
    with testbed.tracker(family=family) as tracker:
        assert tracker.announce(info_hash, event=77).leechers == 1


def test_reply_bears_the_transaction(testbed, info_hash):
    with testbed.tracker() as tracker:
        tracker.send(announce_request(tracker.connect(), 0xcafe0001, info_hash))
        assert tracker.receive()[:8] == bytes.fromhex("00000001cafe0001")

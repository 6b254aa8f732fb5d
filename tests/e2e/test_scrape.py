# SPDX-License-Identifier: BSD-3-Clause
"""Scrapes: counts of many torrents at once (BEP 15 "scrape")."""

import pytest

from tracker_client import (SCRAPE_HASHES_MAX, Event, ScrapeRow, TrackerError, info_hash_of,
                            scrape_request)

# 74 info-hashes make a packet of 1524 bytes, past an Ethernet's 1500.
MTU = 1600

pytestmark = pytest.mark.usefixtures("musterd")


@pytest.fixture(scope="module")
def musterd(testbed):
    """Two workers on links of a larger MTU."""
    for link in testbed.links:
        link.appliance.ip("link", "set", link.interface, "mtu", MTU)
        link.clients.ip("link", "set", link.client_interface, "mtu", MTU)
    ports = [{"type": "af_xdp", "interface": link.interface, "mtu": MTU} for link in testbed.links]
    with testbed.running({"ports": ports}) as daemon:
        yield daemon


def test_unknown_torrent_is_all_zeros(testbed, family, info_hash):
    with testbed.tracker(family=family) as tracker:
        assert tracker.scrape([info_hash]) == [ScrapeRow(0, 0, 0)]


def test_counts_seeders_and_leechers(testbed, family, info_hash):
    with testbed.tracker(family=family) as tracker:
        for port in range(1, 4):
            tracker.announce(info_hash, port=port, left=0)
        for port in range(4, 9):
            tracker.announce(info_hash, port=port)
        assert tracker.scrape([info_hash]) == [ScrapeRow(seeders=3, completed=0, leechers=5)]


def test_completed_counts_once_a_peer(testbed, family, info_hash):
    with testbed.tracker(family=family) as tracker:
        for port in (1, 2):
            tracker.announce(info_hash, port=port)
            for _ in range(3):
                tracker.announce(info_hash, port=port, left=0, event=Event.COMPLETED)
        assert tracker.scrape([info_hash]) == [ScrapeRow(seeders=2, completed=2, leechers=0)]


def test_completed_count_outlives_its_peers(testbed, family, info_hash):
    with testbed.tracker(family=family) as tracker:
        tracker.announce(info_hash)
        tracker.announce(info_hash, left=0, event=Event.COMPLETED)
        tracker.announce(info_hash, left=0, event=Event.STOPPED)
        assert tracker.scrape([info_hash]) == [ScrapeRow(seeders=0, completed=1, leechers=0)]


@pytest.mark.parametrize("count", [1, 2, 10, SCRAPE_HASHES_MAX])
def test_rows_come_in_the_order_of_the_hashes_from_all_owners(testbed, family, count):
    """With this many random hashes both workers own some of them."""
    hashes = [info_hash_of(f"scrape {family} {count} {number}") for number in range(count)]
    with testbed.tracker(family=family) as tracker:
        for number, info_hash in enumerate(hashes):
            for port in range(1, 2 + number % 3):
                tracker.announce(info_hash, port=port, num_want=0)
        rows = tracker.scrape(hashes)
    assert [row.leechers for row in rows] == [1 + number % 3 for number in range(count)]


def test_the_same_hash_may_be_asked_twice(testbed, info_hash):
    with testbed.tracker() as tracker:
        tracker.announce(info_hash, left=0)
        assert tracker.scrape([info_hash, info_hash]) == [ScrapeRow(1, 0, 0)] * 2


def test_no_hash_gets_silence(testbed, family):
    with testbed.tracker(family=family) as tracker:
        assert tracker.is_silent(scrape_request(tracker.connect(), 1, []))


def test_bytes_that_are_no_whole_hash_are_ignored(testbed, info_hash):
    with testbed.tracker() as tracker:
        tracker.announce(info_hash)
        tracker.send(scrape_request(tracker.connect(), 1, [info_hash, bytes(19)]))
        assert len(tracker.receive()) == 8 + 12


def test_more_hashes_than_bep_15_allows_get_an_error(testbed, family):
    hashes = [info_hash_of(number) for number in range(SCRAPE_HASHES_MAX + 1)]
    with testbed.tracker(family=family) as tracker:
        with pytest.raises(TrackerError):
            tracker.scrape(hashes)

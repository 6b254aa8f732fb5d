# SPDX-License-Identifier: BSD-3-Clause
"""Peers that don't announce any more are forgotten, and what they took is given back."""

import time

import pytest

from testbed import wait_until
from tracker_client import Event, ScrapeRow, info_hash_of

INTERVAL, TIMEOUT, TORRENT_TIMEOUT = 2, 4, 8  # seconds
LATE = 4  # seconds that expiry may lag behind
TRIES = 5

SETTINGS = {
    "tracker": {
        "interval": INTERVAL,
        "interval_jitter": 0,
        "interval_max": INTERVAL,
        "peer_timeout": TIMEOUT,
        "torrent_timeout": TORRENT_TIMEOUT,
    }
}


def test_silent_peers_expire_and_live_ones_stay(testbed, musterd, family):
    hashes = [info_hash_of(f"expiry {family} {number}") for number in range(10)]
    with testbed.tracker(family=family) as tracker:

        def announce(ports):
            """Returns what is told then, or None if that took so long that some may be forgotten."""
            began = time.monotonic()
            for info_hash in hashes:
                for port in ports:
                    tracker.announce(info_hash, port=port, event=Event.NONE, num_want=0)
            rows = tracker.scrape(hashes)
            return rows if time.monotonic() - began < TIMEOUT else None

        assert wait_until(lambda: announce(range(1, 6)), 60) == [ScrapeRow(0, 0, 5)] * 10
        # Port 1 keeps announcing; the others fall silent.
        wait_until(lambda: announce([1]) == [ScrapeRow(0, 0, 1)] * 10, TIMEOUT + LATE, every=0.25,
                   what="one peer of each is left")
        wait_until(lambda: announce([1]), 60)
        assert tracker.announce(hashes[0], port=9).peers == [
            (testbed.links[0].client_address(0, family), 1)]


def test_nobody_is_forgotten_before_the_timeout(testbed, musterd, info_hash):
    with testbed.tracker() as tracker:
        for _ in range(TRIES):
            begin = time.monotonic()
            tracker.announce(info_hash, port=1)
            time.sleep(TIMEOUT - 1.5)
            rows = tracker.scrape([info_hash])
            if time.monotonic() - begin < TIMEOUT:  # else the machine was too busy for this to prove anything
                break
        assert rows == [ScrapeRow(0, 0, 1)]


def test_download_count_outlives_the_peers_for_the_torrents_timeout(testbed, musterd, info_hash):
    with testbed.tracker() as tracker:
        tracker.announce(info_hash)
        tracker.announce(info_hash, left=0, event=Event.COMPLETED)
        wait_until(lambda: tracker.scrape([info_hash]) == [ScrapeRow(0, 1, 0)], TIMEOUT + LATE,
                   every=0.2, what="the peer forgotten")
        wait_until(lambda: tracker.scrape([info_hash]) == [ScrapeRow(0, 0, 0)],
                   TORRENT_TIMEOUT + LATE, every=0.2, what="the torrent forgotten")


@pytest.mark.parametrize("level", ["muster_torrents", "muster_peers"])
def test_tables_are_empty_in_the_end(testbed, musterd, level):
    wait_until(lambda: musterd.metric(level) == 0, TIMEOUT + TORRENT_TIMEOUT + LATE, every=0.5,
               what=f"{level} 0")

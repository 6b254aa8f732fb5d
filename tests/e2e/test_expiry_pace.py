# SPDX-License-Identifier: BSD-3-Clause
"""Expiry keeps up with a crowd that comes to tables which were empty a moment ago."""

import time

from testbed import wait_until
from tracker_client import info_hash_of

TORRENTS = 4000
TIMEOUT, LATE = 4, 4  # seconds

SETTINGS = {"tracker": {"interval": 2, "interval_jitter": 0, "interval_max": 2, "peer_timeout": TIMEOUT}}


def test_a_crowd_is_forgotten_in_time(testbed, musterd):
    time.sleep(1)  # expiry has found that there is nothing to do
    with testbed.tracker() as tracker:
        for number in range(TORRENTS):
            tracker.announce(info_hash_of(number), num_want=0)
    assert musterd.metric("muster_peers") >= TORRENTS / 2
    wait_until(lambda: musterd.metric("muster_peers") == 0, TIMEOUT + LATE, every=0.2,
               what="the crowd forgotten")

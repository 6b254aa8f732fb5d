# SPDX-License-Identifier: BSD-3-Clause
"""What musterd does when its workers have too much to do, or stop."""

import time

from flooding import Flood
from testbed import frozen, wait_until, worker_threads
from tracker_client import info_hash_of

STUCK_SECONDS = 10  # until a worker that makes no loop is called stuck, and more


def test_interval_stretches_under_load_and_comes_back(testbed, info_hash):
    settings = {"tracker": {"interval": "10m", "interval_jitter": 0, "interval_max": "30m",
                            "target_load": 1},
                "limits": {"request_address": 0, "request_network": 0}}
    with testbed.running(settings) as daemon, testbed.tracker() as tracker:
        assert tracker.announce(info_hash).interval == 600
        longest = 600
        deadline = time.monotonic() + 20
        while longest == 600 and time.monotonic() < deadline:
            longest = max(tracker.announce(info_hash).interval for _ in range(500))
        assert 600 < longest <= 1800
        # Between two questions it may have moved on.
        told = wait_until(lambda: (told := tracker.announce(info_hash).interval)
                          == daemon.metric("muster_announce_interval_seconds") and told,
                          what="the metric is what clients are told")
        assert told > 600
        assert "announce interval follows the load" in daemon.log()
        # Load falls slowly on purpose; another target does it at once.
        daemon.call("config.set", key="tracker.target_load", value="100")
        wait_until(lambda: tracker.announce(info_hash).interval == 600, what="the old interval")


def test_says_that_a_worker_is_stuck(testbed):
    with testbed.running() as daemon:
        assert daemon.http("/healthz")[0] == 200
        with frozen(worker_threads(daemon)[0]):
            wait_until(lambda: daemon.http("/healthz")[0] == 503, STUCK_SECONDS, 0.2,
                       what="/healthz fails")
            assert "worker is stuck" in daemon.log()
        wait_until(lambda: daemon.http("/healthz")[0] == 200, STUCK_SECONDS, 0.2,
                   what="/healthz is well again")


def test_worker_that_stops_keeps_no_other_from_answering(testbed):
    """What is for it waits in the ring between the two, and then is lost; torrents of others are served."""
    link = testbed.links[0]
    with testbed.running({"workers": {"cores": [0, 1]}}, ports=[link]) as daemon, \
            testbed.tracker(tries=5) as tracker, testbed.tracker(client=1) as attacker:

        def is_handed_over(info_hash):
            before = daemon.metric("muster_handed_off_total")
            tracker.announce(info_hash)
            return daemon.metric("muster_handed_off_total") > before

        own, others = [], []
        for number in range(24):
            info_hash = info_hash_of(f"stop {number}")
            (others if is_handed_over(info_hash) else own).append(info_hash)
        assert own and others
        attacker.connect()
        with frozen(worker_threads(daemon)[1]):
            Flood(testbed, link.client_address(1), 1, 0.5, ids=[attacker.connection_id], core=1).wait()
            assert daemon.dropped("handoff_full") > 0
            for info_hash in own:
                assert tracker.announce(info_hash).leechers == 1
        for info_hash in others:
            assert tracker.announce(info_hash).leechers == 1

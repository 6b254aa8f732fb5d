# SPDX-License-Identifier: BSD-3-Clause
"""What musterd does when its workers have too much to do, or stop."""

import time

from testbed import frozen, wait_until, worker_threads

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
        assert daemon.metric("muster_announce_interval_seconds") == longest
        assert "announce interval follows the load" in daemon.log()
        # Load falls slowly on purpose; another target does it at once.
        daemon.call("config.set", key="tracker.target_load", value="100")
        wait_until(lambda: tracker.announce(info_hash).interval == 600, 3, what="the old interval")


def test_says_that_a_worker_is_stuck(testbed):
    with testbed.running() as daemon:
        assert daemon.http("/healthz")[0] == 200
        with frozen(worker_threads(daemon)[0]):
            wait_until(lambda: daemon.http("/healthz")[0] == 503, STUCK_SECONDS, 0.2,
                       what="/healthz fails")
            assert "worker is stuck" in daemon.log()
        wait_until(lambda: daemon.http("/healthz")[0] == 200, STUCK_SECONDS, 0.2,
                   what="/healthz is well again")

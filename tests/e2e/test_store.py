# SPDX-License-Identifier: BSD-3-Clause
"""What outlives a restart: swarms in files, or in Redis."""

import subprocess
from contextlib import contextmanager

import pytest

import sandbox
from testbed import ControlError, wait_until

INTERVAL = 2  # seconds
REDIS_PORT = 6379


@pytest.fixture
def settings(tmp_path):
    return {"store": {"type": "file", "directory": str(tmp_path / "swarms"), "interval": f"{INTERVAL}s"}}


def announce(testbed, info_hash, clients):
    for client in clients:
        with testbed.tracker(client=client) as tracker:
            reply = tracker.announce(info_hash, port=7000 + client)
    return reply


def is_loaded(musterd):
    return musterd.call("store")["state"] == "serving"


def leechers(testbed, info_hash):
    with testbed.tracker() as tracker:
        return tracker.scrape([info_hash])[0].leechers


def test_peers_outlive_a_restart(testbed, settings, info_hash):
    with testbed.running(settings) as musterd:
        wait_until(lambda: is_loaded(musterd), what="what is stored is loaded")
        announce(testbed, info_hash, range(5))
        musterd.restart()
        wait_until(lambda: leechers(testbed, info_hash) == 5, 5, what="all peers are back")


def test_a_crash_costs_no_more_than_an_interval(testbed, settings, info_hash):
    with testbed.running(settings) as musterd:
        wait_until(lambda: is_loaded(musterd), what="what is stored is loaded")
        announce(testbed, info_hash, range(5))
        wait_until(lambda: musterd.call("store")["snapshot"]["peers"] == 5, 3 * INTERVAL)
        musterd.kill()
        musterd.start()
        wait_until(lambda: leechers(testbed, info_hash) == 5, 5, what="all peers are back")


def test_snapshot_on_demand_and_metrics(testbed, settings, info_hash):
    slow = {"store": {**settings["store"], "interval": "10m"}}
    with testbed.running(slow) as musterd:
        wait_until(lambda: is_loaded(musterd), what="what is stored is loaded")
        announce(testbed, info_hash, range(3))
        assert musterd.call("snapshot")["started"]
        wait_until(lambda: musterd.metric("muster_snapshot_stored_peers") == 3, 5)
        assert musterd.metric("muster_store_state", state="serving") == 1


def test_directory_in_use_is_refused(testbed, settings):
    with testbed.running(settings):
        other = testbed.daemon(settings, ports=[])
        other.start(ready=False)
        assert other.process.wait(15) in (1, 2)
        testbed.discard(other)


def test_nothing_is_stored_when_so_configured(testbed):
    with testbed.running() as musterd:
        with pytest.raises(ControlError, match="store.type is none"):
            musterd.call("store")


@contextmanager
def redis_server(namespace, directory):
    """A single Redis on loopback."""
    with namespace:
        process = subprocess.Popen(["redis-server", "--port", str(REDIS_PORT), "--bind", "127.0.0.1", "--save", "",
                                    "--dir", directory], stdout=subprocess.DEVNULL,
                                   preexec_fn=sandbox.die_with_parent)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def test_redis_is_found_by_name_though_system_calls_are_refused(testbed, tmp_path, info_hash):
    settings = {"store": {"type": "redis", "interval": f"{INTERVAL}s"}, "confine": {"seccomp": True},
                "redis": {"nodes": [f"localhost:{REDIS_PORT}"], "mode": "single"}}
    with redis_server(testbed.host, tmp_path), testbed.running(settings) as musterd:
        wait_until(lambda: is_loaded(musterd), 15, what="what is stored is loaded")
        announce(testbed, info_hash, range(5))
        wait_until(lambda: musterd.call("store")["snapshot"]["peers"] == 5, 3 * INTERVAL)

# SPDX-License-Identifier: BSD-3-Clause
"""Real musterds on one Redis Cluster: what is announced over the wire at one, others hand out."""

import time

import pytest

from musterctl import musterctl, musterctl_json
from testbed import Testbed, wait_until
from tracker_client import Event
from wire import Load, Swarms, fleet_settings

TORRENTS = 200
PEERS = 4000
START_SECONDS = 20


@pytest.fixture(scope="module")
def testbed():
    bed = Testbed(links=3)
    yield bed
    bed.close()


@pytest.fixture
def fleet(testbed, cluster, tmp_path):
    """Starts so many appliances, each on a link of its own, and waits until they know of each other."""
    daemons = []

    def start(count, **more):
        for number in range(count):
            settings = fleet_settings(cluster, number, tmp_path / "connection-id.key", **more)
            daemons.append(testbed.daemon(settings, ports=[testbed.links[number]]).start())
        for daemon in daemons:
            wait_until(lambda: is_complete(daemon, count), START_SECONDS, what="the fleet is complete")
        return daemons

    yield start
    try:
        for daemon in daemons:
            if daemon.is_running():
                daemon.stop()  # which checks that it ends well
    finally:
        for daemon in daemons:
            testbed.discard(daemon)


def is_complete(musterd, count):
    view = musterd.call("fleet")
    return view["state"] == "serving" and \
        sum(member["state"] == "alive" for member in view["members"]) == count - 1


def is_loaded(musterd):
    return musterd.call("store")["state"] == "serving"


def all_stored(musterd, peers):
    snapshot = musterd.call("store")["snapshot"]
    return snapshot["peers"] == peers and snapshot["oldest_dirty_seconds"] <= 5


@pytest.mark.parametrize("family", [4, pytest.param(6, marks=pytest.mark.drill)], ids=["ipv4", "ipv6"])
def test_announced_here_and_handed_out_there(testbed, fleet, family):
    """Within a second, and gone within a second."""
    here, there = fleet(2)
    waits = []
    for number in range(10):
        swarms = Swarms(f"handed out {family} {number}", 1)
        info_hash = swarms.hashes[0]
        with testbed.tracker(0, 1, family) as seeder, testbed.tracker(1, 2, family) as leecher:
            me = (testbed.links[0].client_address(1, family), 7000)
            leecher.connect()
            seeder.announce(info_hash, port=7000, left=0)
            began = time.monotonic()
            wait_until(lambda: leecher.scrape([info_hash])[0].seeders == 1, 3, what="it is known")
            waits.append(time.monotonic() - began)
            assert me in leecher.announce(info_hash, port=7001).peers
            seeder.announce(info_hash, port=7000, left=0, event=Event.STOPPED)
            wait_until(lambda: leecher.scrape([info_hash])[0].seeders == 0, 3, what="it is gone")
            assert me not in leecher.announce(info_hash, port=7001).peers
    assert max(waits) <= 1.0, sorted(waits)
    view = musterctl_json(there, "fleet")
    assert [member["name"] for member in view["members"]] == ["member-0"]
    assert view["members"][0]["gaps"] == 0 and view["members"][0]["records"] >= 20
    assert there.metric("muster_fleet_member_alive", appliance="0") == 1
    assert there.metric("muster_fleet_gaps_total", appliance="0") == 0
    assert here.metric("muster_fleet_published_total") >= 20
    assert there.metric("muster_fleet_resyncs_total") == 0
    shown = musterctl(there, "fleet")
    assert shown.status == 0 and "member-0" in shown.output and "alive" in shown.output


def test_one_of_three_is_killed(testbed, fleet):
    daemons = fleet(3, store={"interval": "30s"})  # nothing of it is stored yet: deltas have it all
    swarms = Swarms("one of three", TORRENTS)
    with testbed.tracker(0, 1) as first, testbed.tracker(1, 2) as second, testbed.tracker(2, 3) as third:
        swarms.announce(first, 1, range(PEERS))
        swarms.announce(first, 1, range(0, PEERS, 10), Event.STOPPED)
        wait_until(lambda: daemons[0].call("fleet")["waiting"] == 0, 5, what="the fleet is told")
        daemons[0].kill()
        for other in (second, third):
            wait_until(lambda: swarms.are_known_at(other), 5,
                       what=lambda: f"the others know its peers: {swarms.difference_at(other)}")
        handed_out = {port for _, port in third.announce(swarms.hashes[7], port=1, num_want=50).peers}
        third.announce(swarms.hashes[7], port=1, event=Event.STOPPED)
        assert handed_out and handed_out <= {port for _, port in swarms.here[7]}
        for other in daemons[1:]:
            wait_until(lambda: other.metric("muster_fleet_member_alive", appliance="0") == 0, 10,
                       what="it is missed")
            assert other.metric("muster_fleet_gaps_total", appliance="0") == 0
        swarms.announce(second, 2, range(PEERS, PEERS + 400))
        swarms.announce(third, 3, range(2 * PEERS, 2 * PEERS + 400))
        daemons[0].start()
        wait_until(lambda: is_complete(daemons[0], 3), START_SECONDS, what="it is back")
        with testbed.tracker(0, 4) as back:
            wait_until(lambda: swarms.are_known_at(back), 5,
                       what=lambda: f"it knows everything again: {swarms.difference_at(back)}")


def test_killed_in_the_middle_of_a_snapshot(testbed, cluster, tmp_path):
    """>= 99 % of the peers that were announced more than an interval before come back."""
    settings = fleet_settings(cluster, 0, tmp_path / "key", fleet={"enabled": False})
    with testbed.running(settings, ports=[testbed.links[0]]) as musterd:
        wait_until(lambda: is_loaded(musterd), 10, what="it is loaded")
        swarms, late = Swarms("old", TORRENTS), Swarms("late", TORRENTS)
        with testbed.tracker(0, 1) as tracker:
            swarms.announce(tracker, 1, range(PEERS))
            swarms.announce(tracker, 1, range(0, PEERS, 10), Event.STOPPED)
            time.sleep(4)  # more than an interval, and what a pass takes
            late.announce(tracker, 1, range(PEERS))
            musterd.call("snapshot")
            time.sleep(0.02)
        musterd.kill()
        musterd.start()
        wait_until(lambda: is_loaded(musterd), 10, what="it is loaded")
        with testbed.tracker(0, 2) as tracker:
            assert swarms.missing_at(tracker) <= swarms.count() / 100
            known = swarms.known_at(tracker)
            assert all(count <= len(here) for count, here in zip(known, swarms.here)), "nobody is back"
        chunks = musterd.call("store")["loading"]["chunks"]
        assert chunks["damaged"] == chunks["foreign"] == 0
        assert musterd.metric("muster_load_progress_ratio") == 1


def test_redis_master_killed_under_load(testbed, cluster, tmp_path):
    """Clients notice nothing, and nothing is missing after the next cycle."""
    settings = fleet_settings(cluster, 0, tmp_path / "key", fleet={"enabled": False})
    with testbed.running(settings, ports=[testbed.links[0]]) as musterd:
        wait_until(lambda: is_loaded(musterd), 10, what="it is loaded")
        swarms = Swarms("under load", TORRENTS)
        with testbed.tracker(0, 1) as tracker, testbed.tracker(0, 2) as other:
            swarms.announce(tracker, 1, range(PEERS))
            wait_until(lambda: all_stored(musterd, swarms.count()), 10, what="all is stored")
            load = Load(tracker, swarms, 1, range(PEERS))
            load.start()
            victim = cluster.roles()[0]
            victim.kill()
            swarms.announce(other, 2, range(PEERS, PEERS + 1000))
            node = f"127.0.0.1:{victim.port}"
            wait_until(lambda: musterd.metric("muster_store_errors_total", operation="write") > 0, 10,
                       what="errors are counted")
            shown = next(one for one in musterctl_json(musterd, "store")["nodes"] if one["address"] == node)
            seen = {"closed", "connect"} & set(shown["error_kinds"])
            assert shown["state"] != "ready" and seen
            assert all(musterd.metric("muster_redis_errors_total", kind=kind) > 0 for kind in seen)
            text = musterctl(musterd, "store").output
            assert "reachable" in text and any(f" {kind}" in text for kind in seen)
            wait_until(lambda: all_stored(musterd, swarms.count()), 20, what="all is stored again")
            assert musterd.call("store")["slots"]["reachable"] == 16384
            load.stop()
            assert load.longest < 1.0 and load.announced > PEERS, "no client has waited"
        musterd.kill()
        musterd.start()
        wait_until(lambda: is_loaded(musterd), 10, what="it is loaded")
        with testbed.tracker(0, 3) as tracker:
            assert swarms.are_known_at(tracker)

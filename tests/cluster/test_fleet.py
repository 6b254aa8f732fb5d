# SPDX-License-Identifier: BSD-3-Clause
"""A fleet under failures: members that die, stall or have another time, and Redis away.

After each: all know the same peers, nobody who has left is back, and the counters tell what happened.
"""

import signal
import time

import pytest

from drill import Clients, stream_key, wait_until, wait_until_all_stored

PEERS = 20000
WAITING_MAX = 32 << 20  # PUBLISHER_WAITING_MAX
# What else the control plane may take meanwhile: snapshots and their requests.
RESIDENT_SLACK_KIB = 48 << 10


def agree(clients, fleet, seconds=20):
    for appliance in fleet:
        wait_until(lambda: clients.are_known_to(appliance), seconds, "all know the same")
    clients.check(*fleet)


def member(appliance, number):
    return appliance.status()["fleet"]["members"][str(number)]


@pytest.mark.drill
def test_one_of_three_is_killed(start_fleet):
    """Before it has stored anything: the others hand out its peers all the same, from its deltas."""
    fleet = start_fleet(3, "--interval", 60)
    clients = Clients()
    for number, appliance in enumerate(fleet):
        appliance.call(f"bulk {PEERS} {number + 1}")
        clients.join(appliance, number, range(1000))
        clients.join(appliance, 100, range(1000 * number, 1000 * number + 1000))
        clients.leave(appliance, number, range(500))
    victim, *others = fleet
    known = 3 * PEERS + sum(map(len, clients.here.values()))
    assert victim.wait(lambda status: status["fleet"]["waiting"] == 0, 5)["fleet"]["lost_in_ring"] == 0
    victim.kill()
    agree(clients, others)
    for appliance in others:
        assert appliance.wait(lambda status: status["peers"] == known, 5, "all peers")
        assert member(appliance, 0)["gaps"] == 0
        appliance.wait(lambda status: status["fleet"]["members"]["0"]["health"] == 2, 10, "it is silent")
    # Whoever left while it was dead stays away when it is back.
    clients.leave(others[0], 100, range(500))
    victim.start()
    victim.wait_for_members(2)
    assert victim.wait(lambda status: status["peers"] == known - 500, 10, "it knows all again")
    agree(clients, fleet)


def test_peer_that_moves_between_appliances(start_fleet):
    """Started here, stopped there: gone everywhere, and still gone when a member is restarted."""
    first, second = start_fleet(2)
    clients = Clients()
    clients.join(first, 1, range(1000))
    agree(clients, [second])
    wait_until_all_stored([first, second])
    clients.leave(second, 1, range(500))
    agree(clients, [first])
    # Its last snapshot still has them; the other's stream says that they are gone.
    first.restart()
    first.wait_for_members(1)
    agree(clients, [first, second])
    assert first.status()["fleet"]["members"]["1"]["stopped"] >= 500


@pytest.mark.drill
@pytest.mark.parametrize("ahead", [600, -600])
def test_clock_ten_minutes_off(start, ahead):
    """One appliance's clock is wrong from the start; what it tells is understood all the same."""
    fleet = [start("--clock", ahead if number == 1 else 0, fleet=number) for number in range(3)]
    for appliance in fleet:
        appliance.wait_for_members(2)
    right, wrong, other = fleet
    for appliance in (right, other):
        assert abs(member(appliance, 1)["ahead_ms"] - 1000 * ahead) < 3000
    clients = Clients()
    for torrent, appliance in enumerate(fleet):
        clients.join(appliance, torrent, range(1000))
    agree(clients, fleet)
    time.sleep(2.5)  # the clocks' difference is known to about a second
    for torrent, appliance in enumerate((wrong, other, right)):
        clients.leave(appliance, torrent, range(500))
    agree(clients, fleet)
    time.sleep(2.5)
    for torrent, appliance in enumerate((other, right, wrong)):
        clients.join(appliance, torrent, range(200))
    agree(clients, fleet)
    for appliance in fleet:
        assert sum(one["expired"] for one in appliance.status()["fleet"]["members"].values()) == 0
    wait_until_all_stored(fleet)
    # A restart, of either kind, changes nothing.
    for appliance in (wrong, right):
        appliance.restart()
        appliance.wait_for_members(2)
        agree(clients, fleet)


@pytest.mark.drill
@pytest.mark.parametrize("step", [600, -600])
def test_clock_is_set_while_it_runs(start_fleet, step):
    fleet = start_fleet(3)
    right, wrong, other = fleet
    clients = Clients()
    for torrent, appliance in enumerate(fleet):
        clients.join(appliance, torrent, range(1000))
    agree(clients, fleet)
    wrong.call(f"clock {step}")
    for appliance in (right, other):
        appliance.wait(lambda status: abs(status["fleet"]["members"]["1"]["ahead_ms"] - 1000 * step) < 3000,
                       5, "the step is noticed")
    time.sleep(2.5)
    for torrent, appliance in enumerate((wrong, other, right)):
        clients.leave(appliance, torrent, range(500))
    agree(clients, fleet)
    time.sleep(2.5)
    for torrent, appliance in enumerate((other, right, wrong)):
        clients.join(appliance, torrent, range(200))
    agree(clients, fleet)
    wait_until_all_stored(fleet)
    other.restart()
    other.wait_for_members(2)
    agree(clients, fleet)


@pytest.mark.drill
def test_stream_is_trimmed_past_a_stalled_reader(cluster, start_fleet):
    """What a reader has missed it reads from the snapshot."""
    teller, reader = start_fleet(2, "--retention", 3)
    clients = Clients()
    clients.join(teller, 1, range(1000))
    clients.leave(teller, 1, range(300))
    agree(clients, [teller, reader])
    reader.signal(signal.SIGSTOP)
    for torrent in range(100, 180):  # longer than streams hold deltas
        clients.join(teller, torrent, range(1000))
        time.sleep(0.1)
    told = teller.status()["fleet"]["published"]
    reader.signal(signal.SIGCONT)
    agree(clients, [reader])
    about = member(reader, 0)
    assert about["gaps"] == 1 and about["records"] < told, "it was trimmed, and the gap was noticed"
    status = reader.wait(lambda status: status["fleet"]["resyncs"] == 1, 10, "and closed")
    assert not status["fleet"]["members"]["0"]["resync_due"]
    clients.leave(teller, 100, range(500))
    clients.join(teller, 200, range(10))
    agree(clients, [teller, reader])


@pytest.mark.drill
def test_member_that_is_met_late(start):
    """Of its stream only the end is left; the rest is read from its snapshot."""
    reader = start("--retention", 3, fleet=1)
    reader.wait_until_serving()
    reader.signal(signal.SIGSTOP)
    teller, clients = start("--retention", 3, fleet=0), Clients()
    teller.wait_until_serving()
    for torrent in range(80):
        clients.join(teller, torrent, range(1000))
        time.sleep(0.1)
    reader.signal(signal.SIGCONT)
    agree(clients, [reader])
    about = member(reader, 0)
    assert about["gaps"] == 1 and about["records"] < 80000


@pytest.mark.drill
def test_number_that_is_taken_twice(start):
    """Whoever comes later has it; the other says so, and writes nothing any more."""
    first, other = (start(fleet=number) for number in (0, 1))
    clients = Clients()
    for appliance in (first, other):
        appliance.wait_for_members(1)
    clients.join(first, 1, range(1000))
    clients.leave(first, 1, range(500))
    first.wait_until_stored()
    second = start(fleet=0)
    second.wait_for_members(1)
    first.wait(lambda status: status["fleet"]["state"] == "superseded", 10, "it gives way")
    assert "another appliance has taken this number" in first.log()
    agree(clients, [second, other])
    written, told = (first.status()[key] for key in ("written", "fleet"))
    first.announce(2, range(100))
    clients.join(second, 3, range(100))
    agree(clients, [second, other])
    second.wait_until_stored()
    assert first.status()["written"] == written
    assert first.status()["fleet"]["published"] == told["published"]
    assert not other.peers(2) and not second.peers(2)


@pytest.mark.drill
def test_streams_of_those_who_are_gone_expire(redis, start_fleet):
    retention = 2
    teller, reader = start_fleet(2, "--retention", retention)
    clients, key = Clients(), stream_key(0, 0)
    clients.join(teller, 1, range(100))
    agree(clients, [reader])
    assert 0 < redis("TTL", key) <= 2 * retention
    wait_until(lambda: not redis("EXISTS", key), 2 * retention + 2, "it is forgotten")
    clients.join(teller, 2, range(100))
    clients.leave(teller, 1, range(50))
    agree(clients, [teller, reader])
    assert member(reader, 0)["gaps"] == 0, "nothing that was still wanted"


@pytest.mark.drill
def test_memory_while_redis_is_away(cluster, start_fleet):
    """Bounded by constants, at any rate and for any time; and all is known again when it is back."""
    teller, reader = start_fleet(2)
    teller.call(f"bulk {PEERS} 1")
    clients = Clients()
    clients.join(teller, 1, range(1000))
    agree(clients, [reader])
    teller.wait_until_stored()
    before = teller.status()["resident_kib"]
    for node in cluster.nodes:
        node.kill()
    teller.begin_load(300000, 10)
    clients.leave(teller, 1, range(500))
    clients.join(teller, 2, range(1000))
    most, stopping = 0, range(500, 700)
    while teller.loading:
        status = teller.status()
        most = max(most, status["fleet"]["waiting_bytes"])
        if stopping and most > WAITING_MAX * 0.9:
            clients.leave(teller, 1, stopping)  # these are told though no other announce is any more
            stopping = None
        assert status["resident_kib"] < before + WAITING_MAX // 1024 + RESIDENT_SLACK_KIB
        time.sleep(0.1)
    assert WAITING_MAX * 0.9 < most <= WAITING_MAX
    lost = teller.status()["fleet"]
    assert lost["lost_in_ring"] > 10 * lost["lost_waiting"], "most of it wasn't even written down"
    for node in cluster.nodes:
        node.start()
    cluster.wait_until_ok()
    teller.wait_until_stored()
    clients.join(teller, 3, range(1000))
    clients.leave(teller, 1, range(700, 800))
    reader.wait(lambda status: status["fleet"]["members"]["0"]["gaps"] >= 1, 20, "the loss is noticed")
    for torrent in (2, 3):
        wait_until(lambda: reader.peers(torrent) == clients.here[torrent], 20, "the gap is closed")
    agree(clients, [teller, reader])
    assert teller.wait(lambda status: status["fleet"]["waiting"] == 0, 20)["fleet"]["waiting_bytes"] == 0


@pytest.mark.drill
def test_failover_of_the_node_that_has_a_stream(cluster, start_fleet):
    teller, reader = start_fleet(2)
    clients = Clients()
    clients.join(teller, 1, range(1000))
    agree(clients, [reader])
    victim = next(node for node in cluster.roles() if node.call("KEYS", stream_key(0, 0)))
    victim.kill()
    clients.join(teller, 2, range(1000))
    clients.leave(teller, 1, range(500))
    teller.wait(lambda status: status["fleet"]["waiting"] > 0, 5, "it waits for a new master")
    agree(clients, [teller, reader])
    assert teller.wait(lambda status: status["fleet"]["waiting"] == 0, 10)["fleet"]["lost_waiting"] == 0


@pytest.mark.drill
def test_all_redis_nodes_killed_under_a_fleet(cluster, start_fleet):
    """Streams, records and snapshots are gone; the members still know everything."""
    fleet = start_fleet(3)
    clients = Clients()
    for torrent, appliance in enumerate(fleet):
        clients.join(appliance, torrent, range(1000))
    agree(clients, fleet)
    for node in cluster.nodes:
        node.kill()
    for torrent, appliance in enumerate(fleet):
        clients.join(appliance, 10 + torrent, range(1000))
        clients.leave(appliance, torrent, range(500))
    time.sleep(5)
    for node in cluster.nodes:
        node.start()
    agree(clients, fleet)
    wait_until_all_stored(fleet)
    for appliance in fleet:
        status = appliance.status()
        assert status["fleet"]["alive"] == 2 and status["fleet"]["lost_waiting"] == 0
    fleet[0].restart()
    fleet[0].wait_for_members(2)
    agree(clients, fleet)

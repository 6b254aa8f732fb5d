# SPDX-License-Identifier: BSD-3-Clause
"""Redis nodes that die, hang, lose their memory or have none left, while an appliance writes to them.

After each: everything that was announced comes back when the appliance itself is killed, nobody who
has left does, and the counters tell what happened.
"""

import signal
import subprocess
import threading
import time

import pytest

from drill import Clients, SLOTS, wait_until

PEERS = 20000  # of the population that announces all the time
RATE = 10000   # of their announces a second
FAILOVER_SECONDS = 20
WRITE_SECONDS = 4  # after which a write of a chunk is given up


def begin(start, load_seconds, **options):
    """An appliance whose peers are all stored, and which is announced to for so long."""
    appliance = start(**options)
    appliance.wait_until_serving()
    appliance.call(f"bulk {PEERS} 1")
    clients = Clients()
    clients.join(appliance, 1, range(1000))
    appliance.wait_until_stored()
    if load_seconds:
        appliance.begin_load(RATE, load_seconds)
    return appliance, clients


def come_and_go(appliance, clients):
    clients.join(appliance, 2, range(1000))
    clients.leave(appliance, 1, range(500))


def check_recovery(appliance, clients):
    """What the appliance knows now outlives it."""
    appliance.end_load()
    stored = appliance.wait_until_stored()
    assert stored["peers"] == PEERS + sum(map(len, clients.here.values()))
    appliance.restart()
    recovered = appliance.wait_until_serving()
    assert recovered["peers"] == stored["peers"]
    assert recovered["chunks_damaged"] == recovered["chunks_foreign"] == recovered["chunks_unread"] == 0
    clients.check(appliance)
    return stored


def node_of(status, node):
    return next(one for one in status["redis"]["nodes"] if one["port"] == node.port)


def assert_all_slots_are_reachable(status):
    assert status["redis"]["slots_served"] == status["redis"]["slots_reachable"] == SLOTS


def wait_for_failover(cluster, victim):
    """Until another master has taken the victim's place."""
    others = [node for node in cluster.nodes if node is not victim]
    wait_until(lambda: sum(node.info()["role"] == "master" for node in others) == 3,
               FAILOVER_SECONDS, "a replica takes over")


def test_killed_master_under_load(cluster, start):
    appliance, clients = begin(start, load_seconds=8)
    victim = cluster.roles()[0]
    time.sleep(0.5)
    victim.kill()
    come_and_go(appliance, clients)
    wait_for_failover(cluster, victim)
    status = check_recovery(appliance, clients)
    assert status["failed"] > 0, "what could not be written is counted"
    assert status["doubts"] > 0, "what the failover may have lost was written anew"
    assert node_of(status, victim)["last_error"] in ("closed", "connect")
    assert_all_slots_are_reachable(status)


def test_master_restarted_empty(cluster, start):
    """Back before anybody misses it, it also empties its replica: only run_id tells."""
    appliance, clients = begin(start, load_seconds=0)
    victim = cluster.roles()[0]
    before = victim.call("DBSIZE")
    assert before > 0
    victim.kill()
    victim.start()
    assert victim.call("DBSIZE") < before
    come_and_go(appliance, clients)
    appliance.wait(lambda status: status["doubts"] >= before, 10, "the loss is noticed")
    status = check_recovery(appliance, clients)
    assert node_of(status, victim)["restarts"] == 1
    assert victim.info()["role"] == "master"
    assert victim.call("DBSIZE") >= before


def test_maxmemory_is_reached(cluster, start):
    appliance, clients = begin(start, load_seconds=0)
    masters = cluster.roles()
    for node in masters:
        node.call("CONFIG", "SET", "maxmemory", "1mb")
    come_and_go(appliance, clients)
    refused = appliance.wait(lambda status: status["failed"] > 0, 10, "writes are refused")
    assert "OOM" in refused["store_error"]
    assert any("oom" in node_of(refused, node)["errors"] for node in masters)
    assert_all_slots_are_reachable(refused)  # they answer; only they are full
    for node in masters:
        node.call("CONFIG", "SET", "maxmemory", "0")
    check_recovery(appliance, clients)


@pytest.mark.drill
def test_stopped_master_comes_back(cluster, start):
    """SIGSTOP for 8 s: its replica takes over, and what it acknowledges when it wakes up is lost."""
    appliance, clients = begin(start, load_seconds=14)
    victim = cluster.roles()[0]
    victim.signal(signal.SIGSTOP)
    come_and_go(appliance, clients)
    time.sleep(8)
    victim.signal(signal.SIGCONT)
    clients.join(appliance, 3, range(1000))
    clients.leave(appliance, 2, range(500))
    wait_until(lambda: victim.info()["role"] == "slave", FAILOVER_SECONDS, "it gives way")
    status = check_recovery(appliance, clients)
    assert status["failed"] > 0 and status["doubts"] > 0
    assert "timeout" in node_of(status, victim)["errors"]
    assert_all_slots_are_reachable(status)


@pytest.mark.drill
@pytest.mark.parametrize("seconds", [1.5, 6])
def test_sleeping_master(cluster, start, seconds):
    """DEBUG SLEEP: shorter than the cluster's patience, and longer."""
    appliance, clients = begin(start, load_seconds=seconds + 4)
    victim = cluster.roles()[0]
    sleeping = threading.Thread(target=sleep_in, args=(victim, seconds))
    sleeping.start()
    come_and_go(appliance, clients)
    sleeping.join()
    cluster.wait_until_ok()
    status = check_recovery(appliance, clients)
    if seconds > 5:
        assert status["failed"] > 0 and status["doubts"] > 0
        assert "timeout" in node_of(status, victim)["errors"]
    else:
        assert status["failed"] == 0, "a node may be silent for two seconds"
    assert_all_slots_are_reachable(status)


def sleep_in(node, seconds):
    try:
        node.call("DEBUG", "SLEEP", seconds)
    except OSError:
        pass  # this connection's patience


@pytest.mark.drill
def test_all_killed_and_back_after_five_seconds(cluster, start):
    appliance, clients = begin(start, load_seconds=8)
    for node in cluster.nodes:
        node.kill()
    come_and_go(appliance, clients)
    time.sleep(5)
    away = appliance.status()
    assert away["redis"]["slots_reachable"] == 0 and away["failed"] > 0
    for node in cluster.nodes:
        node.start()
    status = check_recovery(appliance, clients)
    assert sum(node["restarts"] for node in status["redis"]["nodes"]) >= 3
    assert status["doubts"] > 0
    assert_all_slots_are_reachable(status)


@pytest.mark.drill
def test_two_of_three_masters_dead(cluster, start):
    """No majority, no failover: nothing can be stored until they are back."""
    appliance, clients = begin(start, load_seconds=10)
    victims = cluster.roles()[:2]
    for node in victims:
        node.kill()
    come_and_go(appliance, clients)
    time.sleep(6)
    away = appliance.status()
    assert away["failed"] > 0
    assert away["redis"]["slots_reachable"] < SLOTS / 2
    for node in victims:
        node.start()
    status = check_recovery(appliance, clients)
    assert sum(node["restarts"] for node in status["redis"]["nodes"]) >= 2
    assert_all_slots_are_reachable(status)


# Slots on their way ------------------------------------------------------------------------------


def hold_in_between(source, target, slots):
    """Moves the slots' keys, but not yet the slots: what isn't there any more is asked for elsewhere."""
    ids = {node: node.call("CLUSTER", "MYID").decode() for node in (source, target)}
    for slot in slots:
        target.call("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source])
        source.call("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target])
        keys = source.call("CLUSTER", "GETKEYSINSLOT", slot, 100)
        if keys:
            source.call("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)


def hand_over(cluster, target, slots):
    owner = target.call("CLUSTER", "MYID").decode()
    for slot in slots:
        for node in (target, *(node for node in cluster.roles() if node is not target)):
            node.call("CLUSTER", "SETSLOT", slot, "NODE", owner)


def is_settled(node):
    """Whether all nodes say the same of who has which slot: replicas hear of it a moment later."""
    return subprocess.run(["redis-cli", "--cluster", "check", f"127.0.0.1:{node.port}"],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=30).returncode == 0


def reshard(source, target, count):
    wait_until(lambda: is_settled(target), 30, what="the nodes agree on who has which slot")
    ids = [node.call("CLUSTER", "MYID").decode() for node in (source, target)]
    subprocess.run(["redis-cli", "--cluster", "reshard", f"127.0.0.1:{target.port}", "--cluster-from", ids[0],
                    "--cluster-to", ids[1], "--cluster-slots", str(count), "--cluster-yes",
                    "--cluster-pipeline", "100"],
                   check=True, stdout=subprocess.DEVNULL, timeout=120)


def errors_of(status, kind):
    return sum(node["errors"].get(kind, 0) for node in status["redis"]["nodes"])


@pytest.mark.drill
def test_resharding_during_writes(cluster, start):
    """2000 slots go from one master to another: ASK while they go, MOVED when they are gone."""
    appliance, clients = begin(start, load_seconds=16)
    source, target = cluster.roles()[:2]
    mine = source.call("CLUSTER", "SLOTS")
    first = next(row[0] for row in mine if row[2][1] == source.port)
    held = range(first, first + 50)
    hold_in_between(source, target, held)
    come_and_go(appliance, clients)
    appliance.wait(lambda status: errors_of(status, "ask") > 0, 10, "ASK")
    time.sleep(WRITE_SECONDS + 1)
    assert appliance.status()["failed"] == 0, "it is followed"
    hand_over(cluster, target, held)
    reshard(source, target, 2000 - len(held))
    status = check_recovery(appliance, clients)
    assert errors_of(status, "moved") > 0 and status["redis"]["redirects"] > 0
    assert status["failed"] == 0, "whoever is told where to go fails at nothing"
    assert_all_slots_are_reachable(status)

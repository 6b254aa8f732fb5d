# SPDX-License-Identifier: BSD-3-Clause
"""What store and fleet do to a worker: tests/cluster/racer.c, musterbench's worker on core 1, serving
requests in memory as fast as it can; control plane and cluster on core 0."""

import os
import signal
import statistics
from contextlib import contextmanager
from pathlib import Path

import drill

from .rig import Row, appliance, cluster, room_for
from .snapshots import touch_all

RACER = Path(drill.PROGRAM).parent / "racer"
PEERS = 2_000_000
RACES, SECONDS = 6, 0.5  # of them the fastest counts: others on the machine can only slow one down
MINUTE = 60
CHUNKS = 16384
CORE = 0  # of all but the worker
KEPT = 97  # percent of the rate without a store


class Racer(drill.Appliance):
    program = RACER

    def start(self):
        drill.Appliance.start(self)
        self.receive()  # it is populated

    def race(self, seconds):
        return self.call(f"race {seconds}")

    def rate(self):
        return max(self.race(SECONDS)["announces_per_second"] for _ in range(RACES))


@contextmanager
def racer(directory, servers, peers, *options):
    """Without a cluster: without a store."""
    arguments = ["--nodes", ",".join(servers.addresses()), *options] if servers else []
    process = Racer(directory, "--peers", peers, *arguments)
    try:
        if servers:
            process.wait_until_serving()
            for node in servers.nodes:
                os.sched_setaffinity(node.pid(), {CORE})
        yield process
    finally:
        process.kill()


# Outages

@contextmanager
def well(nodes):
    yield


@contextmanager
def hung(nodes):
    for node in nodes:
        node.signal(signal.SIGSTOP)
    yield
    for node in nodes:
        node.signal(signal.SIGCONT)


@contextmanager
def full(nodes):
    for node in nodes:
        node.call("CONFIG", "SET", "maxmemory", 1)
    yield
    for node in nodes:
        node.call("CONFIG", "SET", "maxmemory", 0)


@contextmanager
def dead(nodes):
    for node in nodes:
        node.kill()
    yield


STATES = {"well": ("well", well), "hung": ("hung (SIGSTOP)", hung), "refusing": ("refusing (OOM)", full),
          "dead": ("dead (SIGKILL)", dead)}


def one_round(directory, results):
    with racer(directory, None, PEERS) as process:
        results["without"].append(process.rate())
    with cluster(directory) as servers, racer(directory, servers, PEERS, "--fleet") as process:
        for key, (_, trouble) in STATES.items():
            with trouble(servers.nodes):
                results[key].append(process.rate())


def measure_outages(directory, options):
    results = {"without": [], **{key: [] for key in STATES}}
    for _ in range(options.rounds):
        one_round(directory, results)
    without = statistics.median(results["without"])
    yield Row("announces_per_second", f"a worker without a store, announces/s (medians of {options.rounds})",
              without / 1e6, "M", decimals=2)
    for key, (name, _) in STATES.items():
        yield Row(f"rate_{key}_percent", f"  with store and fleet, Redis {name}: of that rate",
                  statistics.median(results[key]) / without * 100, "%", KEPT if key != "well" else None)


# A minute of snapshots

def race_alone(directory, peers):
    with racer(directory, None, peers) as process:
        return process.race(MINUTE // 4)


def race_during(directory, peers):
    """Peers written meanwhile, and the race."""
    with cluster(directory) as servers, racer(directory, servers, peers, "--interval", MINUTE) as process:
        before = process.status()
        race = process.race(MINUTE)
        after = process.status()
    return (after["written"] - before["written"]) / CHUNKS * after["peers"], race


def race_beside(directory, peers):
    """A worker without a store, while somebody else's peers, as many, are snapshot in a minute on the other core: the two
    share caches and memory."""
    with cluster(directory) as servers:
        nodes = ",".join(servers.addresses())
        with appliance(directory, "--nodes", nodes, "--interval", MINUTE, *room_for(peers)) as other:
            for thread in Path(f"/proc/{other.process.pid}/task").iterdir():
                os.sched_setaffinity(int(thread.name), {CORE})
            for node in servers.nodes:
                os.sched_setaffinity(node.pid(), {CORE})
            touch_all(other, peers)
            with racer(directory, None, peers) as process:
                other.begin_load(CHUNKS // 4, 2 * MINUTE)  # so that every chunk has changed
                return process.race(MINUTE)


def measure_minute(directory, options):
    """The same without a store is measured before and after: the machine may have changed."""
    peers = options.peers
    alone = [race_alone(directory, peers)]
    written, during = race_during(directory, peers)
    alone.append(race_alone(directory, peers))
    beside = race_beside(directory, peers)
    yield Row("minute_peers", f"peers written within {MINUTE} s, while a worker serves at its maximum", written / 1e6,
              "M", 0.95 * peers / 1e6)
    for share, target in (("p50", None), ("p99", 1.05), ("p999", None)):
        key = f"burst_{share}_us"
        value = statistics.mean(race[key] for race in alone)
        yield Row(f"minute_{share}_us", f"  {share} of 32 announces, housekeeping in front (without {value:.1f} us)",
                  during[key], "us", target and value * target, most=True)
        yield Row(f"minute_{share}_beside_us", "    of a worker without a store, beside another's minute", beside[key], "us")

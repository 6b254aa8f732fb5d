# SPDX-License-Identifier: BSD-3-Clause
"""What the store does to the data plane: musterd and musterload, joined by memif.

Needs root. The worker has core 1 for itself. The load, the control plane and the cluster share core 0,
so that by the clock the load is what suffers; the target is therefore on the replies per second that
the worker was busy: what it can do, and what it does where each has a core."""

import json
import os
import signal
import statistics
import subprocess
import time
from contextlib import contextmanager

import sandbox
from sandbox import BUILD
from test_load import worker_threads
from testbed import Testbed, wait_until

from .rig import Row, cluster

MUSTERLOAD = BUILD / "tools" / "musterload" / "musterload"
SECONDS = 3
TORRENTS, PEERS = 500_000, 1_000_000
LATENCY_RATE = 20_000  # little enough that the worker sleeps
MINUTE = 60
CHUNKS = 16384
KEPT = 0.97  # of the rate without a store


def settings(directory, redis, peers, **changes):
    config = {
        "ports": [{"type": "memif", "socket": str(directory / "memif.sock"), "role": "server"}],
        "workers": {"cores": [1], "control_core": 0, "idle": "poll"},
        "memory": {"torrents": peers, "peers": peers * 2, "huge_pages": True},
        "limits": {"connect_address": 0, "connect_network": 0, "request_address": 0, "request_network": 0},
        "store": {"type": "redis" if redis else "none"},
        "log": {"level": "warning"},
    }
    if redis:
        config["redis"] = {"nodes": redis.addresses()}
    for section, keys in changes.items():
        config[section] = {**config.get(section, {}), **keys}
    return config


def load(directory, torrents, peers, step, seconds, *options):
    done = subprocess.run([MUSTERLOAD, "aquatic", "--port", f"memif:{directory / 'memif.sock'}", "--json",
                           "--torrents", str(torrents), "--peers", str(peers), "--load", step,
                           "--seconds", str(seconds), "--core", "0", *options],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          preexec_fn=sandbox.die_with_parent)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)["steps"][0]


@contextmanager
def tracker(bed, config):
    with bed.running(config, ports=[]) as daemon:
        if config["store"]["type"] != "none":
            wait_until(lambda: daemon.call("store")["state"] == "serving", 60, what="what is stored is loaded")
        yield daemon


# Outages

def rate(daemon, directory):
    """(replies a second, replies per second that the worker was busy)."""
    def sums():
        samples = daemon.metrics()
        return [sum(sample.value for sample in samples if sample.name == name)
                for name in ("muster_worker_busy_seconds_total", "muster_announces_ipv4_total",
                             "muster_announces_ipv6_total")]
    before = sums()
    step = load(directory, TORRENTS, PEERS, "max", SECONDS, "--no-populate")
    busy, *announces = (after - first for after, first in zip(sums(), before))
    return step["replies_per_second"], sum(announces) / busy


@contextmanager
def stopped(nodes):
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


@contextmanager
def well(nodes):
    yield


STATES = {"well": well, "hung (SIGSTOP)": stopped, "refusing (OOM)": full, "dead": dead}


def one_round(bed, directory, results):
    with tracker(bed, settings(directory, None, PEERS)) as daemon:
        load(directory, TORRENTS, PEERS, "max", 1)
        results["without"] += [rate(daemon, directory), rate(daemon, directory)]
    with cluster(directory) as servers:
        config = settings(directory, servers, PEERS, fleet={"enabled": True})
        with tracker(bed, config) as daemon:
            load(directory, TORRENTS, PEERS, "max", 1)
            for node in servers.nodes:
                os.sched_setaffinity(node.pid(), {0})
            for state, trouble in STATES.items():
                with trouble(servers.nodes):
                    results[state].append(rate(daemon, directory))
            daemon.kill()
            daemon.start()  # so that it ends well: a last snapshot would wait for the dead


def measure_outages(directory, options):
    sandbox.enter()
    bed = Testbed(links=0)
    results = {"without": [], **{state: [] for state in STATES}}
    for _ in range(options.rounds):
        one_round(bed, directory, results)
    bed.close()
    median = {state: [statistics.median(column) for column in zip(*rounds)] for state, rounds in results.items()}
    wall, busy = median["without"]
    yield Row("announces_per_busy_second", f"a worker without a store, medians of {options.rounds}", busy / 1e6,
              "M announces", decimals=2)
    for state in STATES:
        key = state.split()[0]
        yield Row(f"rate_{key}_percent", f"  Redis {state}: of that rate", median[state][1] / busy * 100, "%",
                  KEPT * 100 if state != "well" else None)
        yield Row(f"rate_{key}_wall_percent", "    by the clock, sharing core 0", median[state][0] / wall * 100, "%")


# A minute of snapshots

def latency(daemon, directory, peers, seconds):
    return load(directory, peers // 2, peers, str(LATENCY_RATE), seconds, "--no-populate")


def alone(daemon, servers):
    """Leaves core 0 to the load, whose clock is what measures. On core 1 the worker goes first, and the
    others have the time that it sleeps."""
    for thread in worker_threads(daemon):
        os.setpriority(os.PRIO_PROCESS, thread, -20)
    for node in servers.nodes if servers else []:
        os.sched_setaffinity(node.pid(), {1})


def measure_minute(directory, options):
    sandbox.enter()
    bed = Testbed(links=0)
    changes = {"workers": {"cores": [1], "control_core": 1, "idle": "adaptive"}}
    peers = options.peers
    with cluster(directory) as servers:
        results = {}
        for name, redis in (("without", None), ("with", servers)):
            config = settings(directory, redis, peers, store={"interval": f"{MINUTE}s"} if redis else {}, **changes)
            with tracker(bed, config) as daemon:
                load(directory, peers // 2, peers, "max", 1)
                alone(daemon, redis)
                before = daemon.call("store")["snapshot"] if redis else None
                results[name] = latency(daemon, directory, peers, MINUTE if redis else MINUTE // 2)
                after = daemon.call("store")["snapshot"] if redis else None
    bed.close()
    written = (after["chunks_written"] - before["chunks_written"]) / CHUNKS * peers
    yield Row("minute_peers", f"peers written in {MINUTE} s", written / 1e6, "M", 0.95 * peers / 1e6)
    for share in ("p50", "p99", "p999"):
        without, with_store = (results[name][f"{share}_us"] for name in ("without", "with"))
        yield Row(f"minute_{share}_us", f"an announce's {share}, {LATENCY_RATE:,}/s (without a store {without:.1f} us)",
                  with_store, "us", without * 1.1 if share == "p99" else None, most=True)

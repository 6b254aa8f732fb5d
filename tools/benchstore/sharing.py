# SPDX-License-Identifier: BSD-3-Clause
"""How long it takes until a peer that was announced at one appliance is in the tables of another."""

import random
import statistics
import time

from .rig import Cpu, Row, appliance, cluster, used_memory

SAMPLES = 200
PAUSE = 0.05  # seconds between two at most; at random, so that no phase of any cycle is preferred
POPULATION = 50_000  # all at once: less than the deltas that a worker may be ahead
RATE = 5000  # announces a second at A meanwhile
FULL_RATE, FULL_SECONDS = 200_000, 8  # for what a delta costs Redis


def wait_for(process, torrent, peer, since):
    while peer not in process.peers(torrent):
        assert time.monotonic() - since < 30, "the peer doesn't come"
    return time.monotonic() - since


def full_rate(servers, a, b):
    """What a delta costs, writing and reading, heartbeats included."""
    before, published = used_memory(servers), a.status()["fleet"]["published"]
    with Cpu(servers) as cpu:
        a.call(f"load {FULL_RATE} {FULL_SECONDS}")
    records = a.status()["fleet"]["published"] - published
    yield Row("delta_redis_bytes", f"a delta in Redis ({FULL_RATE:,} announces/s)",
              (used_memory(servers) - before) / records, "bytes")
    yield Row("delta_bytes", "  on the wire, IPv4, its share of a batch's header included", 29 + 64 / 1000, "bytes")
    yield Row("delta_records_per_cpu_second", "  deltas a CPU-second of masters and replicas, one reader",
              records / 1e6 / (cpu.masters + cpu.replicas), "M")


def measure(directory, options):
    with cluster(directory) as servers:
        common = ["--nodes", ",".join(servers.addresses()), "--fleet", "--secret", 7]
        with appliance(directory, *common, "--number", 1) as a, \
                appliance(directory, *common, "--number", 2) as b:
            a.wait(lambda status: status["fleet"]["alive"] == 1, 30, "B is known")
            a.call(f"bulk {POPULATION} 1")
            b.wait(lambda status: status["peers"] == POPULATION, 60, "all peers are at B")
            seconds = []
            # The load's answer comes when it is over: behind all others.
            a.send(f"load {RATE} {SAMPLES * 0.2}")
            for sample in range(SAMPLES):
                time.sleep(random.random() * PAUSE)
                since = time.monotonic()
                a.call(f"announce {1 << 50 | sample} {sample} 1")
                seconds.append(wait_for(b, 1 << 50 | sample, sample, since))
            a.receive()
            costs = list(full_rate(servers, a, b))
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    where = f"{SAMPLES} peers, {RATE:,} announces/s beside"
    yield Row("sharing_p50_seconds", f"announced at A, handed out by B, p50 ({where})", cuts[49], "s", decimals=3)
    yield Row("sharing_p99_seconds", "  p99", cuts[98], "s", 1, most=True, decimals=3)
    yield Row("sharing_max_seconds", "  longest", max(seconds), "s", decimals=3)
    yield from costs

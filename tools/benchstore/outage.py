# SPDX-License-Identifier: BSD-3-Clause
"""What an absence of Redis costs in memory: nodes that hang (the worst kind, since whatever is sent to
them is neither answered nor refused), while deltas come at the full rate and snapshots go on.

An hour of it isn't waited for. What may be kept is full within seconds, and then the oldest goes: many
times as much is sent as may be kept, and the second half must not grow."""

import signal
import time

from .rig import Row, appliance, cluster, room_for

POPULATION = 1_000_000
RATE = 1_000_000  # announces a second
SECONDS = 20
DELTA_BYTES = 29

# docs/scaling.md: batches of deltas that wait, requests under way, and the encoders of snapshots.
BOUND_MIB = 32 + 64 + 4 * 4


def resident_while_loaded(process, seconds):
    """MiB, sampled over a load; the load's own answer comes last."""
    samples = []
    process.send(f"load {RATE} {seconds}")
    until = time.monotonic() + seconds
    while time.monotonic() < until - 0.5:
        samples.append(process.status()["resident_kib"] / 1024)
        time.sleep(0.2)
    answer = process.receive(seconds + 30)
    return samples, answer["sent"]


def given_up(process):
    fleet = process.status()["fleet"]
    return fleet["lost_waiting"] + fleet["lost_in_ring"]


def measure(directory, options):
    with cluster(directory) as servers:
        nodes = ",".join(servers.addresses())
        with appliance(directory, "--nodes", nodes, "--fleet", "--interval", 5, *room_for(POPULATION)) as process:
            process.call(f"bulk {POPULATION} 1")
            before, _ = resident_while_loaded(process, 6)
            lost = given_up(process)
            for node in servers.nodes:
                node.signal(signal.SIGSTOP)
            during, sent = resident_while_loaded(process, SECONDS)
            lost = given_up(process) - lost
            for node in servers.nodes:
                node.signal(signal.SIGCONT)
    where = f"{RATE / 1e6:g} M announces/s, Redis hung for {SECONDS} s"
    half = len(during) // 2
    yield Row("outage_growth_mib", f"memory that an absence of Redis costs ({where})",
              max(during) - max(before), "MiB", BOUND_MIB, most=True)
    yield Row("outage_growth_second_half_mib", "  growth in the second half", max(during[half:]) - max(during[:half]),
              "MiB", 1, most=True, decimals=2)
    yield Row("outage_sent_mib", "  deltas announced meanwhile", sent * DELTA_BYTES / 2**20, "MiB")
    yield Row("outage_lost_share", "  of them given up, counted, and healed by snapshots", lost / sent * 100, "%")

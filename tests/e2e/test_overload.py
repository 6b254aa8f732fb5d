# SPDX-License-Identifier: BSD-3-Clause
"""Ten times of what the worker can take, and more: whose packets die, and where (docs/operating.md, "What
dies first").

The worker has a twentieth of a core, the rest of which goes to a program that does nothing useful: so there
is overload on any machine. Attackers come by IPv6, all from one /64; clients by IPv4, from 64 addresses, each
far below its limit: so the worker's own counters tell what became of whom. Nothing is judged by time: each
packet that was sent is looked for in the counters.

Port 1 is AF_XDP, with the program in front. Port 2 is driven by DPDK alone, as a PCI port is: the worker has to
look at all that comes.
"""

import os
import time
from contextlib import closing, contextmanager

import pytest

from flooding import Flood
from testbed import Testbed, wait_until, worker_threads

pytestmark = pytest.mark.skipif(os.cpu_count() < 2, reason="needs a core for the worker and one for the flood")

WORKER_CORE, FLOOD_CORE = 0, 1
# Of the scheduler (sched(7)): beside a thread of niceness 0 one of this gets a twentieth of a core.
WORKER_NICE = 13

SECONDS = 1.2
WARM_UP_SECONDS = 0.3  # attackers have spent their burst (limits.burst) by then
CLIENTS, CLIENTS_RATE = 64, 4000  # addresses, and announces a second of all of them
ATTACKERS = 8
FORGERS, FIRST_FORGER = 10000, "2001:db8:ff::"

XDP, BARE = 0, 1  # links

# What is counted, and what it is called here.
WORKER = ("muster_drops_total", "muster_received_total", "muster_connects_total", "muster_announces_ipv4_total",
          "muster_announces_ipv6_total")
XDP_PORT = {"muster_port_receive_packets_total": "xdp_received", "muster_port_receive_missed_total": "xdp_missed"}
LIMITS = ("connect_address", "connect_network", "request_address", "request_network")


class Window:
    """What was sent in a while, and what the counters say has become of it."""

    def __init__(self, attack, clients, counted):
        self.attack, self.clients, self.counted = attack, clients, counted

    def __getitem__(self, name):
        return self.counted[name]

    @property
    def client_share(self):
        return self["announces_ipv4"] / self.clients

    @property
    def answered(self):
        return self["announces_ipv4"] + self["announces_ipv6"]

    def __str__(self):
        counts = ", ".join(f"{name} {count:,.0f}" for name, count in self.counted.items() if count)
        return (f"{self.attack:,} packets of attackers, {self.clients:,} of clients: "
                f"{self.client_share:.1%} of these answered; {counts}")


class Overload:
    """A musterd whose worker can take little, clients, and attackers."""

    def __init__(self, bed, musterd):
        self.bed, self.musterd = bed, musterd
        self.client_ids = list(self._connection_ids(4, CLIENTS))
        self.attacker_ids = list(self._connection_ids(6, ATTACKERS))
        os.setpriority(os.PRIO_PROCESS, worker_threads(musterd)[0], WORKER_NICE)
        # Answered in a window: what the worker can take.
        self.capacity = self.run(XDP, limits=False).answered

    def _connection_ids(self, family, count):
        for number in range(1, count + 1):
            with self.bed.tracker(link=XDP, client=number, family=family) as tracker:
                yield tracker.connect()

    def _attack(self, link, verified, seconds):
        first, sources, ids = FIRST_FORGER, FORGERS, ()
        if verified:
            first, sources, ids = self._first(6), ATTACKERS, self.attacker_ids
        return Flood(self.bed, first, sources, seconds, 6, ids, core=FLOOD_CORE, link=link)

    def _first(self, family):
        return self.bed.links[XDP].client_address(1, family)

    def _totals(self):
        """Counters by name; drops and XDP's verdicts by theirs."""
        counted = {}
        for name, labels, value in self.musterd.metrics():
            if name == "muster_xdp_packets_total":
                counted["xdp_" + labels["verdict"]] = value
            elif labels.get("port") == self.bed.links[XDP].interface and name in XDP_PORT:
                counted[XDP_PORT[name]] = value
            elif name in WORKER:
                key = labels.get("reason") or name.removeprefix("muster_").removesuffix("_total")
                counted[key] = counted.get(key, 0) + value
        return counted

    def _settle(self):
        """Waits until the worker has taken what lay in its rings, and all that XDP let through is accounted for."""
        seen = []

        def is_settled():
            seen.append(self._totals())
            taken = [totals["received"] for totals in seen[-3:]]
            steered = seen[-1]["xdp_connect_steered"] + seen[-1]["xdp_request_steered"]
            return taken.count(taken[-1]) == 3 and steered == seen[-1]["xdp_received"] + seen[-1]["xdp_missed"]

        wait_until(is_settled, 10, 0.1, "what XDP let through was received or missed")

    def _limit(self, limits):
        """The default limits, or none."""
        if limits:
            self.musterd.call("config.reload")
        for key in () if limits else LIMITS:
            self.musterd.call("config.set", key=f"limits.{key}", value="0")

    def run(self, link, limits, verified=True):
        self._limit(limits)
        self._attack(link, verified, WARM_UP_SECONDS).wait()
        self._settle()
        before = self._totals()
        attack = self._attack(link, verified, SECONDS + 0.4)
        time.sleep(0.2)
        clients = Flood(self.bed, self._first(4), CLIENTS, SECONDS, 4, self.client_ids, rate=CLIENTS_RATE,
                        core=FLOOD_CORE, link=link)
        sent = clients.wait()[0], attack.wait()[0]
        self._settle()
        became = {name: count - before[name] for name, count in self._totals().items()}
        return Window(sent[1], sent[0], became)


@contextmanager
def competitor(bed):
    """Keeps the worker's core busy."""
    process = bed.host.popen("taskset", "-c", WORKER_CORE, "sh", "-c", "while :; do :; done")
    try:
        yield
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def overload():
    with closing(Testbed(links=2)) as bed:
        # Whoever is asked at port 2 isn't an address of the kernel's: it would answer that there is no such port.
        bed.host.ip("address", "flush", "dev", bed.links[BARE].interface)
        ports = [{"type": "af_xdp", "interface": bed.links[XDP].interface},
                 {"type": "vdev", "args": f"net_af_packet0,iface={bed.links[BARE].interface}"}]
        settings = {"ports": ports,
                    "workers": {"cores": [WORKER_CORE], "control_core": FLOOD_CORE, "idle": "poll"}}
        with bed.running(settings, ports=[]) as musterd, competitor(bed):
            yield Overload(bed, musterd)


@pytest.fixture
def tell(capsys):
    def print_window(window):
        with capsys.disabled():
            print(f"\n  {window}", end="")

    return print_window


def test_without_limits_the_ring_prefers_nobody(overload, tell):
    """What XDP lets through and the worker has no time for dies at the receive ring, and is counted there."""
    window = overload.run(XDP, limits=False)
    tell(window)
    assert window.attack + window.clients >= 10 * window.answered, "that was no overload"
    assert window["xdp_limited_established"] == 0
    assert window["received"] + window["xdp_missed"] == window["xdp_request_steered"]
    assert window["xdp_missed"] > 0.8 * window.attack
    assert window.client_share > 0.5 * window["announces_ipv6"] / window.attack


def test_limits_leave_verified_clients_all_they_ask_for(overload, tell):
    """What is over the limit of its source dies first, in XDP, and takes nothing from others."""
    window = overload.run(XDP, limits=True)
    tell(window)
    assert window.attack >= 10 * overload.capacity, "that was no overload"
    assert window["xdp_limited_established"] > 0.9 * window.attack
    assert window["xdp_missed"] == 0
    assert window["received"] == window["xdp_request_steered"]
    assert window.client_share > 0.98


@pytest.mark.parametrize("limits", [True, False], ids=["limits", "no-limits"])
def test_forgeries_take_nothing_from_the_worker(overload, limits, tell):
    """Connect requests of any source are answered in XDP, and forged connection IDs die there."""
    window = overload.run(XDP, limits, verified=False)
    tell(window)
    assert window.attack >= 10 * overload.capacity, "that was no overload"
    assert window["xdp_connection_id"] > 0.4 * window.attack
    assert window["xdp_connect_answered"] + window["xdp_limited_connect"] > 0.4 * window.attack
    assert window["received"] <= window.clients
    assert window["xdp_missed"] == 0
    assert window.client_share > 0.98


def test_without_xdp_limits_save_answers(overload, tell):
    """The worker itself drops what is over a limit; what it can't even look at dies at the ring."""
    window = overload.run(BARE, limits=True)
    tell(window)
    looked_at = window["limited"] + window["announces_ipv6"]
    assert window["limited"] > 0.8 * looked_at, "limits hold"
    assert looked_at < 0.5 * window.attack, "that was no overload"
    assert window.client_share > 0.5 * looked_at / window.attack


def test_without_xdp_forgeries_are_looked_at(overload, tell):
    window = overload.run(BARE, limits=True, verified=False)
    tell(window)
    looked_at = window["connection_id"] + window["limited"] + window["connects"]
    assert window["connection_id"] > 0.3 * looked_at
    assert looked_at < 0.5 * window.attack, "that was no overload"
    assert window.client_share > 0.5 * looked_at / window.attack

# SPDX-License-Identifier: BSD-3-Clause
"""What happens to a musterd that is soaked: each thing has a period, and checks that it took effect.

They run in one thread, beside the load, and speak to musterd over its control socket and as clients on a link of
their own.
"""

import json
import threading
import time
from dataclasses import dataclass, field
from typing import Callable

from sandbox import BUILD
from testbed import PORT, wait_until
from tracker_client import NoReply, TrackerError, info_hash_of

FLOOD = BUILD / "tests" / "e2e" / "flood"
FLOOD_SOURCES = 10000
FLOOD_SECONDS = 15

# Info-hashes of each of the two access lists that take turns.
LISTED = 100_000

CONNECTION_SECONDS = 60


@dataclass
class Disturbance:
    """`act` is run every `period` seconds, first after `first`."""

    name: str
    period: float
    first: float
    act: Callable
    due: float = 0
    times: list = field(default_factory=list)  # monotonic seconds


class Disturbances(threading.Thread):
    """Runs until stop(); `problems` says what didn't take effect, `windows` when floods began and ended."""

    def __init__(self, bed, musterd, flood_rate):
        super().__init__(daemon=True)
        self.bed, self.musterd, self.flood_rate = bed, musterd, flood_rate
        self.problems, self.windows, self.flooding, self.turn = [], [], None, 0
        self.stopping, self.reconnect = threading.Event(), 0
        self.denied = info_hash_of("denied")
        self.lists = [self._write_list(number) for number in range(2)]
        self.prober = bed.tracker(link=1, client=7, tries=5, timeout=1)
        self.banned = bed.tracker(link=1, client=9, tries=1, timeout=0.5)
        self.all = [
            Disturbance("flood", 45, 25, self.flood),
            Disturbance("reload", 15, 5, self.reload),
            Disturbance("access list", 10, 8, self.swap_access_list),
            Disturbance("ban", 10, 12, self.ban),
            Disturbance("announce", 2, 1, self.announce),
        ]

    # The thread

    def run(self):
        begin = time.monotonic()
        for one in self.all:
            one.due = begin + one.first
        while not self.stopping.is_set():
            one = min(self.all, key=lambda one: one.due)
            if self.stopping.wait(max(0, one.due - time.monotonic())):
                break
            one.due += one.period
            one.times.append(time.monotonic())
            try:
                one.act()
            except Exception as error:  # whatever it is, it is to be told
                self.problems.append(f"{one.name} after {time.monotonic() - begin:.0f} s: {error or type(error)}")
        self._end_flood()

    def stop(self):
        self.stopping.set()
        self.join()
        self.prober.close()
        self.banned.close()

    # What happens

    def flood(self):
        """Connects and forged announces from spoofed sources, over the link that these clients use."""
        self._end_flood()
        link = self.bed.links[1]
        self.flooding = self.bed.clients.popen(
            FLOOD, link.client_interface, link.mac, link.address(), PORT, "198.18.0.0", FLOOD_SOURCES,
            FLOOD_SECONDS, self.flood_rate, stdout=-1)
        self.windows.append({"begin": time.monotonic(), "end": time.monotonic() + FLOOD_SECONDS})

    def _end_flood(self):
        if self.flooding:
            told = json.loads(self.flooding.communicate()[0])
            self.windows[-1].update(end=self.windows[-1]["begin"] + told["seconds"], sent=told["sent"])
            self.flooding = None

    def reload(self):
        """The file changes, and is read again."""
        self.turn += 1
        jitter = f"{1 + self.turn % 2}s"
        self.musterd.config["tracker"]["interval_jitter"] = jitter
        self.musterd.config_file.write_text(json.dumps(self.musterd.config))
        self.musterd.call("config.reload")
        shown = json.dumps(self.musterd.call("config.show", key="tracker.interval_jitter"))
        if jitter not in shown:
            raise AssertionError(f"interval_jitter is {shown}, not {jitter}")

    def _write_list(self, number):
        """Only the first of the two denies self.denied."""
        path = self.musterd.directory / f"denied-{number}"
        hashes = (info_hash_of(f"list {number} {entry}").hex() for entry in range(LISTED))
        path.write_text("\n".join([*hashes, *([self.denied.hex()] if number == 0 else [])]) + "\n")
        return path

    def swap_access_list(self):
        number = self.turn_of("access list") % 2
        self.musterd.call("access.load", file=str(self.lists[number]))
        wait_until(lambda: self._is_denied() == (number == 0), 5, what=f"list {number} is in force")

    def _is_denied(self):
        try:
            self.ask(self.denied)
        except TrackerError:
            return True
        return False

    def ask(self, info_hash):
        """Announces; with a new connection ID after a minute, as BEP 15 wants it."""
        if time.monotonic() >= self.reconnect:
            self.prober.connect()
            self.reconnect = time.monotonic() + CONNECTION_SECONDS
        self.prober.announce(info_hash)

    def ban(self):
        """An address is answered, banned, silent, and answered again."""
        address = self.bed.links[1].client_address(9)
        self.banned.connect()
        self.musterd.call("ban.add", prefix=address, duration="1h")
        try:
            self.banned.connect()
            raise AssertionError("who is banned was answered")
        except NoReply:
            pass
        self.musterd.call("ban.del", prefix=f"{address}/32")

    def announce(self):
        self.ask(info_hash_of(f"soak {self.turn_of('announce') % 1000}"))

    def turn_of(self, name):
        return sum(len(one.times) for one in self.all if one.name == name) - 1

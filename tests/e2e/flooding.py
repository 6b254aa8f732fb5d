# SPDX-License-Identifier: BSD-3-Clause
"""Attackers that send all that one core can send, and clients that go on meanwhile."""

import json
import subprocess
import threading
import time

from sandbox import BUILD
from testbed import PORT
from tracker_client import NoReply, TrackerError

FLOOD = BUILD / "tests" / "e2e" / "flood"
RETRY_SECONDS = 0.3


class Client(threading.Thread):
    """Does something over and over until told to stop; counts how often it went well."""

    def __init__(self, act):
        super().__init__()
        self.act, self.stopping = act, threading.Event()
        self.tried = self.succeeded = self.at_once = 0

    def run(self):
        while not self.stopping.is_set():
            self.tried += 1
            begin = time.monotonic()
            try:
                self.act()
                self.succeeded += 1
                self.at_once += time.monotonic() - begin < RETRY_SECONDS
            except (NoReply, TrackerError, OSError):
                pass
            time.sleep(0.005)

    def finish(self):
        self.stopping.set()
        self.join()

    @property
    def success(self):
        return self.succeeded / self.tried

    @property
    def first_try(self):
        return self.at_once / self.tried

    def __str__(self):
        return (f"{self.succeeded} of {self.tried} ({self.success:.1%}),"
                f" {self.first_try:.1%} at the first try")


class Flood:
    """tests/e2e/flood.c: `sources` from `first` on; with `ids` (a connection ID for each) verified ones.

    `rate` in packets a second, 0 for all that `core` can send.
    """

    def __init__(self, testbed, first, sources, seconds, family=4, ids=(), rate=0, core=0, link=0, nice=0):
        wire = testbed.links[link]
        self.process = testbed.clients.popen(
            "nice", "-n", nice, "taskset", "-c", core,
            FLOOD, wire.client_interface, wire.mac, wire.address(family), PORT, first, sources, seconds, rate,
            *(f"{number:x}" for number in ids), stdout=subprocess.PIPE)

    def stop(self):
        self.process.kill()
        self.process.communicate()

    def wait(self):
        """Packets sent, and a second."""
        result = json.loads(self.process.communicate()[0])
        return result["sent"], result["sent"] / result["seconds"]

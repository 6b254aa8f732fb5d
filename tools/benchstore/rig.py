# SPDX-License-Identifier: BSD-3-Clause
"""What the measurements have in common: rows, and a cluster for as long as one takes."""

import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import drill

PORT = 7900
SETTLE_SECONDS = 0.5  # for servers to shrink their buffers, and for replicas to catch up


@dataclass
class Row:
    key: str
    what: str
    value: float
    unit: str
    target: float = None  # None: told for information
    most: bool = False  # the target is a most, else a least
    decimals: int = 1
    measurement: str = ""

    def met(self):
        if self.target is None:
            return True
        return self.value <= self.target if self.most else self.value >= self.target

    def as_dict(self):
        return {**asdict(self), "met": self.met()}

    @classmethod
    def from_dict(cls, fields):
        return cls(**{name: value for name, value in fields.items() if name != "met"})


@contextmanager
def cluster(directory, **options):
    """A cluster without persistence, 3 masters and 3 replicas, ended whatever happens."""
    servers = drill.Cluster(directory / "redis", port=PORT, **options)
    try:
        servers.up()
        time.sleep(SETTLE_SECONDS)
        yield servers
    finally:
        servers.down()


@contextmanager
def appliance(directory, *options):
    process = drill.Appliance(directory, *options)
    try:
        process.wait_until_serving()
        yield process
    finally:
        process.kill()


def room_for(peers):
    """Options of an appliance: caps that the mixed population of so many peers fits in."""
    return ["--torrents", peers * 4 // 10, "--peers", peers * 13 // 10]


def used_memory(servers):
    """Bytes, of the masters."""
    time.sleep(SETTLE_SECONDS)
    return sum(int(node.info()["used_memory"]) for node in servers.nodes[:servers.masters])


class Cpu:
    """CPU-seconds of masters and of replicas while it is open, catching up included."""

    def __init__(self, servers):
        self.servers = servers

    def _read(self):
        seconds = [node.cpu_seconds() for node in self.servers.nodes]
        return sum(seconds[:self.servers.masters]), sum(seconds[self.servers.masters:])

    def __enter__(self):
        self._before = self._read()
        return self

    def __exit__(self, *_):
        time.sleep(SETTLE_SECONDS)
        after = self._read()
        self.masters, self.replicas = (a - b for a, b in zip(after, self._before))

# SPDX-License-Identifier: BSD-3-Clause
"""What the drills are made of: real Redis nodes, and appliances without packets."""

import importlib.machinery
import importlib.util
import json
import os
import select
import signal
import subprocess
import time
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("MUSTER_BUILD", ROOT / "build"))
PROGRAM = BUILD / "tests" / "cluster" / "appliance"
REPLY_SECONDS = 120
END_SECONDS = 10


def _load_tool(name):
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"), str(ROOT / "tools" / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


redis_cluster = _load_tool("redis-cluster")
Cluster, Connection, RedisError = (redis_cluster.Cluster, redis_cluster.Connection,
                                   redis_cluster.RedisError)

SLOTS = 16384
INTERVAL = 1  # seconds within which the drills' appliances store a change


def reverse(number):
    """The slot of a chunk, and the chunk of a slot (docs/snapshot-format.md)."""
    return int(f"{number:014b}"[::-1], 2)


def crc16(data):
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ (0x1021 if crc & 0x8000 else 0)) & 0xffff
    return crc


def _find_tags():
    tags, number = {}, 0
    while len(tags) < SLOTS:
        tags.setdefault(crc16(str(number).encode()) % SLOTS, str(number))
        number += 1
    return tags


TAGS = _find_tags()


def chunk_key(appliance, chunk):
    return f"{{{TAGS[reverse(chunk)]}}}:s:{appliance}:{chunk}"


def stream_key(appliance, stream):
    return f"{{{TAGS[reverse(appliance * 64 + stream)]}}}:d:{appliance}:{stream}"


def member_key(appliance):
    return f"{{{TAGS[reverse(appliance)]}}}:m:{appliance}"


def wait_until(condition, seconds=30.0, what="the condition"):
    """Waits for `condition()` to become true, and returns what it returned."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)
    return result


class Appliance:
    """tests/cluster/appliance.c as a process, and what its clients have said so far."""

    instances = []

    program = PROGRAM

    def __init__(self, directory, *options):
        self.options = [str(option) for option in options]
        self.log_path = Path(directory) / f"appliance-{time.monotonic_ns()}.log"
        self.process = None
        self.loading = False
        self.load_answer = None
        self.instances.append(self)
        self.start()

    def __str__(self):
        return f"appliance {' '.join(self.options)}"

    def start(self):
        self.unread = b""
        self.process = subprocess.Popen([self.program, *self.options], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, bufsize=0,
                                        stderr=open(self.log_path, "a", encoding="utf-8"))

    # Talking

    def send(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def read_line(self, seconds):
        while b"\n" not in self.unread:
            ready, _, _ = select.select([self.process.stdout], [], [], seconds)
            assert ready, f"no answer in {seconds} s"
            more = os.read(self.process.stdout.fileno(), 1 << 16)
            assert more, "it has ended: " + self.log()[-2000:]
            self.unread += more
        line, _, self.unread = self.unread.partition(b"\n")
        return json.loads(line)

    def receive(self, seconds=REPLY_SECONDS):
        """The next answer; that of a load comes whenever it is over, and is kept."""
        answer = self.read_line(seconds)
        if self.loading and "sent" in answer:
            self.loading, self.load_answer = False, answer
            answer = self.read_line(seconds)
        return answer

    def call(self, line):
        self.send(line)
        answer = self.receive()
        assert "error" not in answer, answer
        return answer

    # Clients

    def announce(self, torrent, peers, event="started", age=0):
        """`peers`: a range."""
        self.call(f"announce {torrent} {peers.start} {len(peers)} {event} {age}")

    def stop_peers(self, torrent, peers):
        self.announce(torrent, peers, "stopped")

    def begin_load(self, rate, seconds):
        """Announces from a population that a `bulk` has made, in the background."""
        self.send(f"load {rate} {seconds}")
        self.loading = True

    def end_load(self):
        while self.loading:
            self.status()
            time.sleep(0.05)
        return self.load_answer

    # What it knows

    def status(self):
        return self.call("status")

    def peers(self, torrent):
        return set(self.call(f"list {torrent}")["peers"])

    def wait(self, condition, seconds=30, what="the condition"):
        """Until condition(status); returns that status."""
        deadline = time.monotonic() + seconds
        while True:
            status = self.status()
            if condition(status):
                return status
            assert time.monotonic() < deadline, f"not within {seconds} s: {what}: {status}"
            time.sleep(0.05)

    def wait_until_serving(self, seconds=30):
        return self.wait(lambda status: status["state"] == "serving", seconds, "serving")

    def wait_for_members(self, count, seconds=20):
        """Until it serves and sees so many others alive."""
        return self.wait(lambda status: status["state"] == "serving"
                         and status["fleet"]["alive"] == count, seconds, f"{count} members alive")

    def wait_for_pass(self, seconds=60):
        """Until a pass of snapshots that begins after now has ended."""
        passes = self.status()["passes"]
        return self.wait(lambda status: status["passes"] >= passes + 2, seconds, "a whole pass")

    def wait_until_stored(self, seconds=30):
        """Until a pass has ended without a write that failed, and all peers are stored."""
        deadline = time.monotonic() + seconds
        while True:
            failed = self.status()["failed"]
            status = self.wait_for_pass(seconds)
            if status["failed"] == failed and status["stored_peers"] == status["peers"]:
                return status
            assert time.monotonic() < deadline, f"not stored within {seconds} s: {status}"

    # Its end

    def quit(self):
        self.send("quit")
        answer = self.receive()
        self.process.wait(10)
        return answer

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def close(self):
        # gcov's counts are written by a process that ends by itself.
        if "MUSTER_COVERAGE" in os.environ and self.process.poll() is None:
            self._end()
        self.kill()
        self.instances.remove(self)

    def _end(self):
        """In order, if it can be had soon; what it would still say isn't read."""
        self.signal(signal.SIGCONT)
        try:
            self.send("quit")
            self.process.wait(END_SECONDS)
        except (OSError, subprocess.TimeoutExpired):
            pass

    def restart(self):
        """As after a crash."""
        self.kill()
        self.loading = False
        self.start()

    def log(self):
        return self.log_path.read_text(encoding="utf-8", errors="replace")


def wait_until_all_stored(appliances, seconds=30):
    """The same of several, whose passes go on at the same time."""
    before = [appliance.status() for appliance in appliances]
    for appliance, then in zip(appliances, before):
        appliance.wait(lambda now: now["passes"] >= then["passes"] + 2 and now["failed"] == then["failed"]
                       and now["stored_peers"] == now["peers"], seconds, "all is stored")


class Clients:
    """Peers that join and leave by one appliance or another, and so what all must know in the end."""

    def __init__(self):
        self.here = defaultdict(set)

    def join(self, appliance, torrent, peers):
        appliance.announce(torrent, peers)
        self.here[torrent] |= set(peers)

    def leave(self, appliance, torrent, peers):
        appliance.stop_peers(torrent, peers)
        self.here[torrent] -= set(peers)

    def are_known_to(self, appliance):
        return all(appliance.peers(torrent) == here for torrent, here in self.here.items())

    def check(self, *appliances):
        """No peer is missing, and none is back that has left."""
        for appliance in appliances:
            for torrent, here in self.here.items():
                known = appliance.peers(torrent)
                assert known == here, (f"{appliance}, torrent {torrent}: {len(here - known)} missing, "
                                       f"{len(known - here)} that have left")


class CpuMeter:
    """CPU seconds that the nodes use while it is open."""

    def __init__(self, cluster):
        self.cluster = cluster

    def __enter__(self):
        self.before = self._sum()
        return self

    def __exit__(self, *_):
        self.seconds = self._sum() - self.before

    def _sum(self):
        return sum(node.cpu_seconds() for node in self.cluster.nodes if node.pid())

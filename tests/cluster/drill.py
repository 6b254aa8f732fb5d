# SPDX-License-Identifier: BSD-3-Clause
"""What the drills are made of: real Redis nodes, and appliances without packets."""

import importlib.machinery
import importlib.util
import json
import select
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "build" / "tests" / "cluster" / "appliance"
REPLY_SECONDS = 120


def _load_tool(name):
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"), str(ROOT / "tools" / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


redis_cluster = _load_tool("redis-cluster")
Cluster, Connection, RedisError = (redis_cluster.Cluster, redis_cluster.Connection,
                                   redis_cluster.RedisError)

SLOTS = 16384


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


class Appliance:
    """tests/cluster/appliance.c as a process."""

    def __init__(self, directory, *options):
        self.options = [str(option) for option in options]
        self.log_path = Path(directory) / f"appliance-{time.monotonic_ns()}.log"
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen([PROGRAM, *self.options], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE,
                                        stderr=open(self.log_path, "a", encoding="utf-8"))

    def send(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def receive(self, seconds=REPLY_SECONDS):
        ready, _, _ = select.select([self.process.stdout], [], [], seconds)
        assert ready, f"no answer in {seconds} s"
        line = self.process.stdout.readline()
        assert line, "it has ended: " + self.log()[-2000:]
        return json.loads(line)

    def call(self, line):
        self.send(line)
        answer = self.receive()
        assert "error" not in answer, answer
        return answer

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
            assert time.monotonic() < deadline, f"{what} in {seconds} s: {status}"
            time.sleep(0.05)

    def wait_until_serving(self, seconds=30):
        return self.wait(lambda status: status["state"] == "serving", seconds, "serving")

    def wait_for_pass(self, seconds=60):
        """Until a pass of snapshots that begins after now has ended."""
        passes = self.status()["passes"]
        return self.wait(lambda status: status["passes"] >= passes + 2, seconds, "a whole pass")

    def quit(self):
        self.send("quit")
        answer = self.receive()
        self.process.wait(10)
        return answer

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def restart(self):
        self.kill()
        self.start()

    def log(self):
        return self.log_path.read_text(encoding="utf-8", errors="replace")


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

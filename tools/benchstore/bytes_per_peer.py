# SPDX-License-Identifier: BSD-3-Clause
"""The yardstick: peers as scripts store them, a HASH of JSON for each swarm and a ZSET of when each
peer was last seen; the same mixed population."""

import hashlib
import json
import time
from bisect import bisect_right

from drill import SLOTS, Connection, crc16

from .rig import Row, cluster, used_memory

PEERS = 200_000
BATCH = 500  # commands sent before their answers are read


def mixed_population(peers):
    """(torrent, peer) for a quarter of the peers each in swarms of 1, 5, 50 and 1000."""
    torrent = peer = 0
    for size in (1, 5, 50, 1000):
        for _ in range(peers // 4 // size):
            for _ in range(size):
                yield torrent, peer
                peer += 1
            torrent += 1


def commands_of(torrent, peer):
    info_hash = hashlib.sha1(str(torrent).encode()).hexdigest()
    peer_id = "-qB4650-" + hashlib.sha1(str(peer).encode()).hexdigest()[:12]
    record = {"ip": f"10.{peer >> 16 & 255}.{peer >> 8 & 255}.{peer & 255}", "port": 6881, "uploaded": 0,
              "downloaded": 0, "left": 0 if peer % 4 else 1 << 30, "last_seen": 1700000000 + peer % 1800}
    slot = crc16(info_hash.encode()) % SLOTS
    return slot, [("HSET", f"peers:{{{info_hash}}}", peer_id, json.dumps(record)),
                  ("ZADD", f"seen:{{{info_hash}}}", record["last_seen"], peer_id)]


def encode(arguments):
    texts = [str(argument).encode() for argument in arguments]
    return b"*%d\r\n" % len(texts) + b"".join(b"$%d\r\n%s\r\n" % (len(text), text) for text in texts)


class Pipeline:
    def __init__(self, port):
        self.connection, self.waiting, self.count = Connection(port), [], 0

    def send(self, arguments):
        self.waiting.append(encode(arguments))
        if len(self.waiting) == BATCH:
            self.flush()

    def flush(self):
        self.connection.socket.sendall(b"".join(self.waiting))
        for _ in self.waiting:
            self.connection.read()
        self.waiting.clear()


def fill(servers, peers):
    pipelines = [Pipeline(node.port) for node in servers.nodes[:servers.masters]]
    first_slots = [SLOTS * i // servers.masters for i in range(servers.masters)]
    for torrent, peer in mixed_population(peers):
        slot, commands = commands_of(torrent, peer)
        for command in commands:
            pipelines[bisect_right(first_slots, slot) - 1].send(command)
    for pipeline in pipelines:
        pipeline.flush()
        pipeline.connection.close()


def measure(directory, options):
    with cluster(directory) as servers:
        before, used = used_memory(servers), sum(node.cpu_seconds() for node in servers.nodes)
        fill(servers, PEERS)
        time.sleep(1)
        yield Row("json_bytes_per_peer", f"a HASH of JSON with a ZSET, memory a peer ({PEERS:,} peers)",
                  (used_memory(servers) - before) / PEERS, "bytes")
        used = sum(node.cpu_seconds() for node in servers.nodes) - used
        yield Row("json_peers_per_cpu_second", "  peers written a CPU-second of masters and replicas",
                  PEERS / 1e6 / used, "M", decimals=2)

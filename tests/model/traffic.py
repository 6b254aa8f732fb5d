# SPDX-License-Identifier: BSD-3-Clause
"""A random stream of requests that goes through all that a tracker has to do.

Clients are few, peers many: a peer is an address and a port, and many share an address, as behind a
carrier's NAT; so most packets are announces, not connects. Crowds grow and shrink in waves, so that
their swarms pass through every form of storage, up and down.
"""

import struct
from collections import deque

from tracker import (ANNOUNCE, COMPLETED, CONNECT, IPV4, IPV6, MAGIC, NONE, PAUSED, SCRAPE, STARTED,
                     STOPPED)

SERVER_PORT = 6969
SERVERS = (bytes([203, 0, 113, 9]), bytes.fromhex("20010db8000000010000000000000009"))
CLIENTS = (120, 60)

# Torrents of a kind: how many, peers that may be on one (IPv4, IPv6), share of announces.
KINDS = (
    (1, (2600, 1300), 0.40),  # beyond one block: 1536 and 722
    (12, (260, 160), 0.24),  # a block
    (300, (9, 5), 0.22),  # around what fits a record: 3 and 1
    (100000, (2, 2), 0.14),  # seen about once
)
TURN_EVERY = 20000  # requests from one turn of the tide in the crowds to the next

NUM_WANTS = (-1, -1, -1, 0, 1, 2, 5, 30, 50, 74, 200, 201, 1000, 2**31 - 1, -2, -2**31)
LEFTS = (1, 16384, 2**31, 2**32, 2**63, 2**64 - 1)  # of whom hasn't all; 2^64 - 1: doesn't know
PORTS_OF_PEERS = 1 << 15
ODD_EVENTS = (PAUSED, 5, 255, 2**31, 2**32 - 1)

OPTIONS_WELL = (b"", b"\0", b"\1\1\1", b"\2\x09/announce", b"\2\x09/announce\0", b"\2\0",
                b"\1\2\x04/a?b\2\x02c=\1\0rubbish \xff\xff", b"\x7f\x03abc\0", b"\2\xff" + b"p" * 255)
OPTIONS_ILL = (b"\2", b"\2\x01", b"\2\x09/announc", b"\1\x7f\xff", b"\2\x01a\2\x05abcd")


def client_address(family, number):
    if family == IPV4:
        return bytes([198, 51, 100 + number // 250, 1 + number % 250])
    return bytes.fromhex("20010db8") + struct.pack("!IQ", number % 7, number + 1)


def ethernet_header(family):
    return bytes.fromhex("020000000009020000000007" + ("0800" if family == IPV4 else "86dd"))


def datagram(family, source, source_port, payload, options=b""):
    """The frame; `options` are IPv4's."""
    length = 8 + len(payload)
    udp = struct.pack("!HHHH", source_port, SERVER_PORT, length, 0) + payload
    if family == IPV4:
        header = 20 + len(options)
        ip = struct.pack("!BBHHHBBH", 0x40 + header // 4, 0x28, header + length, 0xbeef, 0, 48, 17, 0)
        ip += source + SERVERS[IPV4] + options
    else:
        ip = struct.pack("!IHBB", 0x6abcdef0, length, 17, 48) + source + SERVERS[IPV6]
    return ethernet_header(family) + ip + udp


class Crowd:
    """The peers that may be on one torrent."""

    def __init__(self, info_hash, kind, sizes):
        self.info_hash, self.kind, self.sizes = info_hash, kind, sizes
        self.leaving = False

    def peer(self, random, family):
        """A client and a port."""
        number = int(random.random() * self.sizes[family])
        spread = number * 7919 + self.info_hash[0]
        return spread % CLIENTS[family], 1 + spread * 31 % PORTS_OF_PEERS


class Traffic:
    def __init__(self, random):
        self.random = random
        self.crowds = [[Crowd(random.randbytes(20), kind, sizes) for _ in range(count)]
                       for kind, (count, sizes, _) in enumerate(KINDS)]
        self.shares = [share for _, _, share in KINDS]
        self.ids = {}  # (family, client) -> (connection ID, second)
        self.old_ids = deque([random.randbytes(8)], maxlen=50)
        self.last = b""
        self.made = 0
        self.now = 0

    def note_issued(self, family, source, connection_id):
        client = (family, source)
        if client in self.ids:
            self.old_ids += self.ids[client][0], self.random.randbytes(8)
        self.ids[client] = (connection_id, self.now)

    def next(self):
        """A frame."""
        random = self.random
        self.made += 1
        if self.made % TURN_EVERY == 0:
            for kind in self.crowds[:3]:
                for crowd in kind:
                    crowd.leaving = random.random() < 0.5 if crowd.kind else not crowd.leaving
        dice = random.random()
        if dice < 0.01 and self.last:
            frame = self.last  # as if the reply had been lost
        elif dice < 0.05:
            frame = self.broken()
        elif dice < 0.12:
            frame = self.scrape()
        else:
            frame = self.announce()
        self.last = frame
        return frame

    # Pieces

    def crowd(self):
        return self.random.choice(self.random.choices(self.crowds, self.shares)[0])

    def send(self, family, client, payload):
        """As the client would; one who has no ID, or an old one, asks for that instead."""
        random = self.random
        source = client_address(family, client)
        connection_id, since = self.ids.get((family, source), (None, 0))
        patience = 110 if random.random() < 0.98 else 400
        if connection_id is None or self.now - since > patience:
            payload = struct.pack("!QII", MAGIC, CONNECT, random.getrandbits(32))
            payload += random.choice((b"", b"", b"", b"more to come"))
        else:
            if random.random() < 0.01:
                connection_id = random.choice(self.old_ids)
            payload = connection_id + payload
        options = b"\1" * 4 * random.randrange(1, 11) if family == IPV4 and random.random() < 0.01 else b""
        return datagram(family, source, 1024 + random.getrandbits(15), payload, options)

    def event(self, crowd):
        dice = self.random.random()
        if crowd.leaving and dice < 0.75:
            return STOPPED
        if dice < 0.3:
            return STARTED
        if dice < 0.38:
            return COMPLETED
        if dice < 0.41:
            return STOPPED
        if dice < 0.44:
            return self.random.choice(ODD_EVENTS)
        return NONE

    def announce(self):
        random = self.random
        crowd = self.crowd()
        family = IPV4 if random.random() < 0.65 else IPV6
        client, port = crowd.peer(random, family)
        event = self.event(crowd)
        has_all = event == COMPLETED and random.random() < 0.9 or random.random() < 0.4
        dice = random.random()
        options = b"" if dice < 0.85 else random.choice(OPTIONS_WELL if dice < 0.98 else OPTIONS_ILL)
        return self.send(family, client, struct.pack(
            "!II20s20sQQQIIIiH", ANNOUNCE, random.getrandbits(32), crowd.info_hash,
            b"-TC0001-" + random.randbytes(12), 0, 0 if has_all else random.choice(LEFTS), 0, event,
            0 if random.random() < 0.9 else random.getrandbits(32), random.getrandbits(32),
            random.choice(NUM_WANTS), 0 if random.random() < 0.005 else port) + options)

    def scrape(self):
        random = self.random
        family = IPV4 if random.random() < 0.65 else IPV6
        count = random.choice((1, 1, 1, 2, 3, 10, 40, 70, 73, 74, 75, 0))
        hashes = b"".join(random.choices(random.choice(self.crowds), k=1)[0].info_hash
                          if random.random() < 0.9 else random.randbytes(20) for _ in range(count))
        tail = random.randbytes(random.randrange(20)) if random.random() < 0.1 else b""
        return self.send(family, random.randrange(CLIENTS[family]),
                         struct.pack("!II", SCRAPE, random.getrandbits(32)) + hashes + tail)

    def ask(self, family, info_hash, peer, seeder, num_want):
        """An announce that changes nothing, by a peer of the swarm."""
        source = peer[:-2]
        connection_id, since = self.ids.get((family, source), (None, 0))
        if connection_id is None or self.now - since > 110:
            return datagram(family, source, 4000, struct.pack("!QII", MAGIC, CONNECT, 1))
        return datagram(family, source, 4000, connection_id + struct.pack(
            "!II20s20sQQQIIIi2s", ANNOUNCE, self.random.getrandbits(32), info_hash, bytes(20), 0,
            0 if seeder else 1, 0, NONE, 0, 0, num_want, peer[-2:]))

    # What should not be

    def broken(self):
        return self.random.choice((self.cut, self.shortened, self.flipped, self.unanswerable,
                                   self.unknown, self.forged, self.noise))()

    def cut(self):
        """Ends early; its lengths know nothing of it."""
        frame = self.announce()
        return frame[:self.random.randrange(len(frame))]

    def shortened(self):
        """Ends early, and its lengths say so."""
        random = self.random
        whole = random.choice((self.announce, self.scrape))()
        family = IPV4 if whole[12] == 8 else IPV6
        head = 14 + ((whole[14] & 15) * 4 if family == IPV4 else 40) + 8
        payload = whole[head:head + random.randrange(len(whole) - head + 1)]
        return datagram(family, client_address(family, random.randrange(CLIENTS[family])),
                        random.randrange(65536), payload)

    def flipped(self):
        frame = bytearray(self.announce())
        for _ in range(self.random.randrange(1, 4)):
            frame[self.random.randrange(len(frame))] ^= 1 << self.random.randrange(8)
        return bytes(frame)

    def unanswerable(self):
        random = self.random
        family = random.randrange(2)
        source = random.choice((
            (bytes(4), b"\x7f\0\0\1", b"\xe0\0\0\1", b"\xff" * 4, SERVERS[IPV4]),
            (bytes(16), bytes(15) + b"\1", b"\xff\2" + bytes(13) + b"\1", SERVERS[IPV6]))[family])
        payload = struct.pack("!QII", MAGIC, CONNECT, random.getrandbits(32))
        return datagram(family, source, random.choice((0, 4000)), payload)

    def unknown(self):
        random = self.random
        payload = random.choice((
            struct.pack("!QII", random.getrandbits(64), CONNECT, 1),  # no magic
            struct.pack("!QII", MAGIC, random.choice((3, 4, 2**32 - 1)), 1) + bytes(100)))
        family = random.randrange(2)
        return datagram(family, client_address(family, random.randrange(CLIENTS[family])), 4000, payload)

    def forged(self):
        """A connection ID that isn't the sender's."""
        random = self.random
        family = random.randrange(2)
        ids = self.ids and random.choice(list(self.ids.values()))[0]
        payload = (ids or random.randbytes(8)) + struct.pack("!II", SCRAPE, 7) + bytes(20)
        return datagram(family, client_address(family, random.randrange(CLIENTS[family])), 4000, payload)

    def noise(self):
        random = self.random
        return random.randbytes(random.randrange(200))

# SPDX-License-Identifier: BSD-3-Clause
"""A UDP tracker in dictionaries: what a request is, what the answer has to be.

Written from BEP 15, 7 and 41, the rules about frames in bpf/rules.h, and the policies told in
docs/architecture.md and docs/protocol.md; not from the code. Where chance decides (which peers a
reply names, the interval's jitter) it says what may be answered.
"""

import ipaddress
import struct
from dataclasses import dataclass, field

MAGIC = 0x41727101980
CONNECT, ANNOUNCE, SCRAPE, ERROR = range(4)
NONE, COMPLETED, STARTED, STOPPED, PAUSED = range(5)
SCRAPE_HASHES_MAX = 74

IPV4, IPV6 = 0, 1
PEER_SIZE = (6, 18)

EPOCH_SECONDS = 60
EPOCHS_HONOURED = 2

ANNOUNCE_HEAD = struct.Struct("!QII20s20sQQQIIIiH")

OPEN, ALLOW, DENY = range(3)

BAD_OPTIONS = b"options run past the end of the packet"
TOO_MANY_HASHES = b"more than 74 info-hashes"
NOT_TRACKED = b"this torrent is not tracked here"


@dataclass
class Settings:
    interval: int = 1800
    interval_jitter: int = 60
    numwant_default: int = 50
    numwant_max: int = 200
    peer_timeout: int = 4000
    torrent_timeout: int = 8000
    mtu: int = 1500
    draining: bool = False

    def packed(self):
        return struct.pack("<IIHHIIHB", self.interval, self.interval_jitter, self.numwant_default,
                           self.numwant_max, self.peer_timeout, self.torrent_timeout, self.mtu,
                           self.draining)


class Dropped(Exception):
    """No answer, and the reason it is counted under."""


class Passed(Exception):
    """Not tracker traffic: the kernel's."""


# What an answer has to be -----------------------------------------------------------------------------


@dataclass
class Connected:
    request: "Datagram"


@dataclass
class Refused:
    request: "Datagram"
    message: bytes


@dataclass
class Announced:
    request: "Datagram"
    swarm: "Swarm"
    seeders: int
    leechers: int
    wanted: int  # peers that the reply may have
    asker: bytes
    told_leechers_only: bool


@dataclass
class Scraped:
    request: "Datagram"
    rows: list


# Frames -----------------------------------------------------------------------------------------------


@dataclass
class Datagram:
    family: int
    source: bytes
    destination: bytes
    source_port: int
    header: int  # bytes of the IP header
    payload: bytes
    action: int = 0
    transaction: int = 0


def is_unicast(family, address):
    if family == IPV4:
        return address[0] not in (0, 127) and address[0] < 224
    return address[:8] != bytes(8) and address[0] != 0xff


def read_ipv4(ip):
    if len(ip) < 20:
        raise Dropped("short_frame")
    header = (ip[0] & 15) * 4
    if ip[0] >> 4 != 4 or header < 20:
        raise Dropped("ip_header")
    flags_offset = int.from_bytes(ip[6:8], "big")
    if ip[9] != 17 or flags_offset & 0x1fff:
        raise Passed
    return (IPV4, header, ip[12:16], ip[16:20], int.from_bytes(ip[2:4], "big"),
            bool(flags_offset & 0x2000))


def read_ipv6(ip):
    if len(ip) < 40:
        raise Dropped("short_frame")
    if ip[0] >> 4 != 6:
        raise Dropped("ip_header")
    header, fragment = 40, False
    if ip[6] == 44:
        if len(ip) < 48:
            raise Dropped("short_frame")
        if ip[40] != 17 or int.from_bytes(ip[42:44], "big") & 0xfff8:
            raise Passed
        header, fragment = 48, True
    elif ip[6] != 17:
        raise Passed
    return IPV6, header, ip[8:24], ip[24:40], 40 + int.from_bytes(ip[4:6], "big"), fragment


def read_ethernet(frame):
    """The IP packet and what reads it."""
    if len(frame) < 14:
        raise Dropped("short_frame")
    if frame[0] & 1:
        raise Passed
    at, kind = 14, frame[12:14]
    for _ in range(2):
        if kind in (b"\x81\x00", b"\x88\xa8"):
            if len(frame) < at + 4:
                raise Dropped("short_frame")
            at, kind = at + 4, frame[at + 2:at + 4]
    if kind == b"\x08\x00":
        return frame[at:], read_ipv4
    if kind == b"\x86\xdd":
        return frame[at:], read_ipv6
    raise Passed


def read_frame(frame, listen):
    """The datagram in a frame, if it is for one of `listen`: (family, address, port)."""
    ip, read = read_ethernet(frame)
    family, header, source, destination, total, fragment = read(ip)
    if len(ip) < header + 8:
        raise Dropped("short_frame")
    source_port, port, length = struct.unpack_from("!HHH", ip, header)
    if (family, destination, port) not in listen:
        raise Passed
    if fragment:
        raise Dropped("fragment")
    if total < header + 8 or total > len(ip):
        raise Dropped("ip_header")
    if length < 8 or header + length > total:
        raise Dropped("udp_length")
    if source_port == 0:
        raise Dropped("source_port")
    if not is_unicast(family, source) or source == destination or frame[6] & 1:
        raise Dropped("source_address")
    return Datagram(family, source, destination, source_port, header, ip[header + 8:header + length])


def read_request(datagram):
    """BEP 15: sets action and transaction."""
    payload = datagram.payload
    if len(payload) < 16:
        raise Dropped("short_request")
    identity, action, transaction = struct.unpack_from("!QII", payload)
    if action not in (CONNECT, ANNOUNCE, SCRAPE):
        raise Dropped("action")
    if action == CONNECT and identity != MAGIC:
        raise Dropped("magic")
    if len(payload) < {CONNECT: 16, ANNOUNCE: 98, SCRAPE: 36}[action]:
        raise Dropped("short_request")
    datagram.action, datagram.transaction = action, transaction


def options_fit(options):
    """BEP 41: a byte of kind; END and NOP alone, others with a byte of length and so many bytes."""
    at = 0
    while at < len(options) and options[at] != 0:
        if options[at] == 1:
            at += 1
            continue
        if at + 1 >= len(options) or at + 2 + options[at + 1] > len(options):
            return False
        at += 2 + options[at + 1]
    return True


# The tracker ------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Peer:
    seeder: bool
    seen: int
    counted: bool  # its download was


@dataclass(slots=True)
class Swarm:
    peers: dict = field(default_factory=dict)  # address and port as on the wire -> Peer
    seeders: int = 0
    completed: int = 0
    touched: int = 0

    @property
    def leechers(self):
        return len(self.peers) - self.seeders


EMPTY = Swarm()


class Tracker:
    def __init__(self, listen, now):
        self.listen = listen
        self.now = now
        self.settings = Settings()
        self.swarms = {}  # (family, info-hash) -> Swarm
        self.issued = {}  # (source, connection ID) -> epoch
        self.banned = []  # networks
        self.access_mode, self.access = OPEN, set()

    # Who may ask

    def note_issued(self, source, connection_id):
        self.issued[source, connection_id] = self.now // EPOCH_SECONDS

    def is_verified(self, request):
        epoch = self.issued.get((request.source, request.payload[:8]))
        return epoch is not None and self.now // EPOCH_SECONDS - epoch <= EPOCHS_HONOURED

    def is_banned(self, request):
        if not self.banned:
            return False
        address = ipaddress.ip_address(request.source)
        return any(address.version == network.version and address in network
                   for network in self.banned)

    # A burst

    def judge(self, frames):
        """Yields (number of the frame, what has to become of it) for frames that come together.

        Within a burst announces come before scrapes; else all is as if they had come one by one.
        What is yielded is true until the next is asked for.
        """
        scrapes = []
        for number, frame in enumerate(frames):
            try:
                outcome = self.admit(frame)
            except (Dropped, Passed) as verdict:
                yield number, verdict
                continue
            if isinstance(outcome, Connected):
                yield number, outcome
            elif outcome.action == ANNOUNCE:
                yield number, self.announce(outcome)
            else:
                scrapes.append((number, outcome))
        for number, request in scrapes:
            yield number, self.scrape(request)

    def admit(self, frame):
        request = read_frame(frame, self.listen)
        read_request(request)
        if self.is_banned(request):
            raise Dropped("banned")
        if request.action == CONNECT:
            return Connected(request)
        if not self.is_verified(request):
            raise Dropped("connection_id")
        return request

    # What is asked

    def wanted(self, request, num_want):
        settings = self.settings
        wanted = settings.numwant_default if num_want < 0 else num_want
        room = settings.mtu - request.header - 8 - 20
        return min(wanted, settings.numwant_max, max(room, 0) // PEER_SIZE[request.family])

    def announce(self, request):
        (_, _, _, info_hash, _, _, left, _, event, _, _, num_want, port) = \
            ANNOUNCE_HEAD.unpack_from(request.payload)
        if self.access_mode != OPEN and (info_hash in self.access) == (self.access_mode == DENY):
            return Refused(request, NOT_TRACKED)
        if not options_fit(request.payload[ANNOUNCE_HEAD.size:]):
            return Refused(request, BAD_OPTIONS)
        asker = request.source + port.to_bytes(2, "big")
        swarm = self.swarms.get((request.family, info_hash))
        if event == STOPPED:
            return self.stop(request, swarm, asker)
        if port == 0:  # can't be connected to: told of others, not kept
            swarm = swarm or Swarm()
            swarm.touched = self.now
        else:
            if swarm is None:
                swarm = self.swarms[request.family, info_hash] = Swarm()
            self.keep(swarm, asker, left == 0, event)
        return Announced(request, swarm, swarm.seeders, swarm.leechers, self.wanted(request, num_want),
                         asker, left == 0 or event == PAUSED)

    def keep(self, swarm, asker, seeder, event):
        peer = swarm.peers.get(asker)
        if peer is None:
            peer = swarm.peers[asker] = Peer(False, 0, False)
        swarm.seeders += seeder - peer.seeder
        peer.seeder, peer.seen = seeder, self.now
        if event == COMPLETED and seeder and not peer.counted:
            peer.counted = True
            swarm.completed += 1
        swarm.touched = self.now

    def stop(self, request, swarm, asker):
        if swarm is None:
            return Announced(request, EMPTY, 0, 0, 0, asker, False)
        peer = swarm.peers.pop(asker, None)
        if peer is not None:
            swarm.seeders -= peer.seeder
        swarm.touched = self.now
        return Announced(request, swarm, swarm.seeders, swarm.leechers, 0, asker, False)

    def scrape(self, request):
        hashes = request.payload[16:]
        count = len(hashes) // 20
        if count > SCRAPE_HASHES_MAX:
            return Refused(request, TOO_MANY_HASHES)
        rows = []
        for at in range(0, count * 20, 20):
            swarm = self.swarms.get((request.family, hashes[at:at + 20]), EMPTY)
            rows.append((swarm.seeders, swarm.completed, swarm.leechers))
        return Scraped(request, rows)

    # Time

    def expire(self):
        """Peers that have been silent for too long, and swarms that nobody needs, go."""
        settings = self.settings
        for key, swarm in list(self.swarms.items()):
            gone = [name for name, peer in swarm.peers.items()
                    if self.now - peer.seen > settings.peer_timeout]
            for name in gone:
                swarm.seeders -= swarm.peers.pop(name).seeder
            if not swarm.peers and (swarm.completed == 0 or
                                    self.now - swarm.touched > settings.torrent_timeout):
                del self.swarms[key]
        epoch = self.now // EPOCH_SECONDS
        self.issued = {key: issued for key, issued in self.issued.items()
                       if epoch - issued <= EPOCHS_HONOURED}

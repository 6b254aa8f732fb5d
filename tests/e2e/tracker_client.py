#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A client of UDP trackers (BEP 15, BEP 41), over IPv4 and IPv6. Standard library only.

As a module: `Tracker` speaks the protocol; the `*_request()` functions make its packets, also wrong
ones. On the command line:

    tracker_client.py announce udp://10.77.0.1:6969 INFO_HASH --port 6881 --left 0
    tracker_client.py scrape udp://[fd77::1]:6969 INFO_HASH...
"""

import argparse
import enum
import hashlib
import ipaddress
import os
import secrets
import socket
import struct
import sys
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

MAGIC = 0x41727101980
SCRAPE_HASHES_MAX = 74

# BEP 41 options.
OPTION_END, OPTION_NOP, OPTION_URL_DATA = 0, 1, 2

# ip(7), ipv6(7): lets a socket bind to an address that only a route makes local.
IP_FREEBIND, IPV6_FREEBIND = 15, 78


class Action(enum.IntEnum):
    CONNECT, ANNOUNCE, SCRAPE, ERROR = range(4)


class Event(enum.IntEnum):
    NONE, COMPLETED, STARTED, STOPPED = range(4)


class NoReply(Exception):
    """Nothing came back in time."""


class BadReply(Exception):
    """What came back is not what BEP 15 says."""


class TrackerError(Exception):
    """The tracker answered with an error message."""


@dataclass(frozen=True)
class AnnounceReply:
    interval: int  # seconds
    leechers: int
    seeders: int
    peers: list  # (address as text, port)


@dataclass(frozen=True)
class ScrapeRow:
    seeders: int
    completed: int
    leechers: int


# Packets ------------------------------------------------------------------------------------------


def new_transaction():
    return secrets.randbits(32)


def info_hash_of(name):
    """An info-hash for tests: the same for the same name."""
    return hashlib.sha1(str(name).encode()).digest()


def connect_request(transaction, magic=MAGIC):
    return struct.pack("!QII", magic, Action.CONNECT, transaction)


def announce_request(connection_id, transaction, info_hash, *, port=6881, left=1, event=Event.STARTED,
                     num_want=-1, peer_id=None, downloaded=0, uploaded=0, ip=0, key=0, options=b""):
    if peer_id is None:
        peer_id = b"-TC0001-" + info_hash[:12]
    return struct.pack("!QII20s20sQQQIIIiH", connection_id, Action.ANNOUNCE, transaction, info_hash,
                       peer_id, downloaded, left, uploaded, event, ip, key, num_want, port) + options


def scrape_request(connection_id, transaction, info_hashes):
    return struct.pack("!QII", connection_id, Action.SCRAPE, transaction) + b"".join(info_hashes)


def url_data_option(path):
    """BEP 41 URLData, in as many options as its length needs."""
    data, option = path.encode(), b""
    for start in range(0, len(data), 255):
        part = data[start:start + 255]
        option += bytes([OPTION_URL_DATA, len(part)]) + part
    return option + bytes([OPTION_END])


def parse_peers(data, family):
    size = 6 if family == socket.AF_INET else 18
    if len(data) % size:
        raise BadReply(f"{len(data)} bytes of peers are not a multiple of {size}")
    return [(socket.inet_ntop(family, data[at:at + size - 2]),
             int.from_bytes(data[at + size - 2:at + size], "big"))
            for at in range(0, len(data), size)]


# The conversation ---------------------------------------------------------------------------------


class Tracker:
    """One client of one tracker, from one socket.

    `source` is an (address, port) to ask from. Requests are repeated `tries` times, `timeout`
    seconds apart (BEP 15 says 15 s and more; these are for a tracker that is near).
    """

    def __init__(self, address, port=6969, source=None, timeout=1.0, tries=3):
        self.family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.address, self.port = address, port
        self.timeout, self.tries = timeout, tries
        self.connection_id = None
        self.socket = socket.socket(self.family, socket.SOCK_DGRAM)
        if source:
            if self.family == socket.AF_INET:
                self.socket.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
            else:
                self.socket.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
            self.socket.bind(source)
        # Connected: takes answers only from the very address and port that were asked.
        self.socket.connect((address, port))

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # Raw packets

    def send(self, packet):
        self.socket.send(packet)

    def receive(self, timeout=None):
        """The next packet, or NoReply."""
        self.socket.settimeout(self.timeout if timeout is None else timeout)
        try:
            return self.socket.recv(65536)
        except (TimeoutError, ConnectionRefusedError) as error:
            raise NoReply(f"{self.address}:{self.port}: {error}") from None

    def is_silent(self, packet, seconds=0.3):
        """True when `packet` gets no answer."""
        self.send(packet)
        try:
            self.receive(seconds)
        except NoReply:
            return True
        return False

    def ask(self, packet):
        """Sends a request and returns the payload of the reply, behind action and transaction."""
        action, transaction = struct.unpack_from("!II", packet, 8)
        for _ in range(self.tries):
            self.send(packet)
            deadline = time.monotonic() + self.timeout
            while (left := deadline - time.monotonic()) > 0:
                try:
                    reply = self.receive(left)
                except NoReply:
                    break
                if len(reply) < 8:
                    raise BadReply(f"{len(reply)} bytes")
                got_action, got_transaction = struct.unpack_from("!II", reply)
                if got_transaction != transaction:
                    continue  # an answer to an earlier try, or to somebody else
                if got_action == Action.ERROR:
                    raise TrackerError(reply[8:].rstrip(b"\0").decode(errors="replace"))
                if got_action != action:
                    raise BadReply(f"action {got_action} in reply to {action}")
                return reply[8:]
        raise NoReply(f"{self.address}:{self.port}: no reply to {self.tries} requests")

    # Requests

    def connect(self):
        reply = self.ask(connect_request(new_transaction()))
        if len(reply) != 8:
            raise BadReply(f"connect reply of {8 + len(reply)} bytes")
        self.connection_id = int.from_bytes(reply, "big")
        return self.connection_id

    def announce(self, info_hash, **fields):
        """Announces; `fields` are those of announce_request()."""
        if self.connection_id is None:
            self.connect()
        reply = self.ask(announce_request(self.connection_id, new_transaction(), info_hash, **fields))
        if len(reply) < 12:
            raise BadReply(f"announce reply of {8 + len(reply)} bytes")
        return AnnounceReply(*struct.unpack_from("!III", reply), parse_peers(reply[12:], self.family))

    def scrape(self, info_hashes):
        if self.connection_id is None:
            self.connect()
        reply = self.ask(scrape_request(self.connection_id, new_transaction(), info_hashes))
        if len(reply) != 12 * len(info_hashes):
            raise BadReply(f"scrape reply of {8 + len(reply)} bytes for {len(info_hashes)} hashes")
        return [ScrapeRow(*row) for row in struct.iter_unpack("!III", reply)]


# Command line -------------------------------------------------------------------------------------


def parse_url(text):
    url = urlsplit(text if "://" in text else f"udp://{text}")
    if url.scheme != "udp" or not url.hostname:
        raise argparse.ArgumentTypeError(f"'{text}' is not like udp://HOST:PORT")
    return url


def parse_info_hash(text):
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) != 20:
        raise argparse.ArgumentTypeError(f"'{text}' is not an info-hash of 40 hexadecimal digits")
    return value


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(description="Asks a UDP tracker (BEP 15).")
    parser.add_argument("--source", metavar="ADDRESS", help="address to ask from")
    parser.add_argument("--timeout", type=float, default=2.0, help="seconds to wait for each of 3 tries")
    commands = parser.add_subparsers(dest="command", required=True)

    connect = commands.add_parser("connect", help="get a connection ID")
    announce = commands.add_parser("announce", help="be a peer of a torrent, and get others")
    scrape = commands.add_parser("scrape", help="count the peers of torrents")
    for command in (connect, announce, scrape):
        command.add_argument("tracker", type=parse_url, metavar="udp://HOST:PORT")
    announce.add_argument("info_hash", type=parse_info_hash)
    announce.add_argument("--port", type=int, default=6881, help="where this peer listens (%(default)s)")
    announce.add_argument("--left", type=int, default=1, help="bytes to download yet; 0: a seeder (%(default)s)")
    announce.add_argument("--event", choices=[event.name.lower() for event in Event], default="started")
    announce.add_argument("--num-want", type=int, default=-1, help="peers wanted; -1: the tracker's default")
    scrape.add_argument("info_hash", type=parse_info_hash, nargs="+")
    return parser.parse_args(arguments)


def show_endpoint(address, port):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def run(arguments):
    url = arguments.tracker
    address = socket.getaddrinfo(url.hostname, None, type=socket.SOCK_DGRAM)[0][4][0]
    source = (str(ipaddress.ip_address(arguments.source)), 0) if arguments.source else None
    with Tracker(address, url.port or 6969, source, arguments.timeout) as tracker:
        print(f"connected, connection ID {tracker.connect():#018x}")
        if arguments.command == "announce":
            reply = tracker.announce(
                arguments.info_hash, port=arguments.port, left=arguments.left,
                event=Event[arguments.event.upper()], num_want=arguments.num_want,
                peer_id=b"-TC0001-" + os.urandom(12),
                options=url_data_option(url.path) if url.path else b"")
            print(f"announced: seeders {reply.seeders}, leechers {reply.leechers}, "
                  f"again in {reply.interval} s, peers told {len(reply.peers)}")
            for peer in reply.peers:
                print(f"  {show_endpoint(*peer)}")
        elif arguments.command == "scrape":
            for info_hash, row in zip(arguments.info_hash, tracker.scrape(arguments.info_hash)):
                print(f"{info_hash.hex()}: seeders {row.seeders}, leechers {row.leechers}, "
                      f"completed {row.completed}")


def main():
    try:
        run(parse_arguments(sys.argv[1:]))
    except (TrackerError, NoReply, BadReply, OSError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

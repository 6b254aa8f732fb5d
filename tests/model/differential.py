#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The same random requests to Muster's pipeline and to a model of a tracker; they have to agree.

    differential.py DRIVER [--requests N] [--seed N] [--workers N]

Compares every answer (kind, counts, errors, drops and their reasons, whom a reply may name and how
many), now and then all that the tables hold, and in the end whether peers were named evenly. Time is
virtual.
"""

import argparse
import ipaddress
import random
import struct
import subprocess
import sys
from collections import Counter

from tracker import (ANNOUNCE, CONNECT, DENY, ERROR, IPV4, IPV6, OPEN, PEER_SIZE, SCRAPE, Announced,
                     Connected, Dropped, Passed, Refused, Scraped, Settings, Tracker)
from traffic import CLIENTS, SERVER_PORT, SERVERS, Traffic, client_address
from uniformity import DRAWS_MIN, Ranks

START = 1000000  # the driver's clock
BURSTS = (1, 1, 2, 3, 8, 16, 33, 64)
SWEEP_SECONDS = 60
DUMP_EVERY = 10000  # requests
DRAWS = 1000  # of peers from a swarm, after a dump
CHANGE_EVERY = 4000
PUNTED, REPLIED = 100, 101

# Swarms by where they are stored (docs/architecture.md): up to so many peers, by family.
FORMS = (("inline", (3, 1)), ("block", (1536, 722)), ("directory", (1 << 32, 1 << 32)))

# A right tracker fails once in so many runs, for each of the tests of evenness.
P_MIN = 1e-6

TRANSFER_SWARM = struct.Struct("<20sHBBII")
TRANSFER_PEER = (struct.Struct("<6sBBI"), struct.Struct("<18sBBI"))
SEEDER, COUNTED = 1, 2
SWARMS_COUNTERS = struct.Struct("<13Q")


class Disagreement(Exception):
    pass


def expect(what, model, muster):
    if model != muster:
        raise Disagreement(f"{what}: {model} by the model, {muster} by Muster")


class Driver:
    """Muster, behind two pipes."""

    def __init__(self, path, workers):
        self.workers = workers
        self.process = subprocess.Popen([path, str(workers)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        self.drops = []
        while name := self.process.stdout.readline().strip():
            self.drops.append(name.decode())

    def send(self, *pieces):
        self.process.stdin.write(b"".join(pieces))

    def read(self, size):
        data = self.process.stdout.read(size)
        if len(data) < size:
            raise Disagreement(f"the driver ended with code {self.process.wait()}")
        return data

    def serve(self, frames, worker):
        """For each frame the reason of its drop, PUNTED, or its reply."""
        self.send(*(b"F" + struct.pack("<H", len(frame)) + frame for frame in frames),
                  bytes([ord("."), worker]))
        self.process.stdin.flush()
        outcomes = []
        for _ in frames:
            verdict, length = struct.unpack("<BH", self.read(3))
            if verdict >= REPLIED:
                outcomes.append(self.read(length))
            else:
                outcomes.append(PUNTED if verdict == PUNTED else self.drops[verdict])
        return outcomes

    def dump(self):
        """{(family, info-hash): (completed, {peer: (seeder, counted, seen)})}, levels, drops."""
        self.send(b"D")
        self.process.stdin.flush()
        swarms = {}
        while length := int.from_bytes(self.read(4), "little"):
            self.read_stream(self.read(length), swarms)
        counters = [SWARMS_COUNTERS.unpack(self.read(SWARMS_COUNTERS.size))
                    for _ in range(self.workers)]
        drops = struct.unpack(f"<{len(self.drops)}Q", self.read(8 * len(self.drops)))
        return swarms, [sum(each) for each in zip(*counters)], dict(zip(self.drops, drops))

    @staticmethod
    def read_stream(stream, swarms):
        at = 0
        while at < len(stream):
            info_hash, _, family, _, completed, peers = TRANSFER_SWARM.unpack_from(stream, at)
            at += TRANSFER_SWARM.size
            record = TRANSFER_PEER[family]
            _, members = swarms.setdefault((family, info_hash), (completed, {}))
            for peer, flags, _, seen in record.iter_unpack(stream[at:at + peers * record.size]):
                expect("a peer twice in a swarm", False, peer in members)
                members[peer] = (bool(flags & SEEDER), bool(flags & COUNTED), seen)
            at += peers * record.size

    def close(self):
        self.process.stdin.close()
        return self.process.wait(10)


class Differential:
    def __init__(self, driver, seed):
        self.random = random.Random(seed)
        self.driver = driver
        self.now = START
        self.swept = START
        listen = {(family, SERVERS[family], SERVER_PORT) for family in (IPV4, IPV6)}
        self.tracker = Tracker(listen, self.now)
        self.traffic = Traffic(self.random)
        self.traffic.now = self.now
        self.seen = Counter()
        self.drops = Counter()
        self.forms = {}  # (family, info-hash) of a big swarm -> form
        self.crossings = Counter()
        self.ranks = {}
        self.set_settings(Settings())
        self.driver.send(b"T", bytes(4))

    # The world around

    def set_settings(self, settings):
        self.tracker.settings = settings
        self.driver.send(b"S", settings.packed())

    def pass_time(self, seconds):
        self.now += seconds
        self.tracker.now = self.traffic.now = self.now
        self.driver.send(b"T", struct.pack("<I", seconds))
        if self.now - self.swept >= SWEEP_SECONDS:
            self.swept = self.now
            self.tracker.expire()
            self.driver.send(b"E", struct.pack("<H", self.random.choice((1, 3, 64, 1000))))
            for key in list(self.forms):
                self.note_form(key)

    def change(self):
        rng = self.random
        self.set_settings(Settings(
            interval=rng.choice((1800, 900)), interval_jitter=rng.choice((0, 60, 300)),
            numwant_default=rng.choice((50, 30)), numwant_max=rng.choice((200, 74, 1000, 0)),
            peer_timeout=rng.choice((900, 2000, 4000)), torrent_timeout=rng.choice((600, 8000)),
            mtu=rng.choice((1500, 1500, 1280, 576)), draining=rng.random() < 0.2))
        self.change_access()
        self.change_bans()
        if rng.random() < 0.2:
            self.pass_time(rng.choice((130, 500, 1500, 4500)))

    def change_access(self):
        mode = self.random.choice((OPEN, OPEN, OPEN, DENY))
        listed = {crowd.info_hash for kind in self.traffic.crowds for crowd in kind[1:150:3]}
        if mode == OPEN and self.random.random() < 0.2:  # all but a few
            mode, listed = 1, {crowd.info_hash for kind in self.traffic.crowds for crowd in kind}
            listed -= set(self.random.sample(sorted(listed), 50000))
        self.set_access(mode, listed)

    def set_access(self, mode, listed):
        sent = sorted(listed)[:60000]
        self.tracker.access_mode, self.tracker.access = mode, set(sent)
        self.driver.send(b"A", struct.pack("<BH", mode, len(sent)), *sent)

    def change_bans(self):
        rng = self.random
        banned = []
        for _ in range(rng.choice((0, 0, 1, 4))):
            family = rng.randrange(2)
            address = client_address(family, rng.randrange(CLIENTS[family]))
            length = rng.choice(((32, 31, 29), (128, 127, 125))[family])
            banned.append(ipaddress.ip_network((address, length), strict=False))
        self.set_bans(banned)

    def set_bans(self, banned):
        self.tracker.banned = banned
        self.driver.send(b"B", struct.pack("<H", len(banned)), *(
            struct.pack("<BB16s", network.version, network.prefixlen, network.network_address.packed)
            for network in banned))

    # One answer

    def check(self, outcome, got):
        kind = type(outcome).__name__
        self.seen[kind] += 1
        if isinstance(outcome, Dropped):
            self.drops[str(outcome)] += 1
            return expect("drop", str(outcome), got)
        if isinstance(outcome, Passed):
            return expect("for the kernel", PUNTED, got)
        if not isinstance(got, bytes):
            raise Disagreement(f"{kind} by the model, {got} by Muster")
        payload = self.check_headers(outcome.request, got)
        action, transaction = struct.unpack_from("!II", payload)
        expect("transaction", outcome.request.transaction, transaction)
        expect("action", {Connected: CONNECT, Announced: ANNOUNCE, Scraped: SCRAPE,
                          Refused: ERROR}[type(outcome)], action)
        getattr(self, f"check_{kind.lower()}")(outcome, payload[8:])

    def check_headers(self, request, frame):
        """Back the way it came; returns what is in it."""
        ip = frame[14:]
        header = 20 if request.family == IPV4 else 40
        where = slice(12, 20) if request.family == IPV4 else slice(8, 40)
        expect("addresses", request.destination + request.source, ip[where])
        ports = struct.unpack_from("!HH", ip, header)
        expect("ports", (SERVER_PORT, request.source_port), ports)
        expect("UDP length", len(ip) - header, int.from_bytes(ip[header + 4:header + 6], "big"))
        return ip[header + 8:]

    def check_connected(self, outcome, body):
        expect("bytes of a connect reply", 8, len(body))
        self.tracker.note_issued(outcome.request.source, body)
        self.traffic.note_issued(outcome.request.family, outcome.request.source, body)

    def check_refused(self, outcome, body):
        expect("error", outcome.message, body)

    def check_scraped(self, outcome, body):
        expect("rows", outcome.rows, list(struct.iter_unpack("!III", body)))

    def check_announced(self, outcome, body):
        settings = self.tracker.settings
        interval, leechers, seeders = struct.unpack_from("!III", body)
        expect("leechers", outcome.leechers, leechers)
        expect("seeders", outcome.seeders, seeders)
        if settings.draining:
            expect("interval", settings.interval + settings.interval_jitter, interval)
        elif abs(interval - settings.interval) > settings.interval_jitter:
            raise Disagreement(f"interval {interval} is not {settings.interval} +- "
                               f"{settings.interval_jitter}")
        size = PEER_SIZE[outcome.request.family]
        expect("bytes behind the last peer", 0, (len(body) - 12) % size)
        self.check_peers(outcome, [body[at:at + size] for at in range(12, len(body), size)])

    def check_peers(self, outcome, told):
        peers, asker = outcome.swarm.peers, outcome.asker
        here = asker in peers
        seeders = 0 if outcome.told_leechers_only else outcome.seeders - (here and peers[asker].seeder)
        leechers = outcome.leechers - (here and not peers[asker].seeder)
        expect("number of peers", min(outcome.wanted, seeders + leechers), len(told))
        expect("peers told twice", 0, len(told) - len(set(told)))
        expect("told of himself", False, asker in told)
        expect("strangers told of", [], [peer for peer in told if peer not in peers])
        if told and len(told) < seeders + leechers:
            self.check_share(outcome, told, seeders, seeders + leechers)
        self.note_form((outcome.request.family, outcome.request.payload[16:36]))
        self.told = told

    @staticmethod
    def check_share(outcome, told, seeders, others):
        """Each kind as often as it is there."""
        share = len(told) * seeders / others
        told_seeders = sum(outcome.swarm.peers[peer].seeder for peer in told)
        if abs(told_seeders - share) >= 1:
            raise Disagreement(f"{told_seeders} seeders told of, {share:.2f} would be their share")

    # Storage

    @staticmethod
    def form_of(family, peers):
        return next(name for name, most in FORMS if peers <= most[family])

    def note_form(self, key):
        """Counts how often swarms went from one form to another."""
        swarm = self.tracker.swarms.get(key)
        form = self.form_of(key[0], len(swarm.peers) if swarm else 0)
        former = self.forms.get(key, "inline")
        if form != former:
            self.crossings[key[0], former, form] += 1
        if form == "inline":
            self.forms.pop(key, None)
        else:
            self.forms[key] = form

    def compare_tables(self):
        """All that is stored; returns Muster's."""
        swarms, levels, drops = self.driver.dump()
        model = {key: (swarm.completed, {name: (peer.seeder, peer.counted, peer.seen)
                                         for name, peer in swarm.peers.items()})
                 for key, swarm in self.tracker.swarms.items() if swarm.peers or swarm.completed}
        swarms = {key: value for key, value in swarms.items() if value[1] or value[0]}
        expect("swarms that only one has", set(), set(model) ^ set(swarms))
        for key in model:
            expect(f"swarm {key[1].hex()}, family {key[0]}", model[key], swarms[key])
        for family in (IPV4, IPV6):
            held = [swarm for key, swarm in self.tracker.swarms.items() if key[0] == family]
            expect("peers counted", sum(len(swarm.peers) for swarm in held), levels[2 + family])
            expect("seeders counted", sum(swarm.seeders for swarm in held), levels[4 + family])
        expect("evicted and refused", (0, 0), tuple(levels[6:8]))
        expect("drops counted", +self.drops, +Counter(drops))
        return swarms

    # Evenness

    def draw_peers(self, swarms):
        """Asks again and again, of a swarm in each form; `swarms` are in the order of storage."""
        self.set_settings(Settings())
        self.set_access(OPEN, set())
        self.set_bans([])
        for family in (IPV4, IPV6):
            for form, _ in FORMS:
                those = [key for key, (_, members) in swarms.items() if key[0] == family
                         and len(members) > 2 and self.form_of(family, len(members)) == form]
                if those:
                    key = max(self.random.choices(those, k=3), key=lambda key: len(swarms[key][1]))
                    self.draw_from(key, list(swarms[key][1]), form)

    def draw_from(self, key, stored, form):
        peers = self.tracker.swarms[key].peers
        asker = self.random.choice(stored)
        all_kinds = not peers[asker].seeder
        might = [peer for peer in stored if peer != asker and (all_kinds or not peers[peer].seeder)]
        rank = {peer: at for at, peer in enumerate(might)}
        ranks = self.ranks.setdefault((form, ("IPv4", "IPv6")[key[0]]), Ranks())
        for _ in range(DRAWS if len(might) > 1 else 0):
            num_want = self.random.choice((1, 1, 2, 3))
            self.exchange([self.traffic.ask(*key, asker, not all_kinds, num_want)])
            if 0 < len(self.told) < len(might):
                ranks.add(rank[self.random.choice(self.told)], len(might), self.random)

    # All of it

    def burst(self, size):
        self.exchange([self.traffic.next() for _ in range(size)])
        if self.random.random() < 0.5:
            self.pass_time(1)

    def exchange(self, frames):
        self.told = []
        got = self.driver.serve(frames, self.random.randrange(self.driver.workers))
        for number, outcome in self.tracker.judge(frames):
            try:
                self.check(outcome, got[number])
            except Disagreement as error:
                error.frame = frames[number]
                raise

    def run(self, requests):
        done = dumped = changed = 0
        while done < requests:
            size = min(self.random.choice(BURSTS), requests - done)
            self.burst(size)
            done += size
            if done - changed >= CHANGE_EVERY:
                changed = done
                self.change()
            if done - dumped >= DUMP_EVERY or done == requests:
                dumped = done
                self.draw_peers(self.compare_tables())

    def check_evenness(self):
        """Returns the lowest p of all tests."""
        lowest = 1
        for key, ranks in sorted(self.ranks.items()):
            if ranks.draws >= DRAWS_MIN:
                lowest = min(lowest, ranks.p())
                if ranks.p() < P_MIN:
                    raise Disagreement(f"peers of a {' '.join(key)} are not told of evenly: "
                                       f"p = {ranks.p():.1e}, {ranks.bins}")
        return lowest

    def check_crossings(self):
        """Each form was reached from below and left downwards."""
        for family in (IPV4, IPV6):
            for way in (("inline", "block"), ("block", "inline"), ("block", "directory")):
                if not self.crossings[(family, *way)]:
                    raise Disagreement(f"the stream took no swarm from {way[0]} to {way[1]}")
            if not self.crossings[family, "directory", "block"] + \
                    self.crossings[family, "directory", "inline"]:
                raise Disagreement("the stream took no swarm out of a directory")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("driver")
    parser.add_argument("--requests", type=int, default=80000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    driver = Driver(arguments.driver, arguments.workers)
    differential = Differential(driver, arguments.seed)
    try:
        differential.run(arguments.requests)
        lowest = differential.check_evenness()
        differential.check_crossings()
        expect("the driver's exit code", 0, driver.close())
    except Disagreement as error:
        frame = getattr(error, "frame", b"").hex()
        print(f"{error}\nafter {sum(differential.seen.values())} requests, seed {arguments.seed}"
              f"{', by the frame ' + frame if frame else ''}")
        return 1
    kinds = ", ".join(f"{count} {kind.lower()}" for kind, count in differential.seen.most_common())
    print(f"seed {arguments.seed}, {arguments.workers} workers: all agree: {kinds}; {differential.now - START} s "
          f"passed; drops: "
          f"{', '.join(f'{count} {name}' for name, count in differential.drops.most_common())}; "
          f"{len(differential.ranks)} tests of evenness, lowest p {lowest:.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

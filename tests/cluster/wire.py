# SPDX-License-Identifier: BSD-3-Clause
"""Many announces over the wire, and what the trackers that they went to hand out."""

import struct
import threading
import time

from testbed import merged
from tracker_client import Event, announce_request, info_hash_of

WINDOW = 64         # announces without a reply
HASHES_A_SCRAPE = 50
REPLY_SECONDS = 2.0


def fleet_settings(cluster, number, key_file, **more):
    """Of appliance `number` of a fleet that keeps its swarms in that cluster."""
    return merged({
        "store": {"type": "redis", "interval": "2s"},
        "redis": {"nodes": cluster.addresses()},
        "fleet": {"enabled": True, "number": number, "name": f"member-{number}", "retention": "1m"},
        "connection_id": {"key_file": str(key_file)},
        "limits": {"request_address": 0, "request_network": 0, "connect_address": 0, "connect_network": 0},
        "workers": {"cores": [number % 2], "control_core": (number + 1) % 2},
    }, more)


class Swarms:
    """Peers of some torrents: who is there, by (torrent, port) of one client address each."""

    def __init__(self, name, torrents):
        self.hashes = [info_hash_of(f"{name} {number}") for number in range(torrents)]
        self.here = [set() for _ in self.hashes]

    def count(self):
        return sum(map(len, self.here))

    def announce(self, tracker, who, peers, event=Event.STARTED):
        """All of `peers`, numbers that tell torrent and port; waits for all replies. Returns the longest wait."""
        if tracker.connection_id is None:
            tracker.connect()
        longest, peers = 0.0, list(peers)
        for start in range(0, len(peers), WINDOW):
            longest = max(longest, self._announce_window(tracker, who, peers[start:start + WINDOW], event))
        return longest

    def _announce_window(self, tracker, who, peers, event):
        sent = time.monotonic()
        for peer in peers:
            torrent, port = peer % len(self.hashes), 1024 + peer // len(self.hashes)
            tracker.send(announce_request(tracker.connection_id, peer, self.hashes[torrent], port=port,
                                          left=peer % 3, event=event, num_want=0))
            if event == Event.STOPPED:
                self.here[torrent].discard((who, port))
            else:
                self.here[torrent].add((who, port))
        unanswered = set(peers)
        while unanswered:
            action, transaction = struct.unpack_from("!II", tracker.receive(REPLY_SECONDS))
            assert action == 1
            unanswered.discard(transaction)
        return time.monotonic() - sent

    def known_at(self, tracker):
        """How many peers of each torrent the tracker counts."""
        counts = []
        for start in range(0, len(self.hashes), HASHES_A_SCRAPE):
            rows = tracker.scrape(self.hashes[start:start + HASHES_A_SCRAPE])
            counts += [row.seeders + row.leechers for row in rows]
        return counts

    def are_known_at(self, tracker):
        return self.known_at(tracker) == [len(here) for here in self.here]

    def difference_at(self, tracker):
        """In words, what the tracker counts wrongly."""
        apart = [known - len(here) for known, here in zip(self.known_at(tracker), self.here)]
        return (f"{sum(one for one in apart if one > 0)} too many, {-sum(one for one in apart if one < 0)} missing,"
                f" in {len(apart) - apart.count(0)} of {len(apart)} torrents")

    def missing_at(self, tracker):
        return sum(max(len(here) - known, 0) for here, known in zip(self.here, self.known_at(tracker)))


class Load(threading.Thread):
    """Announces again and again the peers that are there already, as clients do, until stopped."""

    def __init__(self, tracker, swarms, who, peers):
        super().__init__(daemon=True)
        self.tracker, self.swarms, self.who, self.peers = tracker, swarms, who, peers
        self.announced, self.longest, self.error = 0, 0.0, None
        self.over = threading.Event()

    def run(self):
        try:
            while not self.over.is_set():
                self.longest = max(self.longest, self.swarms.announce(self.tracker, self.who, self.peers))
                self.announced += len(self.peers)
                self.over.wait(0.05)
        except Exception as error:  # told by stop()
            self.error = error

    def stop(self):
        self.over.set()
        self.join()
        if self.error:
            raise self.error

# SPDX-License-Identifier: BSD-3-Clause
"""Access lists of a million lines, loaded while clients announce."""

import os
import threading
import time

import pytest

from musterctl import OK, REFUSED, musterctl
from tracker_client import TrackerError, info_hash_of

LINES = 1_000_000
CLIENTS = 4

# What anybody is kept waiting at most, on a machine that may be busy.
LATE_SECONDS = 1.0

ALLOWED, OTHER = info_hash_of("allowed"), info_hash_of("other")


@pytest.fixture(scope="module")
def million(tmp_path_factory):
    """A list of a million lines with one of ours in the middle, and the same with a wrong last line."""
    hashes = os.urandom(20 * LINES).hex()
    lines = [hashes[at:at + 40] for at in range(0, len(hashes), 40)]
    lines[LINES // 2] = ALLOWED.hex()
    folder = tmp_path_factory.mktemp("lists")
    good, bad = folder / "good", folder / "bad"
    good.write_text("\n".join(lines) + "\n")
    bad.write_text("\n".join(lines[:-1]) + "\nbanana\n")
    return good, bad


class Crowd:
    """Clients that announce both torrents in turns, each the next when the last was answered."""

    def __init__(self, testbed):
        self.ended = threading.Event()
        self.problems = []
        self.slowest = 0.0
        self.answers = [[] for _ in range(CLIENTS)]  # (begun, of our torrent, accepted)
        # A request that is lost is a problem: there is no second try.
        self.trackers = [testbed.tracker(client=client, tries=1, timeout=2) for client in range(CLIENTS)]
        self.threads = [threading.Thread(target=self._announce, args=(client,)) for client in range(CLIENTS)]

    def _announce(self, client):
        try:
            while not self.ended.is_set():
                for info_hash in (ALLOWED, OTHER):
                    self._announce_once(self.trackers[client], client, info_hash)
        except Exception as error:  # told by the test's own thread
            self.problems.append(error)

    def _announce_once(self, tracker, client, info_hash):
        begun = time.monotonic()
        try:
            tracker.announce(info_hash)
            accepted = True
        except TrackerError:
            accepted = False
        self.slowest = max(self.slowest, time.monotonic() - begun)
        self.answers[client].append((begun, info_hash == ALLOWED, accepted))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        for thread in self.threads:
            thread.join()
        for tracker in self.trackers:
            tracker.close()

    def changes(self, ours):
        """How often a client's answers changed for that torrent, of each client."""
        told = [[accepted for _, mine, accepted in answers if mine == ours] for answers in self.answers]
        return [sum(a != b for a, b in zip(one, one[1:])) for one in told]


def test_a_million_lines_are_swapped_in_at_once_and_nobody_waits(testbed, million):
    good, bad = million
    with testbed.running({"limits": {"request_address": 0, "request_network": 0}}) as daemon:
        with Crowd(testbed) as crowd:
            daemon.call("access.load", file=str(good))
            assert daemon.call("access.show")["entries"] == LINES
            daemon.call("access.mode", mode="allow")
            time.sleep(0.5)
            done = musterctl(daemon, "access", "load", bad)
            assert done.status == REFUSED
            assert f"{bad}:{LINES}: expected 40 hexadecimal digits" in done.errors
            time.sleep(0.5)
            assert daemon.call("access.show")["entries"] == LINES
            assert musterctl(daemon, "access", "load", good).status == OK
            time.sleep(0.5)
        assert not crowd.problems
        assert crowd.slowest < LATE_SECONDS
        # Each client's own is accepted all along, the other until the list is in force, and never after.
        assert crowd.changes(True) == [0] * CLIENTS
        assert crowd.changes(False) == [1] * CLIENTS
        assert all(len(answers) > 200 for answers in crowd.answers)


def test_the_daemon_answers_while_a_million_bad_lines_are_read(testbed, tmp_path):
    bad = tmp_path / "bad"
    bad.write_text("not a hash\n" * LINES)
    with testbed.running() as daemon:
        refused = []
        loader = threading.Thread(target=lambda: refused.append(musterctl(daemon, "access", "load", bad)))
        loader.start()
        slowest = 0.0
        while loader.is_alive():
            begun = time.monotonic()
            daemon.call("status")
            slowest = max(slowest, time.monotonic() - begun)
        assert slowest < LATE_SECONDS
        assert refused[0].status == REFUSED
        assert f"{bad}:1: expected 40 hexadecimal digits" in refused[0].errors
        assert f"and {LINES - 5} more wrong lines" in refused[0].errors
        assert len(refused[0].errors) < 2000

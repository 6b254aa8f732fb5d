# SPDX-License-Identifier: BSD-3-Clause
"""Two BitTorrent clients that nobody here wrote find each other through Muster, and only through it,
and one gets a file from the other."""

import hashlib
import json
import os
import subprocess
import threading
import time
from pathlib import Path

import pytest

import sandbox
from sandbox import Lan, Namespace
from testbed import PORT, Musterd, wait_until
from tracker_client import Tracker

libtorrent = pytest.importorskip("libtorrent")

FILE_SIZE = 8 * 1024 * 1024
PIECE_SIZE = 64 * 1024
SECONDS = 60

# Short, so that whoever announced first soon hears of the other.
SETTINGS = {"tracker": {"interval": 5, "interval_jitter": 0, "interval_max": 5, "peer_timeout": 60}}

PEER_PROGRAM = Path(__file__).with_name("torrent_peer.py")


class TorrentPeer:
    """A libtorrent process in a namespace; `events` is what it told."""

    def __init__(self, namespace, torrent, folder, address, port):
        self.events = []
        self.process = namespace.popen("/usr/bin/python3", PEER_PROGRAM, torrent, folder, address, port,
                                       stdout=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.events.append(json.loads(line))

    def told(self, event):
        return next((told for told in self.events if told["event"] == event), None)

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
        self._reader.join(5)


@pytest.fixture(scope="module")
def lan():
    """An appliance and two machines, each in a namespace of its own, on one bridge."""
    lan = Lan(sandbox.enter())
    machines = [Namespace("machine1"), Namespace("machine2")]
    for number, machine in enumerate(machines):
        lan.join(machine, 11 + number)
    lan.machines = machines
    yield lan
    for machine in machines:
        machine.delete()
    lan.delete()


@pytest.fixture(scope="module")
def musterd(lan):
    daemon = Musterd(lan.appliance, [lan], SETTINGS).start()
    yield daemon
    try:
        daemon.stop()
    finally:
        daemon.close()


def make_torrent(folder, url):
    """A file of random bytes in `folder`, and its torrent beside the folder: (torrent, info-hash)."""
    (folder / "file.bin").write_bytes(os.urandom(FILE_SIZE))
    files = libtorrent.file_storage()
    libtorrent.add_files(files, str(folder / "file.bin"))
    creator = libtorrent.create_torrent(files, PIECE_SIZE, libtorrent.create_torrent.v1_only)
    creator.set_priv(True)
    creator.add_tracker(url)
    libtorrent.set_piece_hashes(creator, str(folder))
    torrent = folder.parent / "file.torrent"
    torrent.write_bytes(libtorrent.bencode(creator.generate()))
    info_hash = libtorrent.torrent_info(str(torrent)).info_hashes().v1
    return torrent, info_hash.to_bytes()


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_file_arrives(lan, musterd, family, tmp_path):
    address = lan.address(family)
    host = f"[{address}]" if family == 6 else address
    have, want = tmp_path / "have", tmp_path / "want"
    have.mkdir()
    want.mkdir()
    torrent, info_hash = make_torrent(have, f"udp://{host}:{PORT}/announce")

    seeder = TorrentPeer(lan.machines[0], torrent, have, lan.machine_address(11, family), 6881)
    leecher = None
    try:
        wait_until(lambda: seeder.told("tracker"), SECONDS, what="the seeder has announced")
        leecher = TorrentPeer(lan.machines[1], torrent, want, lan.machine_address(12, family), 6882)
        wait_until(lambda: leecher.told("finished"), SECONDS, what="the leecher has the file")
        assert leecher.told("tracker")["peers"] >= 1
        assert not leecher.told("hash failed")
        assert digest(want / "file.bin") == digest(have / "file.bin")

        # The tracker has counted the download, and knows two seeders.
        with lan.machines[0]:
            tracker = Tracker(address)
        with tracker:
            def counted():
                row, = tracker.scrape([info_hash])
                return (row.seeders, row.completed, row.leechers) == (2, 1, 0)
            wait_until(counted, 20, what="two seeders and one download")
    finally:
        for peer in (seeder, leecher):
            if peer:
                peer.stop()
    assert leecher.told("ended")["downloaded"] >= FILE_SIZE
    assert seeder.told("ended")["uploaded"] >= FILE_SIZE


def test_without_the_tracker_they_do_not_meet(lan, tmp_path):
    """The proof that nothing else brought them together."""
    have, want = tmp_path / "have", tmp_path / "want"
    have.mkdir()
    want.mkdir()
    torrent, _ = make_torrent(have, f"udp://{lan.address(4)}:{PORT + 1}/announce")
    peers = [TorrentPeer(lan.machines[0], torrent, have, lan.machine_address(11), 6881),
             TorrentPeer(lan.machines[1], torrent, want, lan.machine_address(12), 6882)]
    try:
        time.sleep(8)
        assert not peers[1].told("finished")
    finally:
        for peer in peers:
            peer.stop()
    assert peers[1].told("ended")["downloaded"] == 0

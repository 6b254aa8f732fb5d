# SPDX-License-Identifier: BSD-3-Clause
"""Keys of connection IDs: kept, rotated, and replaced while clients go on announcing."""

import re
import secrets
import signal
import stat
import time

import pytest

from testbed import wait_until
from tracker_client import Tracker

EPOCH_SECONDS = 60
FILE = re.compile(r"muster-secrets 1\ncurrent (\d+) (\w{32})\nprevious (\d+) (\w{32})\nswarms \w{384}\n")


def epoch():
    return int(time.time()) // EPOCH_SECONDS


def key_file(current, previous, swarms):
    """The file's text; keys are (since, 32 hexadecimal digits)."""
    return (f"muster-secrets 1\ncurrent {current[0]} {current[1]}\n"
            f"previous {previous[0]} {previous[1]}\nswarms {swarms}\n")


def write_key_file(musterd, *keys):
    path = musterd.directory / "connection-id.key"
    path.write_text(key_file(*keys))
    path.chmod(0o600)
    return path


@pytest.fixture
def musterd(testbed):
    """Not yet started."""
    daemon = testbed.daemon()
    yield daemon
    testbed.discard(daemon)


def test_keys_are_made_for_the_owner_alone_and_kept(musterd, testbed):
    path = musterd.directory / "connection-id.key"
    musterd.start()
    text = path.read_text()
    assert FILE.fullmatch(text)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    musterd.restart()
    assert path.read_text() == text
    musterd.stop()


def test_a_due_rotation_is_made_and_written(musterd, testbed, info_hash):
    musterd.configure({"connection_id": {"rotation": "5m"}})
    old = (epoch() - 5, secrets.token_hex(16))
    path = write_key_file(musterd, old, (0, secrets.token_hex(16)), secrets.token_hex(192))
    musterd.start()
    wait_until(lambda: "new key for connection IDs" in musterd.log())
    since, key, previous_since, previous = FILE.fullmatch(path.read_text()).groups()
    assert (int(previous_since), previous) == old
    assert key != previous
    assert epoch() + 1 <= int(since) <= epoch() + 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with testbed.tracker() as tracker:
        assert tracker.announce(info_hash).leechers == 1
    musterd.stop()


def test_two_appliances_with_one_file_honour_each_others_ids(testbed, info_hash):
    first = testbed.daemon(ports=testbed.links[:1])
    second = testbed.daemon(ports=testbed.links[1:])
    keys = ((epoch() - 1, secrets.token_hex(16)), (0, secrets.token_hex(16)), secrets.token_hex(192))
    for daemon in (first, second):
        write_key_file(daemon, *keys)
        daemon.start()
    source = (testbed.links[0].client_address(), 0)
    with testbed.clients:
        here, there = (Tracker(link.address(), source=source) for link in testbed.links)
    with here, there:
        there.connection_id = here.connect()
        assert there.announce(info_hash).leechers == 1
    for daemon in (first, second):
        daemon.stop()
        testbed.discard(daemon)


class Announcer:
    """A client that keeps its ID for two minutes, and announces with it."""

    def __init__(self, tracker):
        self.tracker, self.connected = tracker, None

    def act(self, info_hash):
        if self.connected is None or time.monotonic() - self.connected >= 2 * EPOCH_SECONDS:
            self.tracker.connect()
            self.connected = time.monotonic()
        self.tracker.announce(info_hash)


@pytest.mark.drill
@pytest.mark.parametrize("answer_connect", [True, False], ids=["xdp", "workers"])
def test_a_new_key_loses_no_client(testbed, info_hash, answer_connect):
    """The new key is there, but signs only from the next epoch on: both sides change over at once."""
    musterd = testbed.daemon({"xdp": {"answer_connect": answer_connect}})
    old, swarms = (epoch() - 9, secrets.token_hex(16)), secrets.token_hex(192)
    write_key_file(musterd, old, (0, secrets.token_hex(16)), swarms)
    musterd.start()
    clients = [Announcer(testbed.tracker(client=number, family=family))
               for number in range(1, 4) for family in (4, 6)]
    for client in clients[:3]:
        client.act(info_hash)  # with an ID of the old key, up to the end
    new = (epoch() + 1, secrets.token_hex(16))
    write_key_file(musterd, new, old, swarms)
    musterd.signal(signal.SIGHUP)
    end = new[0] * EPOCH_SECONDS + 15
    count = 0
    while time.time() < end:
        for client in clients[:3] if time.time() < end - 10 else clients:
            client.act(info_hash)
            count += 1
        time.sleep(0.01)
    assert epoch() == new[0]
    assert musterd.dropped("connection_id") == 0
    for client in clients:
        client.tracker.close()
    print(f"{count} announces")
    musterd.stop()
    testbed.discard(musterd)

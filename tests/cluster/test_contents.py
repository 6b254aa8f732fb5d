# SPDX-License-Identifier: BSD-3-Clause
"""What others have left under our keys: other types, damaged bytes, a newer version's."""

import pytest
import xxhash

from drill import Clients, member_key, stream_key, wait_until

APPLIANCE = 0
REFRESH = 3  # seconds within which every chunk is written anew


@pytest.fixture
def populated(start):
    """An appliance whose peers of 500 torrents are stored."""
    appliance, clients = start("--refresh", REFRESH), Clients()
    appliance.wait_until_serving()
    for torrent in range(500):
        clients.join(appliance, torrent, range(3))
    appliance.wait_until_stored()
    return appliance, clients


def stored_chunks(cluster):
    """Keys of the chunks that are stored."""
    keys = (key for node in cluster.roles() for key in node.call("KEYS", f"*:s:{APPLIANCE}:*"))
    return sorted(key.decode() for key in keys)


def with_version(value, version):
    """The same bytes as another version would have written them, intact."""
    head = value[:4] + version.to_bytes(2, "little") + value[6:8]
    seed = int.from_bytes(head, "little")
    return head + xxhash.xxh64_intdigest(value[16:], seed=seed).to_bytes(8, "little") + value[16:]


def missing(appliance, clients):
    return sum(len(here - appliance.peers(torrent)) for torrent, here in clients.here.items())


def damage(redis, key):
    value = bytearray(redis("GET", key))
    value[len(value) // 2] ^= 1
    redis("SET", key, bytes(value))


def change_type(redis, key):
    redis("DEL", key)
    redis("LPUSH", key, "somebody else's")


@pytest.mark.parametrize("spoil, kind", [(damage, "damaged"), (change_type, "foreign")])
def test_spoilt_chunks_are_skipped_and_written_anew(cluster, redis, populated, spoil, kind):
    appliance, clients = populated
    appliance.kill()
    victims = stored_chunks(cluster)[:5]
    for key in victims:
        spoil(redis, key)
    appliance.start()
    status = appliance.wait_until_serving()
    assert status[f"chunks_{kind}"] == len(victims)
    assert appliance.log().count(f"is skipped: it is {kind}") == len(victims), "each is named"
    lost = missing(appliance, clients)
    assert 0 < lost < 100, "what else was stored is there"
    for torrent in clients.here:  # clients announce again, as they do
        clients.join(appliance, torrent, range(3))
    appliance.wait_until_stored()
    appliance.restart()
    status = appliance.wait_until_serving()
    assert status[f"chunks_{kind}"] == 0
    clients.check(appliance)


@pytest.mark.drill
@pytest.mark.parametrize("spoil", [damage, change_type])
def test_chunks_spoilt_under_a_living_appliance_are_healed(cluster, redis, populated, spoil):
    appliance, clients = populated
    for key in stored_chunks(cluster)[:5]:
        spoil(redis, key)
    written = appliance.status()["written"]
    chunks = len(stored_chunks(cluster))
    appliance.wait(lambda status: status["written"] >= written + 2 * chunks, 4 * REFRESH + 10,
                   "all are written anew")
    appliance.restart()
    status = appliance.wait_until_serving()
    assert status["chunks_damaged"] == status["chunks_foreign"] == 0
    clients.check(appliance)


def test_newer_version_is_never_overwritten(cluster, redis, populated):
    appliance, clients = populated
    appliance.kill()
    newer = {key: with_version(redis("GET", key), 2) for key in stored_chunks(cluster)[:5]}
    for key, value in newer.items():
        redis("SET", key, value)
    appliance.start()
    status = appliance.wait_until_serving()
    assert status["chunks_newer"] == status["newer_kept"] == len(newer)
    assert appliance.log().count("won't be overwritten") == len(newer), "each is named"
    for torrent in clients.here:
        clients.join(appliance, torrent, range(4))
    appliance.call("snapshot")
    appliance.wait_for_pass()
    appliance.wait_for_pass()  # longer than REFRESH
    appliance.quit()
    assert {key: redis("GET", key) for key in newer} == newer
    # Once it is gone, ours is written in its place.
    for key in newer:
        redis("DEL", key)
    appliance.start()
    appliance.wait_until_serving()
    for torrent in clients.here:
        clients.join(appliance, torrent, range(4))
    appliance.wait_until_stored()
    appliance.restart()
    assert appliance.wait_until_serving()["chunks_newer"] == 0
    clients.check(appliance)


def test_foreign_type_in_place_of_a_stream(redis, start_fleet):
    teller, reader = start_fleet(2)
    clients = Clients()
    key = stream_key(0, 0)
    redis("DEL", key)
    redis("SET", key, "somebody else's")
    clients.join(teller, 1, range(100))
    teller.wait(lambda status: "WRONGTYPE" in status["fleet"]["publish_error"], 10, "it is told so")
    reader.wait(lambda status: status["fleet"]["members"]["0"]["errors"] > 0, 10, "it is told so")
    assert not reader.peers(1)
    redis("DEL", key)
    wait_until(lambda: clients.are_known_to(reader), 10, "what waited comes through")
    assert reader.status()["fleet"]["members"]["0"]["gaps"] == 0


def test_garbage_in_a_stream(redis, start_fleet):
    teller, reader = start_fleet(2)
    clients = Clients()
    clients.join(teller, 1, range(100))
    wait_until(lambda: clients.are_known_to(reader), 10)
    stream = redis("XRANGE", stream_key(0, 0), "-", "+")
    intact = stream[0][1][1]
    spoilt = bytearray(intact)
    spoilt[70] ^= 1
    for value in (b"", b"x", bytes(spoilt), with_version(intact, 2)):
        redis("XADD", stream_key(0, 0), "*", "b", value)
    redis("XADD", stream_key(0, 0), "*", "a", "1", "b", "2")
    clients.join(teller, 2, range(100))
    clients.leave(teller, 1, range(50))
    wait_until(lambda: clients.are_known_to(reader), 10, "what follows is read")
    member = reader.status()["fleet"]["members"]["0"]
    assert member["unreadable"] == 5 and member["gaps"] == 0


def test_garbage_in_place_of_a_member(redis, start_fleet):
    teller, reader = start_fleet(2)
    clients = Clients()
    newer = with_version(redis("GET", member_key(0)), 2)
    redis("SET", member_key(7), newer)
    redis("LPUSH", member_key(8), "somebody else's")
    redis("SET", member_key(9), "garbage")
    redis("DEL", member_key(0))
    redis("LPUSH", member_key(0), "somebody else's")
    clients.join(teller, 1, range(100))
    wait_until(lambda: clients.are_known_to(reader), 10)
    members = reader.wait(lambda status: {"7", "9"} <= set(status["fleet"]["members"]), 10,
                          "unreadable records are told of")["fleet"]["members"]
    assert members["7"]["unreadable"] > 0 and members["9"]["unreadable"] > 0 and "8" not in members
    reader.wait_for_members(1)  # the record is written anew once a second
    assert redis("GET", member_key(7)) == newer

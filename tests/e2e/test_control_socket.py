# SPDX-License-Identifier: BSD-3-Clause
"""The control socket and musterctl: what an operator sees and changes while clients are served."""

import json
import os
import pty
import re
import select
import socket
import stat
import subprocess
import threading
import time

import pytest

from musterctl import MUSTERCTL, OK, REFUSED, UNREACHABLE, USAGE, musterctl, musterctl_json
from testbed import ControlError, wait_until
from tracker_client import Event, NoReply, TrackerError, announce_request, info_hash_of

SETTINGS = {"tracker": {"interval": "30m", "interval_jitter": "0s", "interval_max": "60m"}}

READING = ["status", "stats", "stats --rate", "drops", "drops --all", "workers", "ports", "top",
           "swarms top", "swarms top --by rate --limit 3", "clients", "config show", "config show tracker",
           "config check", "config diff", "access show", "ban list"]


# Looking -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", READING)
def test_every_command_that_reads_answers_people_and_scripts(musterd, command):
    people = musterctl(musterd, *command.split())
    assert people.status == OK and people.output and not people.errors, people
    assert isinstance(musterctl_json(musterd, *command.split()), dict)


def test_stats_count_what_clients_were_answered(testbed, musterd, info_hash):
    def counter(name):
        return next(row["total"] for row in musterd.call("stats")["counters"] if row["name"] == name)

    before = counter("announces_ipv4")
    with testbed.tracker() as tracker:
        for port in range(1, 8):
            tracker.announce(info_hash, port=port)
    wait_until(lambda: counter("announces_ipv4") - before == 7)


def test_drops_name_the_reason_and_who_dropped(testbed, musterd, info_hash):
    with testbed.tracker(client=40) as tracker:
        assert tracker.is_silent(announce_request(1, 1, info_hash))
    drops = musterd.call("drops")["drops"]
    forged = [row for row in drops if row["reason"] == "connection_id" and row["total"] > 0]
    assert forged and forged[0]["where"] in ("xdp", "worker") and forged[0]["help"]


def test_status_tells_health_rates_and_tables(musterd):
    status = musterd.call("status")
    assert not {"history", "swarms"} & set(status), "who asks for these asks `live`"
    assert status["health"] == {"status": "ok", "reason": ""}
    assert len(status["workers"]) == 2 and all(worker["alive"] for worker in status["workers"])
    assert status["tables"]["torrents_limit"] == 20000
    assert status["interval"] == 1800


def test_swarms_are_listed_by_size_and_shown_with_their_peers(testbed, musterd):
    large, small = info_hash_of("large"), info_hash_of("small")
    for client in range(1, 31):
        with testbed.tracker(client=client) as tracker:
            tracker.announce(large, port=1000 + client, left=client % 3)
            if client < 4:
                tracker.announce(small, port=1000 + client)
    with testbed.tracker(client=1, family=6) as tracker:
        tracker.announce(small, port=77, left=0)

    rows = musterd.call("swarms.top", limit=100)["swarms"]
    sizes = [row["seeders"] + row["leechers"] for row in rows]
    assert sizes == sorted(sizes, reverse=True)
    assert rows[0]["info_hash"] == large.hex()
    assert (rows[0]["seeders"], rows[0]["leechers"]) == (10, 20)

    shown = musterd.call("swarms.show", hash=small.hex())["swarms"]
    assert [(swarm["family"], swarm["seeders"], swarm["leechers"]) for swarm in shown] == [
        ("ipv4", 0, 3), ("ipv6", 1, 0)]
    assert {(peer["address"], peer["port"]) for peer in shown[0]["peers"]} == {
        (testbed.links[0].client_address(client), 1000 + client) for client in range(1, 4)}
    assert shown[1]["peers"][0]["seeder"] is True
    text = musterctl(musterd, "swarms", "show", small.hex()).output
    assert testbed.links[0].client_address(1, 6) in text

    with pytest.raises(ControlError) as error:
        musterd.call("swarms.show", hash="00" * 20)
    assert error.value.code == -32002


def test_clients_are_counted_by_their_peer_ids(testbed, musterd, info_hash):
    with testbed.tracker(client=50) as tracker:
        for number in range(400):
            tracker.announce(info_hash, port=2000 + number, num_want=0,
                             peer_id=b"-qB4650-" + number.to_bytes(12, "big"))
    rows = musterd.call("clients")["clients"]
    found = next(row for row in rows if row["prefix"] == "-qB4650-")
    assert found["program"] == "qBittorrent" and found["version"] == "4.6.5.0"
    assert found["share"] > 0.3


# Live tuning ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("key, value", [
    ("tracker.interval", "20m"), ("tracker.interval_jitter", "1m"), ("tracker.numwant_default", "10"),
    ("tracker.numwant_max", "100"), ("tracker.peer_timeout", "80m"), ("tracker.torrent_timeout", "2h"),
    ("limits.request_address", "500"), ("limits.dry_run", "true"), ("access.mode", "deny"),
    ("log.level", "info"), ("workers.burst", "16"), ("workers.idle", "poll"),
])
def test_live_key_is_changed_without_losing_a_packet(testbed, musterd, info_hash, key, value):
    lost, stop = [], threading.Event()

    def announce_on():
        with testbed.tracker(client=60, timeout=2.0, tries=1) as tracker:
            while not stop.is_set():
                try:
                    tracker.announce(info_hash)
                except (NoReply, TrackerError) as error:
                    lost.append(error)
                time.sleep(0.005)  # within the rate limit

    before = musterd.call("config.show", key=key)["keys"][0]["value"]
    client = threading.Thread(target=announce_on)
    client.start()
    try:
        time.sleep(0.1)
        changed = musterctl(musterd, "config", "set", key, value)
        time.sleep(0.2)
        assert changed.status == OK, changed
        assert musterd.call("config.show", key=key)["keys"][0]["value"] == value
    finally:
        musterctl(musterd, "config", "set", key, before)
        stop.set()
        client.join()
    assert not lost


def test_interval_reaches_the_clients(testbed, musterd, info_hash):
    with testbed.tracker() as tracker:
        assert tracker.announce(info_hash).interval == 1800
        musterd.call("config.set", key="tracker.interval", value="17m")
        wait_until(lambda: tracker.announce(info_hash).interval == 17 * 60, what="new interval")
        musterd.call("config.set", key="tracker.interval", value="30m")
        wait_until(lambda: tracker.announce(info_hash).interval == 1800, what="old interval")


def test_numwant_reaches_the_clients(testbed, musterd, info_hash):
    for client in range(1, 21):
        with testbed.tracker(client=client) as tracker:
            tracker.announce(info_hash, port=client)
    with testbed.tracker(client=70) as tracker:
        musterd.call("config.set", key="tracker.numwant_default", value="5")
        musterd.call("config.set", key="tracker.numwant_max", value="7")
        try:
            wait_until(lambda: len(tracker.announce(info_hash, num_want=50).peers) == 7)
            assert len(tracker.announce(info_hash, num_want=-1).peers) == 5
        finally:
            musterd.call("config.set", key="tracker.numwant_max", value="200")
            musterd.call("config.set", key="tracker.numwant_default", value="50")
        wait_until(lambda: len(tracker.announce(info_hash, num_want=50).peers) == 20)


@pytest.mark.parametrize("key", ["workers.cores", "ports", "listen", "memory.peers", "control.socket",
                                 "metrics.address"])
def test_restart_only_key_is_refused_by_name_with_the_reason(musterd, key):
    done = musterctl(musterd, "config", "set", key, "1")
    assert done.status == REFUSED
    assert done.errors.startswith(f"{key}: needs a restart: ")
    assert "change it in the file" in done.errors


@pytest.mark.parametrize("key, value", [("tracker.interval", "soon"), ("tracker.interval", "-1"),
                                        ("tracker.numwant_max", "10k"), ("workers.idle", "lazy"),
                                        ("nonsense", "1"), ("tracker", "1")])
def test_wrong_value_changes_nothing(musterd, key, value):
    before = musterd.call("config.show")
    done = musterctl(musterd, "config", "set", "--", key, value)
    assert done.status == REFUSED and key in done.errors
    assert musterd.call("config.show") == before


def test_invalid_file_changes_nothing_and_says_why_with_its_line(musterd):
    good, before = musterd.config_file.read_text(), musterd.call("config.show")
    musterd.config_file.write_text('tracker:\n  interval: 25m\n  intervall: 3\nports: []\n')
    try:
        for command in ("reload", "diff"):
            done = musterctl(musterd, "config", command)
            assert done.status == REFUSED
            assert f"{musterd.config_file}:3:" in done.errors, done
        check = musterctl(musterd, "config", "check")
        assert check.status == REFUSED and ":3:" in check.output
        assert musterd.call("config.show") == before
    finally:
        musterd.config_file.write_text(good)


def test_reload_takes_live_keys_and_names_those_that_need_a_restart(testbed, musterd, info_hash):
    good = musterd.config_file.read_text()
    changed = json.loads(good)
    changed["tracker"]["interval"] = "13m"
    changed["memory"]["peers"] = "200k"
    musterd.config_file.write_text(json.dumps(changed))
    try:
        changes = {row["key"]: row for row in musterd.call("config.diff")["changes"]}
        assert changes["tracker.interval"]["live"] and not changes["memory.peers"]["live"]
        report = musterctl(musterd, "config", "reload").output
        assert "tracker.interval: 30m -> 13m" in report
        assert re.search(r"memory\.peers: .*restart", report)
        with testbed.tracker() as tracker:
            wait_until(lambda: tracker.announce(info_hash).interval == 13 * 60)
    finally:
        musterd.config_file.write_text(good)
        musterd.call("config.reload")


def test_drain_sends_clients_away_and_tells_load_balancers(testbed, musterd, info_hash):
    assert musterctl(musterd, "drain").status == OK
    try:
        assert musterd.http("/healthz") == (503, "draining\n")
        assert musterd.call("status")["health"]["status"] == "draining"
        with testbed.tracker() as tracker:
            wait_until(lambda: tracker.announce(info_hash).interval == 3600)
    finally:
        assert musterctl(musterd, "undrain").status == OK
    assert musterd.http("/healthz") == (200, "ok\n")


def test_log_level_is_changed(musterd):
    assert musterctl(musterd, "log", "error").status == OK
    assert musterd.call("config.show", key="log.level")["keys"][0]["value"] == "error"
    assert musterctl(musterd, "log", "debug").status == OK


# Access and bans -----------------------------------------------------------------------------------


@pytest.fixture
def open_access(musterd):
    yield
    musterd.call("access.mode", mode="open")


@pytest.mark.usefixtures("open_access")
def test_denied_torrent_gets_an_error(testbed, musterd, info_hash):
    musterd.call("access.mode", mode="deny")
    with testbed.tracker() as tracker:
        tracker.announce(info_hash)
        done = musterctl(musterd, "access", "add", info_hash.hex())
        assert done.status == OK and "is now on the list" in done.output
        done = musterctl(musterd, "access", "add", info_hash.hex())
        assert done.status == OK and "is already on the list" in done.output
        assert musterd.call("access.show", hash=info_hash.hex())["listed"] is True
        with pytest.raises(TrackerError):
            wait_until(lambda: not tracker.announce(info_hash), what="refusal")
        wait_until(lambda: musterd.call("access.show")["refused"] >= 1, what="the counter")
        assert musterctl(musterd, "access", "del", info_hash.hex()).status == OK

        def is_answered():
            try:
                return tracker.announce(info_hash)
            except TrackerError:
                return None

        wait_until(is_answered, what="answer")


@pytest.mark.usefixtures("open_access")
def test_list_is_loaded_whole_or_not_at_all(testbed, musterd, tmp_path, info_hash):
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_text("# allowed\n" + "".join(f"{number:040x}\n" for number in range(100_000)) +
                    info_hash.hex() + "\n")
    done = musterctl(musterd, "access", "load", good)
    assert done.status == OK and "100,001 info-hashes" in done.output
    musterd.call("access.mode", mode="allow")
    bad.write_text("0" * 40 + "\n" + "not a hash\n" * 1_000_000)
    done = musterctl(musterd, "access", "load", bad)
    assert done.status == REFUSED and f"{bad}:2" in done.errors and len(done.errors) < 2000
    assert musterd.call("access.show")["entries"] == 100_001
    with testbed.tracker() as tracker:
        tracker.announce(info_hash)
        with pytest.raises(TrackerError):
            wait_until(lambda: not tracker.announce(info_hash_of("another")), what="refusal")


def test_file_that_is_not_there_is_refused(musterd):
    done = musterctl(musterd, "access", "load", "/no/such/file")
    assert done.status == REFUSED and "/no/such/file" in done.errors


def test_banned_source_gets_silence_until_the_ban_ends(testbed, musterd):
    address = testbed.links[0].client_address(90)
    assert testbed.answers(client=90)
    done = musterctl(musterd, "ban", "add", f"{address}/32", "2s")
    assert done.status == OK and "banned" in done.output
    wait_until(lambda: not testbed.answers(client=90), what="silence")
    assert testbed.answers(client=91)
    assert musterd.call("ban.list")["bans"][0]["prefix"].startswith(address)
    wait_until(lambda: testbed.answers(client=90), seconds=6, what="the ban's end")
    wait_until(lambda: musterd.call("ban.list")["bans"] == [], what="the ban off the list")


def test_ban_is_lifted(testbed, musterd):
    musterd.call("ban.add", prefix="fd98:1::/64")
    wait_until(lambda: not testbed.answers(client=5, family=6), what="silence")
    wait_until(lambda: musterd.metric("muster_bans") == 1, what="the metric")
    assert musterctl(musterd, "ban", "del", "fd98:1::/64").status == OK
    wait_until(lambda: testbed.answers(client=5, family=6), what="an answer")
    assert musterctl(musterd, "ban", "del", "fd98:1::/64").status == REFUSED


@pytest.mark.parametrize("words", [("nonsense",), ("192.0.2.0/33",), ("192.0.2.1", "soon"),
                                   ("192.0.2.1", "0s")])
def test_wrong_ban_is_refused(musterd, words):
    assert musterctl(musterd, "ban", "add", *words).status == REFUSED
    assert musterd.call("ban.list")["bans"] == []


# musterctl -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [["nonsense"], ["swarms"], ["swarms", "top", "--by", "size"],
                                   ["swarms", "top", "--limit", "x"], ["swarms", "show", "123"],
                                   ["status", "now"], ["log", "loud"], ["--nonsense"],
                                   ["config", "set", "tracker.interval"]])
def test_words_that_make_no_command_are_a_usage_error(musterd, words):
    done = musterctl(musterd, *words)
    assert done.status == USAGE and done.errors and not done.output


def test_no_daemon_is_told_apart(tmp_path):
    done = musterctl(tmp_path / "none", "status")
    assert done.status == UNREACHABLE and "is musterd running?" in done.errors
    (tmp_path / "dead").touch()
    assert musterctl(tmp_path / "dead", "status").status == UNREACHABLE


def test_errors_come_as_json_for_scripts(musterd):
    done = musterctl(musterd, "--json", "config", "set", "nonsense", "1")
    assert done.status == REFUSED
    error = json.loads(done.output)
    assert error["code"] == -32002 and error["message"] and error["data"]["hint"]


def test_commands_from_a_pipe(musterd):
    done = musterctl(musterd, input="# first\nworkers\n\nconfig show 'tracker.interval'\nquit\nports\n")
    assert done.status == OK
    assert "WORKER" in done.output and "tracker.interval: 30m" in done.output
    assert "DRIVER" not in done.output
    assert musterctl(musterd, input="nonsense\nworkers\n").status == USAGE


def read_terminal(terminal, until, seconds=5):
    """What appears on a terminal, up to and with `until`."""
    seen, deadline = "", time.monotonic() + seconds
    while until not in seen:
        assert select.select([terminal], [], [], max(0, deadline - time.monotonic()))[0], seen
        # Not a byte more: what follows is for the next reader.
        seen += os.read(terminal, 1).decode(errors="replace")
    return seen


@pytest.fixture
def terminal(musterd, tmp_path):
    """A person's terminal, with musterctl on it; musterctl's process, too."""
    process, terminal = None, None
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "vt100", "XDG_STATE_HOME": str(tmp_path), "NO_COLOR": "1",
                   "LC_ALL": "C.UTF-8"}

    def start(*words):
        nonlocal process
        process = subprocess.Popen([MUSTERCTL, "--socket", musterd.control_socket, *words], stdin=theirs,
                                   stdout=theirs, stderr=theirs, env=environment, start_new_session=True)
        return ours, process

    yield start
    if process and process.poll() is None:
        process.kill()
        process.wait()
    os.close(ours)
    os.close(theirs)


def test_interactive_completes_and_remembers(terminal, tmp_path):
    screen, process = terminal()
    read_terminal(screen, "muster> ")
    os.write(screen, b"config show tracker.interval_j\t\n")
    assert "tracker.interval_jitter: 0" in read_terminal(screen, "default")
    os.write(screen, b"quit\n")
    assert process.wait(5) == 0
    assert "tracker.interval_j" in (tmp_path / "musterctl_history").read_text()


def test_top_draws_until_q(terminal):
    screen, process = terminal("top")
    seen = read_terminal(screen, "LOAD")
    assert "requests/s" in seen and "\x1b[?1049h" in seen
    read_terminal(screen, "requests/s")  # a second frame
    os.write(screen, b"q")
    read_terminal(screen, "\x1b[?1049l")
    assert process.wait(5) == 0


# The socket ----------------------------------------------------------------------------------------


def test_socket_is_for_owner_and_group_only(musterd):
    assert stat.S_IMODE(musterd.control_socket.stat().st_mode) == 0o660
    done = musterctl(musterd, "status", user="nobody")
    assert done.status == UNREACHABLE and "control.group" in done.errors


def dial(musterd):
    control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    control.settimeout(10)
    control.connect(str(musterd.control_socket))
    return control


def test_garbage_harms_nobody(musterd):
    with dial(musterd) as control:
        control.sendall(b"\0\xff garbage\n" + b"[" * 3000 + b"\n" + b'{"jsonrpc":"2.0","id":1}\n')
        with control.makefile() as lines:
            assert all("error" in json.loads(lines.readline()) for _ in range(3))
    assert musterd.call("status")["health"]["status"] == "ok"


def test_giant_request_is_refused(musterd):
    with dial(musterd) as control:
        try:
            control.sendall(b"x" * (1 << 20))
        except (BrokenPipeError, ConnectionResetError):
            pass
        with control.makefile() as lines:
            assert json.loads(lines.readline())["error"]["code"] == -32004
            assert lines.readline() == ""
    assert musterd.call("status")["health"]["status"] == "ok"


def test_partial_requests_and_silent_clients_delay_nobody(musterd):
    silent = [dial(musterd) for _ in range(40)]
    try:
        for control in silent[::2]:
            control.sendall(b'{"jsonrpc":')
        begun = time.monotonic()
        for _ in range(20):
            musterd.call("stats")
        assert time.monotonic() - begun < 2
    finally:
        for control in silent:
            control.close()


def test_many_clients_at_once(musterd):
    errors = []

    def ask():
        try:
            for _ in range(20):
                assert musterd.call("stats")["counters"]
        except Exception as error:  # told by the test's own thread
            errors.append(error)

    clients = [threading.Thread(target=ask) for _ in range(32)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert not errors

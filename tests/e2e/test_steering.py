# SPDX-License-Identifier: BSD-3-Clause
"""XDP in front of the workers: its modes, bans while it runs, and starting where others have been."""

import re
import time

import pytest

import sandbox
from sandbox import BUILD, PASS_PROGRAM
from testbed import ControlError, wait_until
from tracker_client import NoReply, announce_request, connect_request


def xdp_of(link):
    """What `ip link` says of XDP on the appliance's interface: "xdp", "xdpgeneric" or None."""
    found = re.search(r"\b(xdp\w*) ", link.appliance.ip("link", "show", link.interface))
    return found and found[1]


def verdict(musterd, name):
    return musterd.metric("muster_xdp_packets_total", verdict=name)


# Modes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode, expected", [("auto", "native"), ("native", "native"),
                                            ("generic", "generic")])
def test_serves_in_each_mode_and_says_which(testbed, info_hash, family, mode, expected):
    ports = [{"type": "af_xdp", "interface": link.interface, "force_copy": mode == "generic"}
             for link in testbed.links]
    with testbed.running({"ports": ports, "xdp": {"mode": mode}}) as musterd:
        assert xdp_of(testbed.links[0]) == ("xdp" if expected == "native" else "xdpgeneric")
        assert re.search(rf"interface={testbed.links[0].interface} mode={expected}", musterd.log())
        with testbed.tracker(family=family) as tracker:
            assert tracker.announce(info_hash).leechers == 1
    assert xdp_of(testbed.links[0]) is None


def test_connects_are_answered_by_the_program(testbed, family):
    with testbed.running() as musterd:
        assert testbed.answers(family=family)
        assert verdict(musterd, "connect_answered") == 1
        assert musterd.metric("muster_connects_total") == 0


def test_connects_are_answered_by_workers_when_told_so(testbed, family, info_hash):
    with testbed.running({"xdp": {"answer_connect": False}}) as musterd:
        with testbed.tracker(family=family) as tracker:
            assert tracker.announce(info_hash).leechers == 1
        assert verdict(musterd, "connect_answered") == 0
        assert verdict(musterd, "connect_steered") == 1
        assert musterd.metric("muster_connects_total") == 1


def test_answering_can_be_switched_while_it_runs(testbed):
    with testbed.running() as musterd, testbed.tracker() as tracker:
        for answer, steered in ((False, 1), (True, 1), (False, 2)):
            musterd.call("config.set", key="xdp.answer_connect", value=str(answer).lower())
            tracker.connect()
            assert verdict(musterd, "connect_steered") == steered


# Limits -------------------------------------------------------------------------------------------


def test_limits_hold_and_can_be_changed_while_it_runs(testbed, family):
    settings = {"limits": {"connect_address": 5, "burst": "1s"}}
    with testbed.running(settings) as musterd, testbed.tracker(client=9, family=family) as tracker:
        for _ in range(50):
            tracker.send(connect_request(1))
        wait_until(lambda: verdict(musterd, "limited_connect") >= 40)
        assert testbed.answers(client=0, family=family), "somebody else"
        musterd.call("config.set", key="limits.dry_run", value="true")
        before = verdict(musterd, "limited_connect")
        for _ in range(50):
            tracker.send(connect_request(1))
        wait_until(lambda: verdict(musterd, "would_limit") >= 40)
        assert verdict(musterd, "limited_connect") == before


# Bans ---------------------------------------------------------------------------------------------


def wide(testbed, family):
    """A prefix that covers all clients but the one at the link's own address."""
    address = testbed.links[0].client_address(1, family)
    return address.rsplit(".", 2)[0] + ".0.0/16" if family == 4 else address.rsplit("::", 1)[0] + "::/64"


def test_ban_and_unban_hold_at_once(testbed, family, info_hash):
    address = testbed.links[0].client_address(7, family)
    with testbed.running() as musterd, testbed.tracker(client=7, family=family) as banned, \
            testbed.tracker(client=8, family=family) as other:
        for _ in range(3):
            banned.announce(info_hash)
            musterd.call("ban.add", prefix=address)
            assert banned.is_silent(connect_request(1), 0.2)
            assert banned.is_silent(announce_request(banned.connection_id, 1, info_hash), 0.2)
            other.announce(info_hash)
            musterd.call("ban.del", prefix=address)
            banned.connect()
        assert musterd.dropped("banned") == 6


def test_ban_ends_by_itself(testbed, family):
    with testbed.running() as musterd:
        added = musterd.call("ban.add", prefix=wide(testbed, family), duration="2s")
        assert added["expires"] in (1, 2)
        assert not testbed.answers(client=7, family=family)
        wait_until(lambda: testbed.answers(client=7, family=family), 5)
        wait_until(lambda: musterd.call("ban.list")["bans"] == [], 3)


def test_bans_outlive_a_restart(testbed, family):
    address = testbed.links[0].client_address(7, family)
    with testbed.running() as musterd:
        musterd.call("ban.add", prefix=address)
        musterd.call("ban.add", prefix=testbed.links[0].client_address(8, family), duration="1h")
        musterd.call("ban.add", prefix=testbed.links[0].client_address(9, family))
        musterd.call("ban.del", prefix=testbed.links[0].client_address(9, family))
        musterd.restart()
        assert not testbed.answers(client=7, family=family)
        assert not testbed.answers(client=8, family=family)
        assert testbed.answers(client=9, family=family)
        ends = {ban["prefix"]: ban.get("expires") for ban in musterd.call("ban.list")["bans"]}
        assert ends.pop(address) is None
        assert all(3500 < seconds <= 3600 for seconds in ends.values()) and len(ends) == 1
        musterd.call("ban.del", prefix=address)
        wait_until(lambda: address not in (musterd.directory / "bans").read_text(), 5)
        musterd.kill()
        musterd.start()
        assert testbed.answers(client=7, family=family)


def test_nested_bans_end_with_the_last(testbed, family):
    address = testbed.links[0].client_address(7, family)
    with testbed.running() as musterd:
        musterd.call("ban.add", prefix=wide(testbed, family))
        musterd.call("ban.add", prefix=address, duration="1s")
        time.sleep(2.5)
        assert not testbed.answers(client=7, family=family)
        assert testbed.answers(client=0, family=family)
        assert [ban["prefix"] for ban in musterd.call("ban.list")["bans"]] == [wide(testbed, family)]


def test_wrong_bans_are_refused(testbed):
    with testbed.running() as musterd:
        for wrong in ({"prefix": "nobody"}, {"prefix": "10.0.0.0/33"},
                      {"prefix": "10.0.0.0/8", "duration": "soon"},
                      {"prefix": "10.0.0.0/8", "duration": "0s"}):
            with pytest.raises(ControlError):
                musterd.call("ban.add", **wrong)
        with pytest.raises(ControlError):
            musterd.call("ban.del", prefix="10.0.0.0/8")
        assert musterd.call("ban.list") == {"bans": []}


# Starting where others have been ------------------------------------------------------------------


def fails(musterd):
    """Starts it, which must fail, and returns the log."""
    musterd.start(ready=False)
    assert musterd.process.wait(30) == 1, musterd.log()
    return musterd.log()


def pin(musterd, name, kind="array", value=8):
    sandbox.sh("bpftool", "map", "create", musterd.pins / name, "type", kind, "key", 4, "value", value,
               "entries", 1, "name", name[:15])


def test_stale_pins_of_any_layout_are_replaced(testbed):
    musterd = testbed.daemon()
    pin(musterd, "muster_config_v0")
    pin(musterd, "muster_limiter_v1")
    pin(musterd, "muster_counters_v1", value=16)
    pin(musterd, "somebody_elses")
    musterd.start()
    assert testbed.answers()
    assert "muster_config_v0" not in musterd.pinned()
    musterd.stop()
    assert musterd.pinned() == ["somebody_elses"]
    testbed.discard(musterd)


def test_a_killed_ones_program_is_replaced_after_a_layout_change(testbed):
    musterd = testbed.start()
    musterd.kill()
    assert xdp_of(testbed.links[0]) == "xdp"
    for path in musterd.pins.glob("muster_*_v1"):
        path.unlink()
    pin(musterd, "muster_config_v1", value=4)
    musterd.start()
    assert testbed.answers()
    musterd.stop()
    testbed.discard(musterd)


def test_another_program_on_the_interface_is_left_alone(testbed):
    link = testbed.links[0]
    link.appliance.ip("link", "set", "dev", link.interface, "xdp", "obj", PASS_PROGRAM, "sec", "xdp")
    musterd = testbed.daemon()
    try:
        log = fails(musterd)
        assert f"interface {link.interface} has another XDP program" in log
        assert f"ip link set dev {link.interface} xdp off" in log
        assert xdp_of(link) == "xdp"
        assert xdp_of(testbed.links[1]) is None
        assert musterd.pinned() == []
    finally:
        link.appliance.ip("link", "set", "dev", link.interface, "xdp", "off")
        testbed.discard(musterd)


def test_a_program_that_the_verifier_refuses_is_reported_in_its_words(testbed):
    musterd = testbed.daemon({"xdp": {"program": str(BUILD / "tests" / "e2e" / "refused.bpf.o")}})
    log = fails(musterd)
    assert "the kernel refuses" in log
    assert "invalid access to packet" in log
    assert xdp_of(testbed.links[0]) is None
    assert musterd.pinned() == []
    testbed.discard(musterd)


def test_another_versions_program_is_refused(testbed):
    musterd = testbed.daemon({"xdp": {"program": str(PASS_PROGRAM)}})
    assert "another version of Muster" in fails(musterd)
    assert xdp_of(testbed.links[0]) is None
    testbed.discard(musterd)


def set_mtu(link, mtu):
    link.appliance.ip("link", "set", "dev", link.interface, "mtu", mtu)
    link.clients.ip("link", "set", "dev", link.client_interface, "mtu", mtu)


def test_a_driver_that_takes_no_program_is_reported_in_its_words(testbed):
    """veth takes no native XDP while its MTU exceeds a page."""
    link = testbed.links[0]
    link.clients.ip("link", "set", "dev", link.client_interface, "xdp", "off")
    set_mtu(link, 9000)
    musterd = testbed.daemon({"xdp": {"mode": "native"}})
    try:
        log = fails(musterd)
        assert re.search(rf"interface {link.interface} .*native", log), log
        assert xdp_of(link) is None
        assert musterd.pinned() == []
    finally:
        set_mtu(link, 1500)
        sandbox.attach_pass_program(link.clients, link.client_interface)
        testbed.discard(musterd)


def test_two_of_them_do_not_share_a_bpffs(testbed):
    first = testbed.daemon(ports=testbed.links[:1])
    second = testbed.daemon(ports=testbed.links[1:])
    second.pins, pins = first.pins, second.pins
    try:
        first.start()
        assert "another musterd" in fails(second)
        assert testbed.answers(), "the first one is unharmed"
        first.stop()
    finally:
        second.pins = pins
        testbed.discard(second)
        testbed.discard(first)


# Kernel and daemon --------------------------------------------------------------------------------


def test_without_a_daemon_all_goes_to_the_kernel(testbed, family):
    """The kernel says that the port is closed, as it would without us."""
    musterd = testbed.start()
    musterd.kill()
    with testbed.tracker(family=family) as tracker:
        tracker.send(connect_request(1))
        with pytest.raises(NoReply, match="refused"):
            tracker.receive()
    testbed.discard(musterd)
    testbed.start().stop()

# SPDX-License-Identifier: BSD-3-Clause
"""memif: shared memory that comes and goes with the process on its other side."""

import signal
import time

import pytest

import musterload
from testbed import frozen, wait_until, worker_threads

TIMES = 12
SECONDS = 20


@pytest.fixture
def socket(tmp_path):
    return tmp_path / "memif.sock"


def client_settings(socket):
    """A musterd that connects to a server at that socket."""
    port = {"type": "memif", "socket": str(socket), "role": "client", "descriptors": 256}
    return {**musterload.UNLIMITED, "ports": [port]}


def link_is_up(daemon):
    return daemon.metric("muster_port_up") == 1


def wait_for_announces(daemon):
    before = daemon.metric("muster_announces_ipv4_total")
    wait_until(lambda: daemon.metric("muster_announces_ipv4_total") > before + 10000, SECONDS,
               what="announces")


def test_other_side_dies_while_the_worker_is_in_a_burst(testbed, socket):
    with testbed.running(musterload.memif_settings(socket), ports=[]) as daemon:
        thread = worker_threads(daemon)[0]
        for _ in range(TIMES):
            with musterload.running(f"memif:{socket}") as load:
                wait_for_announces(daemon)
                with frozen(thread):  # as likely as not in the midst of a burst
                    load.kill()
                    wait_until(lambda: not link_is_up(daemon), SECONDS, what="the link is down")


def test_other_side_ends_well_and_comes_back(testbed, socket):
    with testbed.running(musterload.memif_settings(socket), ports=[]) as daemon:
        for _ in range(TIMES):
            with musterload.running(f"memif:{socket}") as load:
                wait_for_announces(daemon)
                load.send_signal(signal.SIGTERM)
                assert load.wait(SECONDS) == 0


def test_both_sides_end_at_once(testbed, socket):
    for _ in range(TIMES // 3):
        with testbed.running(musterload.memif_settings(socket), ports=[]) as daemon, \
                musterload.running(f"memif:{socket}") as load:
            wait_for_announces(daemon)
            load.send_signal(signal.SIGTERM)
            daemon.signal(signal.SIGTERM)
            assert load.wait(SECONDS) in (0, 1)  # 1: it saw the other's end first


def test_musterload_tells_that_the_tracker_died(testbed, socket):
    with testbed.running(musterload.memif_settings(socket), ports=[]) as daemon, \
            musterload.running(f"memif:{socket}") as load:
        wait_for_announces(daemon)
        daemon.kill()
        assert load.wait(SECONDS) == 1
        assert "the other side is gone" in load.stderr.read()


def test_server_comes_late_dies_and_comes_back(testbed, socket):
    """A client looks for its server once a second, and keeps its packet buffers together."""
    with testbed.running(client_settings(socket), ports=[]) as daemon:
        assert not link_is_up(daemon)
        free = []
        for number in range(1, 5):
            socket.unlink(missing_ok=True)
            with musterload.running(f"memif-server:{socket}") as load:
                wait_for_announces(daemon)
                wait_until(lambda: daemon.log().count("its link is up again") == number, SECONDS, what="it says so")
                load.kill()
                wait_until(lambda: not link_is_up(daemon), SECONDS, what="the link is down")
            free.append(daemon.metric("muster_port_mbufs_free"))
        # What was in the first server's rings is lost, and provided for; nothing afterwards.
        assert max(free[1:]) - min(free[1:]) <= 64, free


def test_server_that_is_slow_to_shake_hands_is_waited_for(testbed, socket):
    """A client that gave up too early would let go of what it shares, for no reason."""
    with musterload.running(f"memif-server:{socket}") as load:
        wait_until(socket.exists, SECONDS, what="the server listens")
        load.send_signal(signal.SIGSTOP)
        with testbed.running(client_settings(socket), ports=[]) as daemon:
            time.sleep(1.5)  # the client looks after its ports once a second
            load.send_signal(signal.SIGCONT)
            wait_for_announces(daemon)
            load.send_signal(signal.SIGTERM)
            assert load.wait(SECONDS) == 0
            assert "its link is up again" not in daemon.log()


def test_server_asks_for_an_end(testbed, socket):
    with testbed.running(client_settings(socket), ports=[]) as daemon, \
            musterload.running(f"memif-server:{socket}") as load:
        wait_for_announces(daemon)
        load.send_signal(signal.SIGTERM)
        assert load.wait(SECONDS) == 0
        wait_until(lambda: not link_is_up(daemon), SECONDS, what="the link is down")

# SPDX-License-Identifier: BSD-3-Clause
"""Clients, and the kernel's services, while an attacker sends all that one core can send.

Both cores of a small machine are busy then, and the veth pair itself loses a few percent of all packets
before XDP sees them, as a NIC's queue would. So a client sends a request again when no answer comes,
as BEP 15 tells it to; how often the first one was answered is printed, too.
"""

import json
import re
import socket
import threading
import time

import pytest

from sandbox import BUILD
from testbed import PORT
from tracker_client import NoReply, TrackerError

FLOOD = BUILD / "tests" / "e2e" / "flood"
SECONDS = 5
SOURCES = 10000
SUCCESS = 0.99
RETRY_SECONDS = 0.3


class Client(threading.Thread):
    """Does something over and over until told to stop; counts how often it went well."""

    def __init__(self, act):
        super().__init__()
        self.act, self.stopping = act, threading.Event()
        self.tried = self.succeeded = self.at_once = 0

    def run(self):
        while not self.stopping.is_set():
            self.tried += 1
            begin = time.monotonic()
            try:
                self.act()
                self.succeeded += 1
                self.at_once += time.monotonic() - begin < RETRY_SECONDS
            except (NoReply, TrackerError, OSError):
                pass
            time.sleep(0.005)

    def finish(self):
        self.stopping.set()
        self.join()

    @property
    def success(self):
        return self.succeeded / self.tried

    def __str__(self):
        return (f"{self.succeeded} of {self.tried} ({self.success:.1%}),"
                f" {self.at_once / self.tried:.1%} at the first try")


def flood(testbed):
    link = testbed.links[0]
    return testbed.clients.popen("taskset", "-c", 0, FLOOD, link.client_interface, link.mac,
                                 link.address(), PORT, "198.18.0.0", SOURCES, SECONDS, stdout=-1)


@pytest.fixture
def echo(testbed):
    """A TCP service on the appliance, and a connection to it: as SSH is to an operator."""
    address = testbed.links[0].address()
    with testbed.host:
        service = socket.create_server((address, 2222))
    with testbed.clients:
        client = socket.create_connection((address, 2222), timeout=5)
    server, _ = service.accept()

    def serve():
        while data := server.recv(4096):
            server.sendall(data)

    thread = threading.Thread(target=serve)
    thread.start()

    def act():
        client.sendall(b"ls\n")
        if client.recv(4096) != b"ls\n":
            raise OSError("echo")

    yield act
    client.close()
    thread.join()
    server.close()
    service.close()


def test_clients_are_served_under_a_flood(testbed, echo, info_hash, capsys):
    with testbed.running({"workers": {"cores": [1]}}, ports=testbed.links[:1]) as musterd, \
            testbed.tracker(client=3, tries=3, timeout=RETRY_SECONDS) as announcer, \
            testbed.tracker(client=4, tries=3, timeout=RETRY_SECONDS) as connecter:
        announcer.connect()
        attack = flood(testbed)
        clients = {"announces": Client(lambda: announcer.announce(info_hash)),
                   "connects": Client(connecter.connect), "TCP round trips": Client(echo)}
        for client in clients.values():
            client.start()
        pings = testbed.clients.run("ping", "-c", 20, "-i", 0.1, "-W", 2, testbed.links[0].address())
        sent = json.loads(attack.communicate()[0])
        for client in clients.values():
            client.finish()
        dropped = {name: musterd.dropped(name) for name in ("connection_id", "limited_connect")}

    with capsys.disabled():
        print(f"\n  flood: {sent['sent'] / sent['seconds']:,.0f} packets/s from {SOURCES} sources"
              f" for {sent['seconds']:.1f} s; dropped:"
              f" {', '.join(f'{name} {count:,.0f}' for name, count in dropped.items())}")
        for name, client in clients.items():
            print(f"  {name}: {client}")
    assert sent["sent"] > 10000 * SECONDS, "that was no flood"
    assert int(re.search(r"(\d+)% packet loss", pings)[1]) <= 5, pings
    for name, client in clients.items():
        assert client.success >= SUCCESS, name

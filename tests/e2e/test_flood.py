# SPDX-License-Identifier: BSD-3-Clause
"""Clients, and the kernel's services, while an attacker sends all that one core can send.

Both cores of a small machine are busy then, and the veth pair itself loses a few percent of all packets
before XDP sees them, as a NIC's queue would. So a client sends a request again when no answer comes,
as BEP 15 tells it to; how often the first one was answered is printed, too.
"""

import re
import socket
import threading

import pytest

from flooding import RETRY_SECONDS, Client, Flood

SECONDS = 4
SOURCES = 10000
SPOOFED = {4: "198.18.0.0", 6: "2001:db8:ff::"}
SUCCESS = 0.99


@pytest.fixture
def echo(testbed, family):
    """A TCP service on the appliance, and a connection to it: as SSH is to an operator."""
    address = testbed.links[0].address(family)
    with testbed.host:
        service = socket.create_server((address, 2222),
                                       family=socket.AF_INET if family == 4 else socket.AF_INET6)
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


def test_clients_are_served_under_a_flood(testbed, echo, family, info_hash, capsys):
    link = testbed.links[0]
    with testbed.running({"workers": {"cores": [1]}}, ports=[link]) as musterd, \
            testbed.tracker(client=3, family=family, tries=3, timeout=RETRY_SECONDS) as announcer, \
            testbed.tracker(client=4, family=family, tries=3, timeout=RETRY_SECONDS) as connecter:
        announcer.connect()
        attack = Flood(testbed, SPOOFED[family], SOURCES, SECONDS, family)
        clients = {"announces": Client(lambda: announcer.announce(info_hash)),
                   "connects": Client(connecter.connect), "TCP round trips": Client(echo)}
        for client in clients.values():
            client.start()
        pings = testbed.clients.run("ping", "-c", 20, "-i", 0.1, "-W", 2, link.address(family))
        _, rate = attack.wait()
        for client in clients.values():
            client.finish()
        dropped = {name: musterd.dropped(name) for name in ("connection_id", "limited_connect")}

    with capsys.disabled():
        print(f"\n  flood: {rate:,.0f} packets/s from {SOURCES} sources for {SECONDS} s; dropped:"
              f" {', '.join(f'{name} {count:,.0f}' for name, count in dropped.items())}")
        for name, client in clients.items():
            print(f"  {name}: {client}")
    assert rate > 10000, "that was no flood"
    assert dropped["connection_id"] > 1000, dropped
    assert int(re.search(r"(\d+)% packet loss", pings)[1]) <= 5, pings
    for name, client in clients.items():
        assert client.success >= SUCCESS, name

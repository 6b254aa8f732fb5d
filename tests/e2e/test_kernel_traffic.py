# SPDX-License-Identifier: BSD-3-Clause
"""What is not the tracker's stays the kernel's, on the same interface and the same addresses."""

import socket
import threading

import pytest

from testbed import PORT

pytestmark = pytest.mark.usefixtures("musterd")

INET = {4: socket.AF_INET, 6: socket.AF_INET6}


def test_ping(testbed, family):
    link = testbed.links[0]
    testbed.clients.run("ping", "-c", 3, "-i", 0.05, "-W", 2, link.address(family))


def test_ping_in_fragments(testbed, family):
    """Fragments that aren't a tracker request's are reassembled by the kernel."""
    link = testbed.links[0]
    testbed.clients.run("ping", "-c", 2, "-i", 0.05, "-W", 2, "-s", 4000, link.address(family))


def test_udp_service_on_another_port(testbed, family):
    address = testbed.links[0].address(family)
    with testbed.host, socket.socket(INET[family], socket.SOCK_DGRAM) as service:
        service.bind((address, 5353))
        service.settimeout(2)
        with testbed.clients, socket.socket(INET[family], socket.SOCK_DGRAM) as client:
            client.settimeout(2)
            for size in (1, 100, 1400):
                client.sendto(bytes(size), (address, 5353))
                data, source = service.recvfrom(2000)
                service.sendto(data + b"!", source)
                assert client.recv(2000) == bytes(size) + b"!"


def test_tcp_service_on_the_trackers_own_port(testbed, family):
    """A megabyte there and back, over TCP to the very port number that the tracker has in UDP."""
    address = testbed.links[0].address(family)
    data = bytes(range(256)) * 4096

    def echo():
        connection, _ = service.accept()
        with connection:
            connection.settimeout(10)
            left = len(data)
            while left:
                part = connection.recv(65536)
                connection.sendall(part)
                left -= len(part)

    with testbed.host:
        service = socket.create_server((address, PORT), family=INET[family])
    with service:
        service.settimeout(5)
        thread = threading.Thread(target=echo)
        thread.start()
        with testbed.clients:
            client = socket.create_connection((address, PORT), timeout=10)
        with client:
            sender = threading.Thread(target=client.sendall, args=(data,))
            sender.start()
            received = bytearray()
            while len(received) < len(data):
                part = client.recv(65536)
                assert part, "connection ended early"
                received += part
            sender.join()
        thread.join()
    assert received == data


def test_tracker_answers_beside_all_this(testbed, family):
    assert testbed.answers(family=family)

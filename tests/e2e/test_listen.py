# SPDX-License-Identifier: BSD-3-Clause
"""Listen addresses by name: those are the tracker's, all others stay the kernel's."""

import socket

import pytest

from tracker_client import NoReply, connect_request

# Of the first link: both its addresses, one of them with another port, and a third that is nobody's.
ADDRESSES = {4: ("10.99.1.1", "10.99.1.50", "10.99.1.51"), 6: ("fd99:1::1", "fd99:1::50", "fd99:1::51")}
FIRST_PORT, SECOND_PORT = 6969, 7000

SETTINGS = {"listen": [f"10.99.1.1:{FIRST_PORT}", f"10.99.1.50:{SECOND_PORT}",
                       f"[fd99:1::1]:{FIRST_PORT}", f"[fd99:1::50]:{SECOND_PORT}"]}


@pytest.fixture(scope="module", autouse=True)
def more_addresses(testbed, musterd):
    link = testbed.links[0]
    for family, prefix in ((4, 24), (6, 64)):
        for address in ADDRESSES[family][1:]:
            link.appliance.ip("address", "add", f"{address}/{prefix}", "dev", link.interface, "nodad")


def test_each_listen_address_answers_from_itself(testbed, family, info_hash):
    first, second, _ = ADDRESSES[family]
    with testbed.tracker(family=family, address=first, port=FIRST_PORT) as tracker, \
            testbed.tracker(family=family, address=second, port=SECOND_PORT) as other:
        assert tracker.announce(info_hash, port=1).peers == []
        assert [port for _, port in other.announce(info_hash, port=2).peers] == [1]


@pytest.mark.parametrize("which, port", [(0, SECOND_PORT), (1, FIRST_PORT), (2, FIRST_PORT)])
def test_other_pairs_of_address_and_port_are_the_kernels(testbed, family, which, port):
    """The kernel says that there is nobody, until there is."""
    address = ADDRESSES[family][which]
    with testbed.tracker(family=family, address=address, port=port) as tracker:
        tracker.send(connect_request(1))
        with pytest.raises(NoReply, match="refused"):
            tracker.receive(2)
        inet = socket.AF_INET if family == 4 else socket.AF_INET6
        with testbed.host, socket.socket(inet, socket.SOCK_DGRAM) as service:
            service.bind((address, port))
            service.settimeout(2)
            tracker.send(connect_request(2))
            assert service.recv(100) == connect_request(2)

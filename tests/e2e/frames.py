# SPDX-License-Identifier: BSD-3-Clause
"""Raw Ethernet frames to and from an appliance, for what no socket would send."""

import logging
import socket

# scapy warns about interfaces that this sandbox doesn't have.
logging.getLogger("scapy").setLevel(logging.ERROR)

from scapy.all import UDP, Ether, IP, IPv6  # noqa: E402

from testbed import PORT  # noqa: E402

ETH_P_ALL = 3
SOURCE_PORT = 40000


class RawSocket:
    """Sends frames from the clients' end of a link, and takes all that arrives there."""

    def __init__(self, link):
        self.link = link
        with link.clients:
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            self.socket.bind((link.client_interface, ETH_P_ALL))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, frame):
        self.socket.send(bytes(frame))

    def receive(self, seconds=0.3):
        """The next frame from the appliance's tracker port, dissected; None when there is none."""
        self.socket.settimeout(seconds)
        while True:
            try:
                data, where = self.socket.recvfrom(65536)
            except TimeoutError:
                return None
            if where[2] == socket.PACKET_OUTGOING:
                continue
            frame = Ether(data)
            if UDP in frame and frame[UDP].sport == PORT:
                return frame

    # Layers of a request from a client of this link

    def ethernet(self, **fields):
        return Ether(src=self.link.client_mac, dst=self.link.mac, **fields)

    def ip(self, family=4, client=0, **fields):
        layer = IP if family == 4 else IPv6
        return layer(src=self.link.client_address(client, family), dst=self.link.address(family),
                     **fields)

    def udp(self, **fields):
        return UDP(**{"sport": SOURCE_PORT, "dport": PORT, **fields})

    def datagram(self, payload, family=4, client=0):
        """A whole, well-formed frame."""
        return self.ethernet() / self.ip(family, client) / self.udp() / payload

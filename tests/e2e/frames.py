# SPDX-License-Identifier: BSD-3-Clause
"""Raw Ethernet frames to and from an appliance, for what no socket would send."""

import logging
import socket
import struct

# scapy warns about interfaces that this sandbox doesn't have.
logging.getLogger("scapy").setLevel(logging.ERROR)

from scapy.all import UDP, Ether, IP, IPv6  # noqa: E402

from testbed import PORT  # noqa: E402

# linux/if_ether.h, linux/if_packet.h
ETH_P_ALL = 3
SOL_PACKET, PACKET_AUXDATA = 263, 8
AUXDATA = struct.Struct("IIIHHHH")  # status, len, snaplen, mac, net, vlan_tci, vlan_tpid
STATUS_VLAN_VALID = 1 << 4

SOURCE_PORT = 40000


def with_vlan_tag(data, ancillary):
    """The frame as it was on the wire: the kernel puts the outer tag beside it."""
    for level, kind, content in ancillary:
        if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
            status, *_, tci, tpid = AUXDATA.unpack(content[:AUXDATA.size])
            if status & STATUS_VLAN_VALID:
                return data[:12] + struct.pack("!HH", tpid, tci) + data[12:]
    return data


class RawSocket:
    """Sends frames from the clients' end of a link, and takes all that arrives there."""

    def __init__(self, link):
        self.link = link
        with link.clients:
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            self.socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
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
                data, ancillary, _, where = self.socket.recvmsg(65536, 256)
            except TimeoutError:
                return None
            if where[2] == socket.PACKET_OUTGOING:
                continue
            frame = Ether(with_vlan_tag(data, ancillary))
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

# SPDX-License-Identifier: BSD-3-Clause
"""What is no valid request gets silence and is counted under its name; the daemon lives on."""

import random

import pytest
from scapy.all import ICMP, IP, Dot1Q, IPv6, IPv6ExtHdrFragment, Raw

from frames import RawSocket
from testbed import wait_until
from tracker_client import announce_request, connect_request, info_hash_of, scrape_request

CONNECT = connect_request(0x11223344)
HASH = info_hash_of("malformed")
ANNOUNCE = announce_request(0x4142434445464748, 5, HASH)
SCRAPE = scrape_request(0x4142434445464748, 6, [HASH])


# name: (drop reason, family or None for both, what makes the frame of a RawSocket). A frame that ends
# inside the Ethernet header can't be sent from a kernel; unit tests have it.
ETHERNET, IPV4, IPV6, UDP_SIZE = 14, 20, 40, 8

BAD_FRAMES = {
    "vlan tag cut": ("short_frame", 4,
                     lambda raw, f: bytes(raw.ethernet() / Dot1Q(vlan=3))[:ETHERNET + 3]),
    "ipv4 header cut": ("short_frame", 4,
                        lambda raw, f: bytes(raw.datagram(CONNECT))[:ETHERNET + IPV4 - 1]),
    "ipv6 header cut": ("short_frame", 6,
                        lambda raw, f: bytes(raw.datagram(CONNECT, 6))[:ETHERNET + IPV6 - 1]),
    "udp header cut, ipv4": ("short_frame", 4,
                             lambda raw, f: bytes(raw.datagram(CONNECT))[:ETHERNET + IPV4 + 7]),
    "udp header cut, ipv6": ("short_frame", 6,
                             lambda raw, f: bytes(raw.datagram(CONNECT, 6))[:ETHERNET + IPV6 + 7]),
    "ipv4 says version 5": ("ip_header", 4, lambda raw, f:
                            raw.ethernet() / raw.ip(version=5) / raw.udp() / CONNECT),
    "ipv6 says version 7": ("ip_header", 6, lambda raw, f:
                            raw.ethernet() / raw.ip(6, version=7) / raw.udp() / CONNECT),
    "ipv4 header of 16 bytes": ("ip_header", 4, lambda raw, f:
                                raw.ethernet() / raw.ip(ihl=4) / raw.udp() / CONNECT),
    "ipv4 total length too long": ("ip_header", 4, lambda raw, f:
                                   raw.ethernet() / raw.ip(len=200) / raw.udp() / CONNECT),
    "ipv4 total length too short": ("ip_header", 4, lambda raw, f:
                                    raw.ethernet() / raw.ip(len=27) / raw.udp() / CONNECT),
    "ipv6 payload length too long": ("ip_header", 6, lambda raw, f:
                                     raw.ethernet() / raw.ip(6, plen=200) / raw.udp() / CONNECT),
    "ipv6 payload length 0": ("ip_header", 6, lambda raw, f:
                              raw.ethernet() / raw.ip(6, plen=0) / raw.udp() / CONNECT),
    "first fragment, ipv4": ("fragment", 4, lambda raw, f:
                             raw.ethernet() / raw.ip(flags="MF", id=7) / raw.udp() / CONNECT),
    "first fragment, ipv6": ("fragment", 6, lambda raw, f:
                             raw.ethernet() / raw.ip(6) / IPv6ExtHdrFragment(m=1, nh=17, id=7)
                             / raw.udp() / CONNECT),
    "udp length too long": ("udp_length", None, lambda raw, f:
                            raw.ethernet() / raw.ip(f) / raw.udp(len=500) / CONNECT),
    "udp length 7": ("udp_length", None, lambda raw, f:
                     raw.ethernet() / raw.ip(f) / raw.udp(len=7) / CONNECT),
    "source port 0": ("source_port", None, lambda raw, f:
                      raw.ethernet() / raw.ip(f) / raw.udp(sport=0) / CONNECT),
    "source 0.0.0.0": ("source_address", 4, lambda raw, f:
                       raw.ethernet() / IP(src="0.0.0.0", dst=raw.link.address(4)) / raw.udp() / CONNECT),
    "source 127.0.0.1": ("source_address", 4, lambda raw, f:
                         raw.ethernet() / IP(src="127.0.0.1", dst=raw.link.address(4)) / raw.udp()
                         / CONNECT),
    "source multicast, ipv4": ("source_address", 4, lambda raw, f:
                               raw.ethernet() / IP(src="224.0.0.5", dst=raw.link.address(4))
                               / raw.udp() / CONNECT),
    "source broadcast": ("source_address", 4, lambda raw, f:
                         raw.ethernet() / IP(src="255.255.255.255", dst=raw.link.address(4))
                         / raw.udp() / CONNECT),
    "source ::": ("source_address", 6, lambda raw, f:
                  raw.ethernet() / IPv6(src="::", dst=raw.link.address(6)) / raw.udp() / CONNECT),
    "source multicast, ipv6": ("source_address", 6, lambda raw, f:
                               raw.ethernet() / IPv6(src="ff02::1", dst=raw.link.address(6))
                               / raw.udp() / CONNECT),
    "source is ourselves": ("source_address", None, lambda raw, f:
                            raw.ethernet() / type(raw.ip(f))(src=raw.link.address(f),
                                                             dst=raw.link.address(f))
                            / raw.udp() / CONNECT),
    "no payload": ("short_request", None, lambda raw, f:
                   raw.ethernet() / raw.ip(f) / raw.udp()),
    "15 bytes": ("short_request", None, lambda raw, f: raw.datagram(CONNECT[:15], f)),
    "announce of 97 bytes": ("short_request", None, lambda raw, f: raw.datagram(ANNOUNCE[:97], f)),
    "announce of 16 bytes": ("short_request", None, lambda raw, f: raw.datagram(ANNOUNCE[:16], f)),
    "scrape of no hash": ("short_request", None, lambda raw, f: raw.datagram(SCRAPE[:16], f)),
    "scrape of 19 bytes of a hash": ("short_request", None,
                                     lambda raw, f: raw.datagram(SCRAPE[:35], f)),
    "action 3": ("action", None,
                 lambda raw, f: raw.datagram(CONNECT[:8] + b"\0\0\0\3" + CONNECT[12:], f)),
    "action 2^32-1": ("action", None,
                      lambda raw, f: raw.datagram(CONNECT[:8] + b"\xff" * 4 + CONNECT[12:], f)),
    "wrong magic": ("magic", None,
                    lambda raw, f: raw.datagram(b"\0" + CONNECT[1:7] + b"\0" + CONNECT[8:], f)),
    "forged id, announce": ("connection_id", None, lambda raw, f: raw.datagram(ANNOUNCE, f)),
    "forged id, scrape": ("connection_id", None, lambda raw, f: raw.datagram(SCRAPE, f)),
    "random bytes": ("action", None,
                     lambda raw, f: raw.datagram(random.Random(1).randbytes(300), f)),
}


@pytest.mark.parametrize("name, family", [
    pytest.param(name, family, id=f"{name}-ipv{family}".replace(" ", "_"))
    for name, (_, only, _) in BAD_FRAMES.items() for family in ((only,) if only else (4, 6))
])
def test_bad_frame_gets_silence_and_is_counted(testbed, musterd, name, family):
    reason, _, make = BAD_FRAMES[name]
    with RawSocket(testbed.links[0]) as raw:
        before = musterd.dropped(reason)
        raw.send(make(raw, family))
        wait_until(lambda: musterd.dropped(reason) == before + 1, what=f"{reason} counted once")
        assert raw.receive(0.05) is None
        raw.send(raw.datagram(CONNECT, family))
        assert raw.receive(2), "no answer to a good request afterwards"


def good_frames(raw, family):
    """Unusual, but valid: these are answered."""
    connect = raw.udp() / CONNECT
    yield "padding behind the IP packet", bytes(raw.datagram(CONNECT, family)) + bytes(40)
    yield "payload behind the UDP datagram", (
        raw.ethernet() / raw.ip(family) / raw.udp(len=UDP_SIZE + 16) / (CONNECT + bytes(10)))
    if family == 4:
        yield "IPv4 options", raw.ethernet() / raw.ip(options=b"\x01" * 40) / connect
        yield "no UDP checksum", raw.ethernet() / raw.ip() / raw.udp(chksum=0) / CONNECT
        yield "don't fragment", raw.ethernet() / raw.ip(flags="DF") / connect
        yield "TTL 1", raw.ethernet() / raw.ip(ttl=1) / connect
    else:
        yield "flow label and class", raw.ethernet() / raw.ip(6, fl=0xfffff, tc=0xff) / connect
        yield "hop limit 1", raw.ethernet() / raw.ip(6, hlim=1) / connect


def test_unusual_but_valid_frames_are_answered(testbed, musterd, family):
    with RawSocket(testbed.links[0]) as raw:
        for name, frame in good_frames(raw, family):
            raw.send(frame)
            reply = raw.receive(2)
            assert reply is not None, name
            assert len(bytes(reply[Raw])) >= 16, name


def test_replies_bear_right_checksums_and_swapped_addresses(testbed, musterd, family):
    link = testbed.links[0]
    with RawSocket(link) as raw:
        raw.send(raw.datagram(CONNECT, family, client=9))
        reply = raw.receive(2)
    assert (reply.src, reply.dst) == (link.mac, link.client_mac)
    network, udp = reply.payload, reply.payload.payload
    assert (network.src, network.dst) == (link.address(family), link.client_address(9, family))
    assert udp.dport == 40000
    received = bytes(network)
    if family == 4:
        del network.chksum
    checksum = udp.chksum
    del udp.chksum
    assert checksum != 0
    assert bytes(network) == received, "checksums differ from scapy's"


def test_later_fragments_and_other_protocols_do_no_harm(testbed, musterd):
    with RawSocket(testbed.links[0]) as raw:
        for frame in (
            raw.ethernet() / raw.ip(flags="MF", id=9) / ICMP() / bytes(64),
            raw.ethernet() / raw.ip(frag=8, id=9) / bytes(64),
            raw.ethernet() / raw.ip(6) / IPv6ExtHdrFragment(offset=8, nh=17, id=9) / bytes(64),
            raw.ethernet(type=0x88cc) / bytes(64),
            raw.ethernet() / Dot1Q(vlan=1) / Dot1Q(vlan=2) / Dot1Q(vlan=3) / raw.ip() / raw.udp() / CONNECT,
        ):
            raw.send(frame)
        raw.send(raw.datagram(CONNECT))
        assert raw.receive(2)


def test_thousands_of_mutated_requests_leave_it_serving(testbed, musterd, family):
    """Valid requests with random bytes changed and random ends cut, at a pace that a test bears."""
    randomness = random.Random(family)
    with testbed.tracker(family=family) as tracker, RawSocket(testbed.links[0]) as raw:
        connection_id = tracker.connect()
        seeds = [bytes(raw.datagram(payload, family)) for payload in (
            CONNECT, announce_request(connection_id, 5, HASH, options=b"\x02\x05/path\x00"),
            scrape_request(connection_id, 6, [HASH] * 9))]
        for _ in range(4000):
            frame = bytearray(randomness.choice(seeds))
            for _ in range(randomness.randint(1, 4)):
                frame[randomness.randrange(12, len(frame))] = randomness.randrange(256)
            raw.send(frame[:randomness.randint(14, len(frame))])
        assert tracker.announce(HASH).interval > 0
    assert musterd.is_running()

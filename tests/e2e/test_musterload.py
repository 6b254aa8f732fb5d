# SPDX-License-Identifier: BSD-3-Clause
"""musterload against musterd: it gets replies over every kind of port, and finds the wrong ones."""

import pytest

import musterload
from musterload import UNLIMITED

SECONDS = 1


def check(report, invalid=False):
    """What every good run has in common; its only step."""
    step = report["steps"][0]
    assert report["replies_wrong"] == 0, report
    assert step["connects"] > 0 and step["announces"] > 0 and step["scrapes"] > 0
    assert step["peers_per_reply"] > 0
    assert (step["invalid"] > 0) == invalid
    return step


@pytest.fixture
def socket(tmp_path):
    return tmp_path / "memif.sock"


def test_memif_both_families(testbed, socket):
    with testbed.running(musterload.memif_settings(socket), ports=[]) as daemon:
        code, report = musterload.run(testbed.host, f"memif:{socket}", "opentrackr", "--check-all",
                                      "--invalid", 10, "--seconds", SECONDS)
        step = check(report, invalid=True)
        assert code == 0 and step["lost"] == 0
        ipv4, ipv6 = (daemon.metric(f"muster_announces_{family}_total") for family in ("ipv4", "ipv6"))
        assert 0.1 < ipv6 / (ipv4 + ipv6) < 0.3


def test_af_xdp_both_families(testbed):
    link = testbed.links[0]
    # musterload's driver brings a program of its own, and an interface bears one.
    testbed.clients.ip("link", "set", "dev", link.client_interface, "xdp", "off")
    with testbed.running(UNLIMITED, ports=[link]) as daemon:
        code, report = musterload.run(
            testbed.clients, f"af_xdp:{link.client_interface}", "opentrackr", "--check-all",
            "--tracker", f"{link.address(4)}:6969", "--tracker6", link.address(6),
            "--tracker-mac", link.mac, "--mac", link.client_mac, "--window", 64, "--seconds", SECONDS)
        check(report)
        assert code == 0
        assert daemon.metric("muster_announces_ipv6_total") > 0


def test_wrong_replies_are_told(testbed, socket):
    """Peers that another run announced are strangers to this one."""
    with testbed.running(musterload.memif_settings(socket), ports=[]):
        code, report = musterload.run(testbed.host, f"memif:{socket}", "hot", "--torrents", 1,
                                      "--seconds", SECONDS)
        assert code == 0 and report["replies_wrong"] == 0
        code, report = musterload.run(testbed.host, f"memif:{socket}", "hot", "--torrents", 1,
                                      "--peers", 1000, "--seconds", SECONDS)
        assert code == 1 and report["wrong_stranger"] > 0

# SPDX-License-Identifier: BSD-3-Clause
"""The bare-metal path: a NIC that vfio-pci took from the kernel, driven by DPDK, with the kernel's share of the
packets going over the exception port. Once for each NIC that QEMU and DPDK have in common."""

import hashlib
import urllib.request

import pytest

from appliance import ADDRESS, EXCEPTION, Appliance
from machine import NICS, PCI_ADDRESS
from testbed import wait_until
from tracker_client import Event

BLOB_KIB = 256

# A port of another kind, which stays when the NIC is taken away.
SPARE_PORT = {"type": "vdev", "args": "net_tap0,iface=spare"}
# With this NIC there is none, and musterd ends.
ALONE = "net_vmxnet3"
# This one is unplugged in the end, the others are only unbound.
UNPLUGGED = "net_e1000_em"


def pci_port(machine):
    return {"type": "pci", "address": PCI_ADDRESS, "queues": machine.nic.queues, "exception": EXCEPTION}


@pytest.fixture(scope="module", params=NICS)
def appliance(request, make_machine):
    machine = make_machine(request.param)
    appliance = Appliance(machine, [pci_port(machine)])
    assert appliance.driver() == machine.nic.kernel_driver
    assert appliance.interface() == "eth0"
    appliance.bind("vfio-pci")
    assert appliance.driver() == "vfio-pci"
    assert appliance.interface() == ""
    appliance.start()
    appliance.configure_interface(EXCEPTION)
    yield appliance
    machine.close()


def test_arp_neighbour_discovery_and_ping_reach_the_kernel(appliance, family):
    before = appliance.metric("muster_punted_total") if family == 6 else 0
    appliance.ping(family)
    assert appliance.metric("muster_punted_total") >= before + 3
    assert appliance.metric("muster_from_kernel_total") >= 3


def test_tcp_service_reaches_the_kernel(appliance, family):
    """A file from a web server in the guest: big enough for segments of full size and for windows to open."""
    machine = appliance.machine
    machine.run(f"mkdir -p /run/www && dd if=/dev/urandom of=/run/www/blob bs=1k count={BLOB_KIB} 2>/dev/null"
                " && { pidof httpd >/dev/null || httpd -p [::]:80 -h /run/www; }")
    host = ADDRESS[4] if family == 4 else f"[{ADDRESS[6]}]"
    with machine.namespace, urllib.request.urlopen(f"http://{host}/blob", timeout=20) as reply:
        blob = reply.read()
    assert hashlib.sha1(blob).hexdigest() in machine.run("sha1sum /run/www/blob")


def test_clients_find_each_other(appliance, family, info_hash):
    with appliance.tracker(0, family) as first, appliance.tracker(1, family) as second:
        assert first.announce(info_hash, port=1001, left=0).peers == []
        reply = second.announce(info_hash, port=1002)
        assert (reply.seeders, reply.leechers) == (1, 1)
        assert reply.peers == [(first.socket.getsockname()[0], 1001)]
        second.announce(info_hash, port=1002, event=Event.STOPPED)
        row = first.scrape([info_hash])[0]
        assert (row.seeders, row.leechers) == (1, 0)


def test_many_clients_on_all_queues(appliance, family, info_hash):
    """Swarms are shared by the workers, whichever queue a client's packets come in by."""
    for client in range(8):
        for port in range(4):
            with appliance.tracker(client, family) as tracker:
                reply = tracker.announce(info_hash, port=2000 + port)
                assert reply.leechers == client * 4 + port + 1
                assert len(reply.peers) == client * 4 + port


# What becomes of a packet; and what else is worth seeing.
FATES = ["punted", "connects", "announces_ipv4", "announces_ipv6", "scrapes", "errors_sent", "drops"]
SHOWN = ["received", *FATES, "from_kernel", "handed_off", "handed_back"]


def test_driver_and_counters(appliance, capsys):
    """The port says what drives it, and each packet is counted once."""
    metrics = appliance.metrics()
    port = next(sample.labels for sample in metrics if sample.name == "muster_port_info")
    count = {name: sum(sample.value for sample in metrics if sample.name == f"muster_{name}_total")
             for name in SHOWN}
    with capsys.disabled():
        print(f"\n  {port['driver']}, {port['queues']} queue(s): "
              + ", ".join(f"{name} {value:.0f}" for name, value in count.items()))
    assert (port["port"], port["driver"]) == (PCI_ADDRESS, appliance.machine.nic.dpdk_driver)
    assert count["received"] == sum(count[name] for name in FATES)
    assert count["drops"] == 0


def test_cable_pulled_and_put_back(appliance, info_hash):
    machine = appliance.machine

    def link_up():
        return f'muster_port_up{{port="{PCI_ADDRESS}"}} 1' in appliance.page("/metrics")

    assert link_up()
    machine.plug(False)
    wait_until(lambda: not link_up(), 10, every=0.3, what="the port is down")
    machine.plug(True)
    wait_until(link_up, 10, every=0.3, what="the port is up")
    with appliance.tracker(tries=5) as tracker:
        assert tracker.announce(info_hash).leechers == 1
    appliance.ping(4)


def test_ends_well_and_the_kernel_gets_its_nic_back(appliance):
    assert appliance.stop() == 0, appliance.log()
    assert EXCEPTION not in appliance.machine.run("ls /sys/class/net")
    appliance.bind(None)
    assert appliance.driver() == appliance.machine.nic.kernel_driver
    wait_until(appliance.interface, 5, what="the interface is back")
    appliance.configure_interface(appliance.interface())
    wait_until(lambda: appliance.is_reached(4), 20, what="ping is answered")  # once the link is up


def test_nic_is_taken_away_while_musterd_runs(appliance):
    """Unbound or unplugged: musterd gives the NIC back, and goes on if there is another port."""
    machine, driver = appliance.machine, appliance.machine.nic.dpdk_driver
    appliance.configure([pci_port(machine)] + ([] if driver == ALONE else [SPARE_PORT]))
    appliance.bind("vfio-pci")
    appliance.start()
    if driver == UNPLUGGED:
        machine.unplug()
    else:
        appliance.unbind()
    wait_until(lambda: f"its device is gone: port={PCI_ADDRESS}" in appliance.log(), 10, every=0.3)
    if driver == ALONE:
        assert appliance.exit_code() == 1
        assert "stopping: no port is left" in appliance.log()
    if driver == UNPLUGGED:
        wait_until(lambda: not appliance.is_plugged_in(), 10, every=0.3, what="the slot is empty")
    else:
        appliance.bind(None)
        assert appliance.driver() == machine.nic.kernel_driver
    if driver != ALONE:
        metrics = appliance.page("/metrics")
        assert f'muster_port_gone{{port="{PCI_ADDRESS}"}} 1' in metrics
        assert f'muster_port_gone{{port="{SPARE_PORT["args"]}"}} 0' in metrics
        assert appliance.stop() == 0, appliance.log()
    assert EXCEPTION not in machine.run("ls /sys/class/net")

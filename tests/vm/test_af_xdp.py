# SPDX-License-Identifier: BSD-3-Clause
"""AF_XDP on a driver with several queues: virtio-net, native mode, two queues and two workers, which share their
swarms. On veth a port has but one queue."""

import re

import pytest

from appliance import Appliance

QUEUES = 2


@pytest.fixture(scope="module")
def appliance(make_machine):
    machine = make_machine("virtio-net-pci")
    appliance = Appliance(machine, [{"type": "af_xdp", "interface": "eth0", "queues": QUEUES}])
    machine.run(f"ethtool -L eth0 combined {QUEUES}")
    appliance.configure_interface("eth0")
    appliance.start()
    yield appliance
    assert appliance.stop() == 0, appliance.log()


def test_program_runs_in_the_driver(appliance):
    flags = appliance.machine.run("iproute2 link show eth0")
    assert re.search(r"\bxdp\b", flags) and "xdpgeneric" not in flags, flags


def test_kernel_keeps_the_nic(appliance, family):
    appliance.ping(family)
    assert appliance.metric("muster_port_up") == 1


def test_both_workers_answer_and_share_their_swarms(appliance, family, info_hash):
    before = {worker: received(appliance, worker) for worker in range(QUEUES)}
    expected = 0
    for client in range(8):
        for port in range(4):
            with appliance.tracker(client, family) as tracker:
                reply = tracker.announce(info_hash, port=2000 + port)
                assert len(reply.peers) == expected
                expected += 1
    for worker in range(QUEUES):
        assert received(appliance, worker) > before[worker], f"worker {worker} got nothing"


def received(appliance, worker):
    return appliance.metric("muster_received_total", worker=str(worker))


def test_scrape_over_several_owners(appliance, family):
    hashes = [bytes([family, index]) * 10 for index in range(40)]
    with appliance.tracker(0, family) as tracker:
        for info_hash in hashes[::2]:
            tracker.announce(info_hash, left=0)
        rows = tracker.scrape(hashes)
    assert [row.seeders for row in rows] == [1, 0] * 20

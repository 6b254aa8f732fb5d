# SPDX-License-Identifier: BSD-3-Clause
"""Virtual machines for the tests of a module; skips them where QEMU or the kernel's package can't be had."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "e2e"))
sys.path.insert(0, str(Path(__file__).parent))

import sandbox  # noqa: E402
from appliance import prepare_clients  # noqa: E402
from machine import Machine, Unavailable  # noqa: E402
from tracker_client import info_hash_of  # noqa: E402


def pytest_configure(config):
    if not config.option.collectonly and not config.option.help and os.geteuid() == 0:
        sandbox.enter()


@pytest.fixture(scope="module")
def wire():
    """The namespace at the other end of the cable."""
    namespace = sandbox.Namespace("wire")
    yield namespace
    namespace.delete()


@pytest.fixture(scope="module")
def make_machine(wire):
    """Starts a machine with that NIC; it ends with the module's tests."""
    machines = []

    def make(nic, **options):
        try:
            machine = Machine(wire, nic, **options)
        except (Unavailable, subprocess.CalledProcessError) as error:
            pytest.skip(f"no virtual machine: {error}")
        machines.append(machine)
        prepare_clients(wire)
        return machine

    yield make
    for machine in machines:
        machine.close()


@pytest.fixture(params=[4, 6], ids=["ipv4", "ipv6"])
def family(request):
    return request.param


@pytest.fixture
def info_hash(request):
    """An info-hash of the test's own."""
    return info_hash_of(request.node.nodeid)

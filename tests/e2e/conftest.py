# SPDX-License-Identifier: BSD-3-Clause
"""Puts the whole run into a sandbox, and offers testbeds as fixtures."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import drill_option  # noqa: E402
import sandbox  # noqa: E402
from testbed import MUSTERD, Musterd, Testbed  # noqa: E402
from tracker_client import info_hash_of  # noqa: E402

LOG_LINES = 60


def pytest_addoption(parser):
    drill_option.add(parser)


def pytest_configure(config):
    drill_option.register(config)
    if config.option.collectonly or config.option.help:
        return
    if os.geteuid() != 0:
        pytest.exit("end-to-end tests need root, for network namespaces and XDP", returncode=2)
    if not MUSTERD.exists():
        pytest.exit(f"{MUSTERD} is not built: tools/setup", returncode=2)
    sandbox.enter()


def pytest_collection_modifyitems(config, items):
    drill_option.skip_drills(config, items)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Shows the daemons' logs with a failure."""
    report = (yield).get_result()
    if report.failed:
        for musterd in Musterd.instances:
            tail = "\n".join(musterd.log().splitlines()[-LOG_LINES:])
            report.sections.append((f"log of {musterd.name}", tail))


@pytest.fixture(scope="module")
def testbed():
    """A testbed with two links, for the tests of a module."""
    bed = Testbed(links=2)
    yield bed
    bed.close()


@pytest.fixture(scope="module")
def musterd(request, testbed):
    """A musterd for the tests of a module, with the module's SETTINGS: two workers, two ports."""
    with testbed.running(getattr(request.module, "SETTINGS", {})) as daemon:
        yield daemon


@pytest.fixture(params=[4, 6], ids=["ipv4", "ipv6"])
def family(request):
    return request.param


@pytest.fixture
def info_hash(request):
    """An info-hash of the test's own."""
    return info_hash_of(request.node.nodeid)

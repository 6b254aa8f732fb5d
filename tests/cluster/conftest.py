# SPDX-License-Identifier: BSD-3-Clause
"""A real Redis Cluster for the drills of a module, whole at the beginning of each, and appliances on it."""

import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "e2e"))
sys.path.insert(0, str(Path(__file__).parent))

import drill  # noqa: E402
import drill_option  # noqa: E402
import sandbox  # noqa: E402
from testbed import Musterd  # noqa: E402
from tracker_client import info_hash_of  # noqa: E402

FIRST_PORT = 7800
PORTS = 50  # of a cluster: its nodes', and their buses'
LOG_LINES = 40

_ports = itertools.count(FIRST_PORT, PORTS)


def pytest_addoption(parser):
    drill_option.add(parser)


def pytest_configure(config):
    drill_option.register(config)
    if not config.option.collectonly and not config.option.help and os.geteuid() == 0:
        sandbox.enter()


def pytest_collection_modifyitems(config, items):
    drill_option.skip_drills(config, items)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Shows the appliances' and the daemons' logs with a failure."""
    report = (yield).get_result()
    if report.failed:
        for appliance in drill.Appliance.instances + Musterd.instances:
            tail = "\n".join(appliance.log().splitlines()[-LOG_LINES:])
            report.sections.append((f"log of {appliance}", tail))


class Node(drill.redis_cluster.Node):
    """A server that ends with the tests, however they end."""

    server = None

    def run(self):
        self.server = subprocess.Popen(["redis-server", str(self.directory / "redis.conf")],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                       preexec_fn=sandbox.die_with_parent)

    def kill(self):
        super().kill()
        if self.server:
            self.server.wait(10)


class Cluster(drill.Cluster):
    node_type = Node

    def nodes_option(self):
        return ",".join(self.addresses())

    def is_whole(self):
        try:
            return self.is_ok() and len(self.roles()) == self.masters
        except (OSError, drill.RedisError):
            return False

    def mend(self):
        """Brings back what a drill has ended or stopped."""
        for node in self.nodes:
            node.signal(signal.SIGCONT)
            if not node.pid():
                node.start()
        self.wait_until_ok()

    def empty(self):
        for node in self.roles():
            node.call("FLUSHALL")


@pytest.fixture(scope="module")
def make_cluster(tmp_path_factory):
    """Starts clusters, which end with the module's tests."""
    clusters = []

    def make(**options):
        clusters.append(Cluster(tmp_path_factory.mktemp("redis"), next(_ports), **options))
        clusters[-1].up()
        return clusters[-1]

    yield make
    for cluster in clusters:
        cluster.down()


@pytest.fixture(scope="module")
def shared_cluster(make_cluster):
    return make_cluster()


@pytest.fixture
def cluster(shared_cluster):
    """Whole and empty."""
    shared_cluster.mend()
    shared_cluster.empty()
    return shared_cluster


@pytest.fixture
def redis(cluster):
    """A command to the node that serves the key."""

    def call(command, key, *arguments):
        for node in cluster.roles():
            try:
                return node.call(command, key, *arguments)
            except drill.RedisError as error:
                if not str(error).startswith("MOVED"):
                    raise
        raise AssertionError(f"nobody serves {key}")

    return call


@pytest.fixture
def start(cluster, tmp_path):
    """Starts appliances on the cluster (or another), that store changes within drill.INTERVAL."""
    appliances = []

    def start_one(*options, on=cluster, fleet=None):
        words = ["--nodes", on.nodes_option(), "--interval", drill.INTERVAL, *options]
        if fleet is not None:
            words += ["--fleet", "--number", fleet]
        appliances.append(drill.Appliance(tmp_path, *words))
        return appliances[-1]

    yield start_one
    for appliance in appliances:
        appliance.close()


@pytest.fixture
def start_fleet(start):
    """Starts so many appliances, numbered from 0, that know of each other."""

    def start_all(count, *options, **more):
        fleet = [start(*options, fleet=number, **more) for number in range(count)]
        for appliance in fleet:
            appliance.wait_for_members(count - 1)
        return fleet

    return start_all


@pytest.fixture
def info_hash(request):
    """An info-hash of the test's own."""
    return info_hash_of(request.node.nodeid)

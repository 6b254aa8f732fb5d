# SPDX-License-Identifier: BSD-3-Clause
"""A Redis that doesn't let us in, or not everywhere: said, counted, and over as soon as it does."""

import pytest

from drill import Clients, redis_cluster, wait_until

PATIENCE = 20  # seconds: whoever was refused tries again ever more seldom


@pytest.fixture(scope="module")
def guarded(make_cluster):
    return make_cluster(acl=True)


@pytest.fixture
def allow(guarded):
    """Changes the rules of a user on all nodes; what a test has changed is undone."""
    users = {redis_cluster.USER: f"resetpass >{redis_cluster.PASSWORD} -@all {redis_cluster.USER_RIGHTS}",
             "default": f"resetpass >{redis_cluster.ADMIN_PASSWORD}"}

    def change(user, *rules):
        for node in guarded.nodes:
            node.call("ACL", "SETUSER", user, *rules)

    guarded.empty()
    yield change
    for user, rules in users.items():
        change(user, *rules.split())


@pytest.fixture
def credentials(tmp_path):
    def make(password=redis_cluster.PASSWORD):
        path = tmp_path / "password"
        path.write_text(password + "\n")
        return "--user", redis_cluster.USER, "--password-file", path

    return make


def errors_of(status, kind):
    return sum(node["errors"].get(kind, 0) for node in status["redis"]["nodes"])


def check_recovery(appliance, clients):
    appliance.wait_until_stored(PATIENCE)
    appliance.restart()
    appliance.wait_until_serving(PATIENCE)
    clients.check(appliance)


def test_wrong_password(guarded, allow, credentials, start):
    appliance, clients = start(*credentials("wrong"), on=guarded), Clients()
    clients.join(appliance, 1, range(100))
    refused = appliance.wait(lambda status: errors_of(status, "wrongpass") > 1, 10, "it is told so")
    assert refused["state"] == "loading" and refused["redis"]["slots_served"] == 0
    assert "user name or password is wrong" in appliance.log() or "WRONGPASS" in appliance.log()
    assert errors_of(refused, "wrongpass") < 30, "and does not hammer"
    allow(redis_cluster.USER, ">wrong")
    appliance.wait_until_serving(PATIENCE)
    check_recovery(appliance, clients)


def test_no_password(guarded, allow, start):
    appliance, clients = start(on=guarded), Clients()
    clients.join(appliance, 1, range(100))
    refused = appliance.wait(lambda status: errors_of(status, "noauth") > 1, 10, "it is told so")
    assert refused["state"] == "loading" and "NOAUTH" in appliance.log()
    allow("default", "nopass")
    appliance.wait_until_serving(PATIENCE)
    check_recovery(appliance, clients)


def test_missing_right_to_write(guarded, allow, credentials, start):
    appliance, clients = start(*credentials(), on=guarded), Clients()
    appliance.wait_until_serving()
    allow(redis_cluster.USER, "-set")
    clients.join(appliance, 1, range(100))
    refused = appliance.wait(lambda status: status["failed"] > 0, 10, "writes are refused")
    assert "NOPERM" in refused["store_error"] and errors_of(refused, "noperm") > 0
    allow(redis_cluster.USER, "+set")
    check_recovery(appliance, clients)


@pytest.mark.drill
def test_missing_right_to_read(guarded, allow, credentials, start):
    """What can't be read isn't overwritten either, until it was read."""
    appliance, clients = start(*credentials(), on=guarded), Clients()
    appliance.wait_until_serving()
    clients.join(appliance, 1, range(100))
    appliance.wait_until_stored()
    allow(redis_cluster.USER, "-get")
    appliance.restart()
    blind = appliance.wait_until_serving(PATIENCE)
    assert blind["peers"] == 0 and blind["chunks_unread"] > 0
    assert "NOPERM" in blind["store_error"]
    clients.join(appliance, 1, range(100, 200))
    assert appliance.wait_for_pass()["written"] == 0
    allow(redis_cluster.USER, "+get")
    appliance.wait(lambda status: status["chunks_unread"] == 0, PATIENCE, "the rest is read")
    clients.check(appliance)
    check_recovery(appliance, clients)


@pytest.mark.drill
def test_missing_right_to_info(guarded, allow, credentials, start):
    """Works, but a restarted node goes unnoticed."""
    allow(redis_cluster.USER, "-info")
    appliance, clients = start(*credentials(), on=guarded), Clients()
    clients.join(appliance, 1, range(100))
    status = appliance.wait_until_serving()
    assert errors_of(status, "noperm") > 0
    check_recovery(appliance, clients)


@pytest.mark.parametrize("right", ["+xadd", "+xread"])
def test_missing_right_to_streams(guarded, allow, credentials, start_fleet, right):
    teller, reader = start_fleet(2, *credentials(), on=guarded)
    clients = Clients()
    allow(redis_cluster.USER, right.replace("+", "-"))
    clients.join(teller, 1, range(100))
    if right == "+xadd":
        teller.wait(lambda status: "NOPERM" in status["fleet"]["publish_error"], 10, "it is told so")
    else:
        reader.wait(lambda status: status["fleet"]["members"]["0"]["errors"] > 0, 10, "it is told so")
    assert not reader.peers(1)
    allow(redis_cluster.USER, right)
    wait_until(lambda: clients.are_known_to(reader), PATIENCE, "deltas come through")
    assert reader.status()["fleet"]["members"]["0"]["gaps"] == 0
    clients.check(teller, reader)

# SPDX-License-Identifier: BSD-3-Clause
"""The control socket's file, through start, end and death of the daemon."""

from musterctl import OK, UNREACHABLE, musterctl


def test_path_of_a_live_daemon_is_refused_and_of_a_dead_one_replaced(testbed):
    link = testbed.links[0]
    with testbed.running(ports=[link]) as first:
        second = testbed.daemon({"control": {"socket": str(first.control_socket)}}, ports=[testbed.links[1]])
        second.start(ready=False)
        assert second.process.wait(30) == 1
        assert "another daemon answers there" in second.log()
        assert first.call("status")["health"]["status"] == "ok"
        testbed.discard(second)
        first.kill()
        assert first.control_socket.exists()
        first.start()
        assert first.call("status")["health"]["status"] == "ok"


def test_shutdown_ends_it_in_order(testbed):
    musterd = testbed.start()
    done = musterctl(musterd, "shutdown")
    assert done.status == OK and "stopping" in done.output
    assert musterd.process.wait(15) == 0
    assert not musterd.control_socket.exists()
    assert musterctl(musterd, "status").status == UNREACHABLE
    testbed.discard(musterd)

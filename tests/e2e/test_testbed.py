# SPDX-License-Identifier: BSD-3-Clause
"""The testbed itself: what a failed test or set-up left behind would fail all that come after it."""

import pytest

import sandbox
from testbed import Testbed


def test_closes_without_what_a_test_took_away():
    bed = Testbed(links=2)
    bed.host.ip("link", "delete", bed.links[0].interface)
    bed.close()
    Testbed(links=2).close()


def test_closes_though_a_daemon_cannot_be():
    bed = Testbed()
    musterd = bed.daemon()
    sandbox.sh("umount", musterd.pins)
    with pytest.raises(RuntimeError):
        bed.close()
    Testbed().close()


def test_set_up_that_fails_leaves_nothing(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(sandbox, "PASS_PROGRAM", "/nowhere")
        with pytest.raises(RuntimeError):
            Testbed()
    Testbed().close()

# SPDX-License-Identifier: BSD-3-Clause
"""A minute of tools/soak: half of the maximum rate, while everything happens that may."""

import os
import sys

import pytest

from sandbox import ROOT

sys.path.insert(0, str(ROOT / "tests" / "soak"))

import soak  # noqa: E402

SECONDS = 60


@pytest.mark.skipif(os.cpu_count() < 2, reason="the load takes a core of its own")
@pytest.mark.skipif("MUSTER_BUILD" in os.environ, reason="rates of an instrumented build say nothing")
def test_a_minute_of_all_at_once(capsys):
    result = soak.run(SECONDS, rate=None, say=lambda _: None)
    with capsys.disabled():
        print("\n" + soak.describe(result))
    assert result["problems"] == []

# SPDX-License-Identifier: BSD-3-Clause
"""A minute of tools/soak: half of the maximum rate, while everything happens that may."""

import os
import sys

import pytest

from sandbox import ROOT

sys.path.insert(0, str(ROOT / "tests" / "soak"))

import soak  # noqa: E402

SECONDS = 60

# Half of what an instrumented build can do says nothing; and a sanitizer keeps for a while what was freed.
INSTRUMENTED = "MUSTER_BUILD" in os.environ
INSTRUMENTED_RATE = 2000


@pytest.mark.skipif(os.cpu_count() < 2, reason="the load takes a core of its own")
def test_a_minute_of_all_at_once(capsys):
    result = soak.run(SECONDS, rate=INSTRUMENTED_RATE if INSTRUMENTED else None, say=lambda _: None)
    with capsys.disabled():
        print("\n" + soak.describe(result))
    assert [problem for problem in result["problems"]
            if not (INSTRUMENTED and problem.startswith("memory grew"))] == []

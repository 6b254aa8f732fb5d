# SPDX-License-Identifier: BSD-3-Clause
"""`--drills`, and the mark of tests that run only with it: @pytest.mark.drill."""

import pytest


def add(parser):
    try:
        parser.addoption("--drills", action="store_true", help="run all failure drills, also the long ones")
    except ValueError:
        pass  # another folder of tests has added it


def register(config):
    config.addinivalue_line("markers", "drill: a long failure drill; run with --drills")


def skip_drills(config, items):
    if config.option.drills:
        return
    for item in items:
        if item.get_closest_marker("drill"):
            item.add_marker(pytest.mark.skip(reason="a drill: tools/test --drills"))

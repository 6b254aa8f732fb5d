# SPDX-License-Identifier: BSD-3-Clause
"""What may follow an announce's 98 bytes: BEP 41 options, and whatever clients append."""

import pytest

from tracker_client import (OPTION_END, OPTION_NOP, OPTION_URL_DATA, TrackerError, scrape_request,
                            url_data_option)

pytestmark = pytest.mark.usefixtures("musterd")

UNKNOWN = 77


@pytest.mark.parametrize("options", [
    bytes([OPTION_END]),
    bytes([OPTION_NOP] * 300),
    url_data_option("/announce"),
    url_data_option("/" + "x" * 600),
    url_data_option(""),
    bytes([OPTION_URL_DATA, 0]),
    bytes([UNKNOWN, 3, 1, 2, 3]),
    bytes([OPTION_NOP, UNKNOWN, 0]) + url_data_option("/a?b=c"),
    bytes([OPTION_END]) + b"\xff" * 500,
    bytes(1000),
], ids=["end", "300 nops", "url", "url in parts", "empty url", "url of no byte", "unknown", "mixed",
        "anything after the end", "zeros"])
def test_options_are_accepted(testbed, family, info_hash, options):
    with testbed.tracker(family=family) as tracker:
        assert tracker.announce(info_hash, options=options).leechers == 1


@pytest.mark.parametrize("options", [
    bytes([OPTION_URL_DATA]),
    bytes([OPTION_URL_DATA, 9]) + b"/short",
    bytes([UNKNOWN, 255]),
    url_data_option("/fine")[:-1] + bytes([OPTION_URL_DATA, 1]),
], ids=["no length", "url cut", "unknown cut", "second one cut"])
def test_options_that_run_past_the_end_get_an_error(testbed, family, info_hash, options):
    with testbed.tracker(family=family) as tracker:
        with pytest.raises(TrackerError):
            tracker.announce(info_hash, options=options)
        assert tracker.announce(info_hash).leechers == 1


def test_reply_to_a_long_request_is_no_longer_than_needed(testbed, family, info_hash):
    with testbed.tracker(family=family) as tracker:
        tracker.announce(info_hash)
        tracker.send(scrape_request(tracker.connect(), 1, [info_hash]) + bytes(7))
        assert len(tracker.receive()) == 8 + 12

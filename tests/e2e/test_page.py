# SPDX-License-Identifier: BSD-3-Clause
"""The live page, in a real browser (Debian's chromium)."""

import re
import shutil
import tempfile
import urllib.request
from html.parser import HTMLParser

import pytest

from sandbox import ROOT
from testbed import wait_until

CHROMIUM = shutil.which("chromium")
PAGE = ROOT / "controlplane/operator/page/index.html"

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs Debian's package chromium")


def browse(musterd, *options, path="/"):
    """Runs the browser in the appliance's namespace, where nothing but the daemon can be reached."""
    with tempfile.TemporaryDirectory() as profile:
        return musterd.namespace.run(
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--disable-dev-shm-usage", "--hide-scrollbars", "--virtual-time-budget=3000",
            f"--user-data-dir={profile}", *options, f"http://127.0.0.1:{musterd.metrics_port}{path}",
            timeout=90)


class Texts(HTMLParser):
    """The text inside each element that has an id; scripts and styles left out."""

    VOID = {"meta", "link", "br", "img", "input"}

    def __init__(self, document):
        super().__init__()
        self.stack, self.found = [], {}
        self.feed(document)

    def handle_starttag(self, tag, attributes):
        if tag not in self.VOID:
            self.stack.append((tag, dict(attributes).get("id")))

    def handle_endtag(self, tag):
        while self.stack and self.stack.pop()[0] != tag:
            pass

    def handle_data(self, data):
        if any(tag in ("script", "style") for tag, _ in self.stack):
            return
        for _, identifier in [*self.stack, (None, "document")]:
            if identifier:
                self.found[identifier] = self.found.get(identifier, "") + data + " "


def text_of(document, identifier="document"):
    return Texts(document).found.get(identifier, "").strip()


@pytest.fixture(scope="module")
def document(testbed, musterd):
    """The page's DOM while clients announce."""
    for client in range(1, 41):
        with testbed.tracker(client=client) as tracker:
            tracker.announce(b"p" * 20, left=client % 2)
    wait_until(lambda: len(musterd.call("live", history=300)["history"]["time"]) >= 3)
    return browse(musterd, "--dump-dom")


def test_page_shows_what_the_daemon_tells(document, musterd):
    status = musterd.call("status")
    assert text_of(document, "hostname") == status["hostname"]
    assert text_of(document, "health") == "ok"
    assert "Worker 0" in document and "Worker 1" in document
    tables = text_of(document, "tables")
    assert "of 20\u202fk" in tables and "of 100\u202fk" in tables
    for port in status["ports"]:
        assert port["name"] in text_of(document, "ports")


def test_page_shows_the_largest_swarms_and_their_sizes(testbed, musterd, document):
    # Forty peers announced for `document`; the tables are looked at every few seconds.
    for client in range(1, 4):
        with testbed.tracker(client=client) as tracker:
            tracker.announce(b"q" * 20, left=client % 2)
    wait_until(lambda: len((musterd.call("live")["swarms"] or {"top": []})["top"]) >= 2, 25)
    page = browse(musterd, "--dump-dom")
    largest = text_of(page, "swarms")
    assert "70707070…" in largest and "71717171…" in largest and "7070707070" not in largest
    assert largest.index("70707070") < largest.index("71717171")
    assert re.search(r"33 – 64\s+1\b", text_of(page, "sizes"))
    assert re.search(r"3 – 4\s+1\b", text_of(page, "sizes"))


def test_charts_are_drawn(document):
    assert len(re.findall(r"<path d=\"M[\d.]", document)) >= 5
    drawn = document[:document.index("<script>")]
    assert not re.search("NaN|undefined|Infinity", drawn)


def test_page_asks_nobody_else(document):
    source = PAGE.read_text()
    outside = set(re.findall(r"https?://[^\s'\"<>)]+", source)) - {"http://www.w3.org/2000/svg"}
    assert outside == set()
    assert re.findall(r"fetch\((.*?)[?,]", source) == ["`/live.json"]
    assert not re.search(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=\"(?!data:)", source)


def test_policy_forbids_asking_anybody_else(musterd):
    with musterd.namespace, urllib.request.urlopen(f"http://127.0.0.1:{musterd.metrics_port}/") as reply:
        assert reply.headers["Content-Security-Policy"].startswith("default-src 'self'")


@pytest.mark.parametrize("name, options", [
    ("desktop", ["--window-size=1280,1200"]),
    ("phone", ["--window-size=390,2400"]),
    ("dark", ["--window-size=1280,1200", "--blink-settings=preferredColorScheme=0"]),
])
def test_screenshot(musterd, tmp_path, name, options):
    """Nothing sticks out sideways; the pictures are left for people to look at."""
    picture = tmp_path / f"page-{name}.png"
    browse(musterd, f"--screenshot={picture}", *options)
    assert picture.stat().st_size > 20_000
    print(picture)


def test_page_says_when_the_daemon_is_failing(testbed, musterd):
    link = testbed.links[1]
    link.clients.ip("link", "set", link.client_interface, "down")
    try:
        wait_until(lambda: musterd.http("/healthz")[0] == 503)
        document = browse(musterd, "--dump-dom")
        assert text_of(document, "health") == "failing"
        assert link.interface in text_of(document, "trouble")
    finally:
        link.clients.ip("link", "set", link.client_interface, "up")

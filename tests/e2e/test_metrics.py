# SPDX-License-Identifier: BSD-3-Clause
"""HTTP: metrics that Prometheus takes, health for load balancers, and what clients of it can cost."""

import json
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request

import pytest

import sandbox
from sandbox import ROOT
from testbed import wait_until
from tracker_client import announce_request

PROMETHEUS = shutil.which("prometheus")
PROMTOOL = shutil.which("promtool")


# What is told --------------------------------------------------------------------------------------


@pytest.mark.skipif(not PROMTOOL, reason="needs Debian's package prometheus")
def test_promtool_finds_nothing_to_say(musterd):
    status, text = musterd.http("/metrics")
    assert status == 200
    done = subprocess.run([PROMTOOL, "check", "metrics"], input=text, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_counters_are_those_of_the_traffic(testbed, musterd, info_hash, family):
    name = f"muster_announces_ipv{family}_total"
    announces, forged = musterd.metric(name), musterd.dropped("connection_id")
    with testbed.tracker(client=20, family=family) as tracker:
        for port in range(1, 11):
            tracker.announce(info_hash, port=port, left=0)
        assert tracker.is_silent(announce_request(5, 5, info_hash))
    wait_until(lambda: musterd.metric(name) - announces == 10, what="ten announces")
    wait_until(lambda: musterd.dropped("connection_id") - forged == 1, what="a dropped one")
    assert musterd.metric("muster_seeders", family=f"ipv{family}") >= 10


def test_histograms_are_whole(musterd):
    for name in ("muster_burst_packets", "muster_burst_service_seconds"):
        buckets = [sample for sample in musterd.metrics()
                   if sample.name == f"{name}_bucket" and sample.labels["worker"] == "0"]
        values = [sample.value for sample in buckets]
        assert values == sorted(values) and buckets[-1].labels["le"] == "+Inf"
        assert values[-1] == musterd.metric(f"{name}_count", worker="0")


def test_bursts_hold_what_was_received_or_handed_over(testbed, musterd, info_hash):
    with testbed.tracker(client=21) as tracker:
        for torrent in range(20):
            tracker.announce(info_hash[:-1] + bytes([torrent]))
    handed = ("muster_received_total", "muster_handed_off_total", "muster_handed_back_total")
    assert musterd.metric("muster_handed_off_total") > 0
    wait_until(lambda: musterd.metric("muster_burst_packets_sum") == sum(map(musterd.metric, handed)),
               what="all packets are in bursts")


def test_every_metric_of_the_documentation_is_announced(musterd):
    text = musterd.http("/metrics")[1]
    rows = [line.split("`")[1] for line in (ROOT / "docs/metrics.md").read_text().splitlines()
            if line.startswith("| `muster_") or line.startswith("| `process_")]
    assert len(rows) > 50
    assert [name for name in rows if f"# TYPE {name} " not in text] == []


def test_table_fill_is_against_the_caps(musterd):
    fill = musterd.metric("muster_table_fill_ratio", table="torrents")
    assert fill == pytest.approx(musterd.metric("muster_torrents") / 20000)


@pytest.mark.skipif(not PROMETHEUS, reason="needs Debian's package prometheus")
def test_a_real_prometheus_scrapes_it_and_evaluates_our_rules(musterd, tmp_path):
    config = (ROOT / "configs/prometheus/prometheus.yaml").read_text()
    config = config.replace("127.0.0.1:9969", f"127.0.0.1:{musterd.metrics_port}")
    config = config.replace("15s", "1s").replace("muster-alerts.yaml",
                                                 str(ROOT / "configs/prometheus/muster-alerts.yaml"))
    (tmp_path / "prometheus.yaml").write_text(config)
    process = sandbox.HOST.popen(
        PROMETHEUS, f"--config.file={tmp_path}/prometheus.yaml", f"--storage.tsdb.path={tmp_path}/data",
        "--web.listen-address=127.0.0.1:9090", "--log.level=error", stdout=subprocess.DEVNULL)

    def ask(path, **query):
        with musterd.namespace:
            url = f"http://127.0.0.1:9090/api/v1/{path}?{urllib.parse.urlencode(query)}"
            with urllib.request.urlopen(url, timeout=5) as reply:
                return json.load(reply)["data"]

    def value(expression):
        try:
            result = ask("query", query=expression)["result"]
        except OSError:
            return None  # not up yet
        return float(result[0]["value"][1]) if result else None

    try:
        wait_until(lambda: value('up{job="muster"}') == 1, seconds=30, what="a scrape")
        assert value("muster_build_info") == 1
        seconds = "rate(muster_worker_seconds_total{worker='0'}[5s])"
        wait_until(lambda: 0.8 < (value(seconds) or 0) < 1.2, seconds=20, what="a second a second")
        rules = [rule for group in ask("rules")["groups"] for rule in group["rules"]]
        wait_until(lambda: all(rule["health"] == "ok" for group in ask("rules")["groups"]
                               for rule in group["rules"]), seconds=10, what="healthy rules")
        assert len(rules) >= 15
    finally:
        process.terminate()
        process.wait(20)


def test_health_is_for_load_balancers(musterd):
    assert musterd.http("/healthz") == (200, "ok\n")
    assert musterd.metric("muster_health", status="ok") == 1


def test_lost_link_is_failing_until_it_is_back(testbed, musterd):
    link = testbed.links[1]
    link.clients.ip("link", "set", link.client_interface, "down")
    try:
        wait_until(lambda: musterd.http("/healthz")[0] == 503, what="failing")
        assert link.interface in musterd.http("/healthz")[1]
        assert musterd.metric("muster_port_up", port=link.interface) == 0
    finally:
        link.clients.ip("link", "set", link.client_interface, "up")
    wait_until(lambda: musterd.http("/healthz") == (200, "ok\n"), what="ok again")


# What it can cost ----------------------------------------------------------------------------------


def dial(musterd):
    with musterd.namespace:
        return socket.create_connection(("127.0.0.1", musterd.metrics_port), timeout=15)


def exchange(musterd, request):
    """All that comes back to raw bytes."""
    with dial(musterd) as client:
        client.sendall(request)
        answer = b""
        while part := client.recv(65536):
            answer += part
    return answer


@pytest.mark.parametrize("request_bytes, status", [
    (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 200),
    (b"GET /healthz HTTP/1.0\n\n", 200),
    (b"GET /healthz?x=1 HTTP/1.1\r\n\r\n", 200),
    (b"HEAD / HTTP/1.1\r\n\r\n", 200),
    (b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", 405),
    (b"DELETE /metrics HTTP/1.1\r\n\r\n", 405),
    (b"GET /../etc/passwd HTTP/1.1\r\n\r\n", 404),
    (b"GET /live.json?history=-1 HTTP/1.1\r\n\r\n", 200),
    (b"GET /live.json?history=99999999999999999999 HTTP/1.1\r\n\r\n", 200),
    (b"GET http://elsewhere/ HTTP/1.1\r\n\r\n", 400),
    (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400),
    (b"\r\n\r\n", 400),
    (b"GET / SPDY/9\r\n\r\n", 400),
    (b"GET /" + b"x" * 20000 + b" HTTP/1.1\r\n\r\n", 431),
])
def test_request_gets_its_status(musterd, request_bytes, status):
    answer = exchange(musterd, request_bytes)
    assert answer.startswith(b"HTTP/1.1 %d " % status), answer[:100]
    if request_bytes.startswith(b"HEAD"):
        assert answer.endswith(b"\r\n\r\n")


def test_silent_and_slow_clients_delay_nobody_and_are_hung_up_on(musterd):
    files = musterd.metric("process_open_fds")
    silent = [dial(musterd) for _ in range(150)]  # more than there is room for
    try:
        slow = dial(musterd)
        slow.sendall(b"GET /metrics HT")
        begun = time.monotonic()
        for _ in range(10):
            assert musterd.http("/healthz")[0] == 200
        assert time.monotonic() - begun < 2
        assert musterd.metric("process_open_fds") - files < 80
        assert slow.recv(100) == b""  # within the time limit of the socket
    finally:
        for client in silent:
            client.close()


def test_scrapes_at_once_are_all_whole(musterd):
    clients = [dial(musterd) for _ in range(30)]
    for client in clients:
        client.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        client.shutdown(socket.SHUT_WR)  # a reply isn't cut short by it
    for client in clients:
        with client, client.makefile("rb") as stream:
            text = stream.read()
        assert text.endswith(b"\n") and b"process_max_fds" in text
        length = int(text.split(b"Content-Length: ")[1].split(b"\r")[0])
        assert len(text.split(b"\r\n\r\n", 1)[1]) == length

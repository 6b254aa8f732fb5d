# SPDX-License-Identifier: BSD-3-Clause
"""A musterd at half of its maximum rate, for long.

Over a veth pair, by AF_XDP at both ends, musterload announces for PEERS clients who come at random: with timeouts so short
that half of them have expired when they come again. Meanwhile snapshots are written, the configuration is reloaded, keys
are rotated, access lists swapped, bans made and lifted, and, over a second veth pair, a flood comes and goes.

What must hold is in judge(): memory stays, legitimate requests are answered, latency stays, and each change took effect.
"""

import json
import secrets
import statistics
import subprocess
import time
from pathlib import Path

import sandbox
from disturbances import Disturbances
from sandbox import BUILD
from testbed import PORT, Testbed

MUSTERLOAD = BUILD / "tools" / "musterload" / "musterload"

PEERS, TORRENTS = 1_000_000, 400_000
# Half of the requests of this workload are announces; a fifth of the clients is on IPv6.
WORKLOAD = ["opentrackr", "--peers", str(PEERS), "--torrents", str(TORRENTS), "--no-populate", "--lenient",
            "--json"]
ANNOUNCES = 50 / 101
# Of the mean time between a client's announces. At 0.7 half of them (1 - 1/e^0.7) come again in time.
TIMEOUT = 0.7

MAX_SECONDS = 6
FLOOD_RATE = 30_000  # packets a second
SNAPSHOT_SECONDS = 10
KEY_SECONDS = 300  # the shortest that musterd takes

# Not looked at: tables fill, snapshots grow, the allocator finds its size.
WARM_UP_SHARE, WARM_UP_SECONDS = 0.25, 120

# What must hold.
LOSS_MAX = 0.001
GROWTH_MAX_SHARE, GROWTH_MAX_BYTES = 0.02, 2 << 20
P999_RATIO_MAX = 1.5
# In less, a neighbour who is busy for some seconds looks like a trend.
TREND_SECONDS = 300


def settings(directory, timeout):
    return {
        "workers": {"cores": [1], "control_core": 0},
        "memory": {"torrents": 2 * TORRENTS + 100_000, "peers": 2 * PEERS},
        "tracker": {"interval": "3s", "interval_jitter": "1s", "interval_max": "3s",
                    "peer_timeout": f"{timeout}s", "torrent_timeout": f"{timeout}s"},
        "connection_id": {"rotation": f"{KEY_SECONDS}s"},
        "access": {"mode": "deny"},
        "store": {"type": "file", "directory": str(directory / "store"), "interval": f"{SNAPSHOT_SECONDS}s", "refresh": "60s"},
        "log": {"level": "info"},
    }


class Load:
    """musterload at the clients' end of the first link."""

    def __init__(self, bed, folder):
        self.bed, self.samples_file, self.process = bed, Path(folder) / "samples", None
        # musterload's own program takes the place of the one that passes everything.
        bed.clients.ip("link", "set", "dev", bed.links[0].client_interface, "xdp", "off")

    def command(self, *options):
        link = self.bed.links[0]
        return self.bed.clients.command(
            MUSTERLOAD, *WORKLOAD, "--port", f"af_xdp:{link.client_interface}", "--core", 0,
            "--tracker", f"{link.address()}:{PORT}", "--tracker6", link.address(6), "--tracker-mac", link.mac,
            "--mac", link.client_mac, *options)

    def measure_max(self):
        """Replies a second, of which no more come however fast requests are sent."""
        done = subprocess.run(self.command("--load", "max", "--seconds", str(MAX_SECONDS)), capture_output=True,
                              text=True, preexec_fn=sandbox.die_with_parent)
        if done.returncode != 0:
            raise RuntimeError(f"musterload: {done.stderr}{done.stdout}")
        return json.loads(done.stdout)["steps"][0]["replies_per_second"]

    def start(self, rate, seconds):
        self.process = subprocess.Popen(
            self.command("--load", str(rate), "--seconds", str(seconds), "--samples", str(self.samples_file)),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=sandbox.die_with_parent)

    def finish(self):
        """(exit code, what it reports)."""
        out, error = self.process.communicate(timeout=30)
        return self.process.returncode, json.loads(out) if out else {"error": error}

    def samples(self):
        if not self.samples_file.exists():
            return []
        return [json.loads(line) for line in self.samples_file.read_text().splitlines()]


def old_key(path):
    """A key that is due for rotation within the first minute."""
    since = int(time.time()) // 60 - KEY_SECONDS // 60 + 1
    path.write_text(f"muster-secrets 1\ncurrent {since} {secrets.token_hex(16)}\n"
                    f"previous 0 {secrets.token_hex(16)}\nswarms {secrets.token_hex(192)}\n")
    path.chmod(0o600)


def look(musterd):
    """Of musterd, what the chart shows."""
    totals = {}
    for sample in musterd.metrics():
        totals[sample.name] = totals.get(sample.name, 0) + sample.value
    return {
        "monotonic": time.monotonic(),
        "rss": totals["process_resident_memory_bytes"],
        "peers": totals["muster_peers"],
        "torrents": totals["muster_torrents"],
        "snapshots": totals["muster_snapshot_passes_total"],
        "load": totals["muster_load_ratio"],
    }


def watch(musterd, load, seconds, every=2):
    """What musterd tells every few seconds until the load ends."""
    seen, deadline = [], time.monotonic() + seconds + 60
    while load.process.poll() is None and musterd.is_running():
        if time.monotonic() > deadline:
            raise RuntimeError("musterload doesn't end")
        seen.append(look(musterd))
        time.sleep(every)
    return seen


def run(seconds, rate, say):
    """Returns all that was seen, with `problems`: what didn't hold, in words."""
    bed = Testbed(links=2)
    try:
        musterd = bed.daemon()
        musterd.configure(settings(musterd.directory, timeout=3600))
        load = Load(bed, musterd.directory)
        if rate is None:
            musterd.start()
            best = load.measure_max()
            musterd.stop()
            rate = int(best / 2)
            say(f"soak: at most {best:,.0f} requests/s; going on at half of that")
        timeout = max(5, round(TIMEOUT * PEERS / (rate * ANNOUNCES)))
        musterd.configure(settings(musterd.directory, timeout))
        old_key(musterd.directory / "connection-id.key")
        say(f"soak: {rate:,} requests/s for {seconds / 60:g} minutes; peers expire after {timeout} s")
        result = soak(bed, musterd.start(), load, rate, seconds)
        result.update(rate=rate, timeout=timeout)
        return judge(result)
    finally:
        bed.close()


def soak(bed, musterd, load, rate, seconds):
    disturbances = Disturbances(bed, musterd, FLOOD_RATE)
    begin = time.monotonic()
    load.start(rate, seconds)
    disturbances.start()
    try:
        seen = watch(musterd, load, seconds)
    finally:
        disturbances.stop()
    code, report = load.finish()
    problems = disturbances.problems
    if code != 0:
        problems.append(f"musterload ended with {code}: {json.dumps(report)}")
    try:
        musterd.stop()
    except AssertionError as error:
        problems.append(str(error))
    # Frames that are no datagrams of the tracker's are the kernel's, which looks for neighbours on the same wire.
    wrong = report.get("replies_wrong", 0) - report.get("wrong_frame", 0)
    if wrong:
        problems.append(f"{wrong} replies were wrong: {json.dumps(report)}")
    log = musterd.log()
    problems += [f"log: {line}" for line in log.splitlines() if " error" in line.lower()]
    return {
        "seconds": seconds, "flood_rate": FLOOD_RATE, "problems": problems, "report": report,
        "load": [{**sample, "at": round(sample["monotonic"] - begin, 1)} for sample in load.samples()],
        "musterd": [{**sample, "at": round(sample["monotonic"] - begin, 1)} for sample in seen],
        "floods": [{"begin": round(window["begin"] - begin, 1), "end": round(window["end"] - begin, 1),
                    "sent": window.get("sent", 0)} for window in disturbances.windows],
        "done": {**{one.name: len(one.times) for one in disturbances.all},
                 "snapshot": seen[-1]["snapshots"] if seen else 0,
                 "key": log.count("new key for connection IDs")},
    }


# Judging ------------------------------------------------------------------------------------------


def slope(points):
    """Of the line through (x, y), by least squares."""
    x_mean = statistics.fmean(x for x, _ in points)
    y_mean = statistics.fmean(y for _, y in points)
    return (sum((x - x_mean) * (y - y_mean) for x, y in points)
            / sum((x - x_mean) ** 2 for x, _ in points))


def judge(result):
    """Adds figures of what came after the warm-up, and to `problems` what doesn't hold."""
    warm_up = min(WARM_UP_SECONDS, WARM_UP_SHARE * result["seconds"])
    load = [sample for sample in result["load"] if sample["at"] > warm_up]
    memory = [(sample["at"], sample["rss"]) for sample in result["musterd"] if sample["at"] > warm_up]
    problems = result["problems"]
    result["warm_up"] = warm_up
    if len(load) < 4 or len(memory) < 4:
        problems.append("too few samples: it ended early")
        return result

    rss = statistics.fmean(rss for _, rss in memory)
    per_second = slope(memory)
    growth = per_second * (memory[-1][0] - memory[0][0])
    requests, lost = (sum(sample[key] for sample in load) for key in ("requests", "lost"))
    half = len(load) // 2
    before, after = (statistics.median(sample["p999_us"] for sample in part) for part in (load[:half], load[half:]))
    result["figures"] = {
        "requests": requests, "lost": lost, "loss": lost / requests,
        "left_out": sum(sample["late"] + sample["refused"] for sample in load),
        "rss_bytes": rss, "growth_bytes": growth, "growth_bytes_an_hour": 3600 * per_second,
        "p50_us": statistics.median(sample["p50_us"] for sample in load),
        "p99_us": statistics.median(sample["p99_us"] for sample in load),
        "p999_us_first_half": before, "p999_us_second_half": after,
    }
    if lost > LOSS_MAX * requests:
        problems.append(f"{lost / requests:.3%} of the requests were lost, more than {LOSS_MAX:.1%}")
    if growth > max(GROWTH_MAX_SHARE * rss, GROWTH_MAX_BYTES):
        problems.append(f"memory grew by {growth / 2**20:.1f} MiB")
    if result["seconds"] >= TREND_SECONDS and after > P999_RATIO_MAX * before:
        problems.append(f"latency p99.9 went from {before:.0f} to {after:.0f} us")
    problems += [f"no {name} happened" for name, count in result["done"].items() if count == 0]
    return result


def write(result, path):
    path.write_text(json.dumps(result, indent=1) + "\n")


def describe(result):
    figures = result.get("figures")
    lines = [f"FAILED  {problem}" for problem in result["problems"]]
    if figures:
        done = ", ".join(f"{count:.0f} {name}" for name, count in result["done"].items())
        lines += [
            f"requests   {figures['requests']:,} at {result['rate']:,}/s, {figures['lost']:,} lost"
            f" ({figures['loss']:.4%}), {figures['left_out']:,} that the load itself left out",
            f"latency    p50 {figures['p50_us']:.0f} us, p99 {figures['p99_us']:.0f} us, p99.9"
            f" {figures['p999_us_first_half']:.0f} us in the first half, {figures['p999_us_second_half']:.0f} us"
            " in the second",
            f"memory     {figures['rss_bytes'] / 2**20:.1f} MiB, growing {figures['growth_bytes'] / 2**20:+.2f} MiB"
            f" ({figures['growth_bytes_an_hour'] / 2**20:+.2f} MiB an hour)",
            f"meanwhile  {done}",
        ]
    return "\n".join(lines)

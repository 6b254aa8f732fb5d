# SPDX-License-Identifier: BSD-3-Clause
"""A soak as a chart (SVG): what was asked and lost, latency, memory and peers over time; floods shaded."""

import math
from html import escape

WIDTH, LEFT, RIGHT = 960, 70, 120
PANEL, GAP, TOP, BOTTOM = 130, 46, 62, 44
COLORS = ("#1b6ca8", "#d1701f", "#b3202c")
GRID, INK, FLOOD, WARM_UP = "#dddddd", "#333333", "#f6d9d9", "#eeeeee"


class Panel:
    """A title, an axis of its own, and lines: (label, [(seconds, value)])."""

    def __init__(self, title, lines, log=False, top=None, unit=""):
        self.title, self.lines, self.log, self.unit = title, lines, log, unit
        values = [value for _, points in lines for _, value in points if not log or value > 0]
        if log:
            self.low = 10 ** math.floor(math.log10(min(values, default=1)))
            self.high = 10 ** math.ceil(math.log10(max(values, default=10)))
        else:
            self.low, self.high = 0, top or nice(max(values, default=1))

    def height(self, value):
        """0 at the bottom, 1 at the top."""
        if self.log:
            value = max(value, self.low)
            return math.log10(value / self.low) / math.log10(self.high / self.low)
        return min(1, value / self.high)

    def ticks(self):
        if self.log:
            decades = round(math.log10(self.high / self.low))
            return [self.low * 10 ** decade for decade in range(decades + 1)]
        return [self.high * part / 4 for part in range(5)]


def nice(value):
    """The next of 1, 2, 4, 6, 8 times a power of ten."""
    power = 10 ** math.floor(math.log10(value)) if value > 0 else 1
    return next(step * power for step in (1, 2, 4, 6, 8, 10) if step * power >= value)


def short(value):
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:g} {unit}"
    return f"{value:g}"


def panels_of(result):
    load, musterd = result["load"], result["musterd"]

    def points(samples, value):
        return [(sample["at"], value(sample)) for sample in samples]

    return [
        Panel("requests/s, and replies/s", [
            ("requests", points(load, lambda sample: sample["requests"] / sample["seconds"])),
            ("replies", points(load, lambda sample: sample["replies"] / sample["seconds"]))]),
        Panel("requests without a reply, percent", [
            ("lost", points(load, lambda sample: 100 * sample["lost"] / max(1, sample["requests"])))],
            top=max(0.2, nice(max((100 * sample["lost"] / max(1, sample["requests"]) for sample in load),
                                  default=0.2)))),
        Panel("latency of requests, microseconds", [
            ("p50", points(load, lambda sample: sample["p50_us"])),
            ("p99", points(load, lambda sample: sample["p99_us"])),
            ("p99.9", points(load, lambda sample: sample["p999_us"]))], log=True),
        Panel("musterd's resident memory, MiB", [
            ("RSS", points(musterd, lambda sample: sample["rss"] / 2**20))]),
        Panel("in the tables", [
            ("peers", points(musterd, lambda sample: sample["peers"])),
            ("swarms", points(musterd, lambda sample: sample["torrents"]))]),
    ]


def corners(points):
    """Without those in the middle of level stretches: an hour has many."""
    return [point for before, point, after in zip(points[:1] + points, points, points[1:] + points[-1:])
            if point in (points[0], points[-1]) or not round(before[1], 1) == round(point[1], 1) == round(after[1], 1)]


class Drawing:
    def __init__(self, result, panels):
        self.result, self.panels, self.parts = result, panels, []
        self.seconds = max([result["seconds"]] + [sample["at"] for sample in result["load"]])
        self.height = TOP + len(panels) * (PANEL + GAP) + BOTTOM

    def x(self, at):
        return LEFT + (WIDTH - LEFT - RIGHT) * at / self.seconds

    def text(self, x, y, words, anchor="start", color=INK, size=12):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}"'
                          f' fill="{color}">{escape(words)}</text>')

    def line(self, points, color, width=1.2):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners(points))
        self.parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="{width}"/>')

    def band(self, begin, end, top, color):
        self.parts.append(f'<rect x="{self.x(begin):.1f}" y="{top}" width="{self.x(end) - self.x(begin):.1f}"'
                          f' height="{PANEL}" fill="{color}"/>')

    def panel(self, panel, top):
        self.band(0, self.result.get("warm_up", 0), top, WARM_UP)
        for flood in self.result["floods"]:
            self.band(flood["begin"], min(flood["end"], self.seconds), top, FLOOD)
        for tick in panel.ticks():
            y = top + PANEL * (1 - panel.height(tick))
            self.line([(LEFT, y), (WIDTH - RIGHT, y)], GRID, 0.8)
            self.text(LEFT - 6, y + 4, short(tick), "end", size=11)
        self.text(LEFT, top - 8, panel.title, size=13)
        for number, (label, points) in enumerate(panel.lines):
            self.line([(self.x(at), top + PANEL * (1 - panel.height(value))) for at, value in points],
                      COLORS[number])
            self.text(WIDTH - RIGHT + 10, top + 14 + 16 * number, label, color=COLORS[number])

    def time_axis(self, y):
        step = next((step for step in (10, 30, 60, 120, 300, 600, 1800) if self.seconds / step <= 12), 3600)
        for at in range(0, int(self.seconds) + 1, step):
            self.text(self.x(at), y, f"{at // 60}:{at % 60:02}", "middle", size=11)
        self.text(WIDTH - RIGHT + 24, y, "min:s", size=11)

    def svg(self):
        words = (f"{self.result['rate']:,} requests/s for {self.result['seconds'] / 60:g} minutes, peers expiring after"
                 f" {self.result['timeout']} s")
        self.text(LEFT, 22, words, size=15)
        self.text(LEFT, 40, f"red: a flood of {self.result['flood_rate']:,} packets/s on top; grey: warm-up", size=11)
        for number, panel in enumerate(self.panels):
            self.panel(panel, TOP + 8 + number * (PANEL + GAP))
        self.time_axis(self.height - BOTTOM - GAP + 34)
        inner = "\n".join(self.parts)
        return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self.height}" font-family="sans-serif">\n'
                f'<rect width="{WIDTH}" height="{self.height}" fill="white"/>\n{inner}\n</svg>\n')


def draw(result):
    return Drawing(result, panels_of(result)).svg()

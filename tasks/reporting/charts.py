"""Charts as inline SVG without script: colours come from the page's style, so that dark mode and print have theirs.

Numbers are placed by code; every text goes through `escape`. Each chart names itself by <title> and <desc>.
"""

from collections.abc import Iterable, Sequence
from math import ceil, floor, log10
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup, escape

from tasks.objectives import Array
from tasks.reporting.words import minus

WIDTH, HEIGHT = 360, 240
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 30, 40
POINTS = 1500
"""More dots than that hide one another."""


class Axis(NamedTuple):
    """From `low` to `high`, marked at `ticks`; `share`: told in per cent."""

    label: str
    low: float
    high: float
    ticks: Sequence[float]
    share: bool = False

    def told(self, tick: float) -> str:
        """Return what stands at a mark."""
        return minus(f"{100 * tick:.0f} %" if self.share else f"{tick:.10g}")


def axis(label: str, values: Iterable[float], share: bool = False) -> Axis:
    """Make an axis whose ends and marks are round numbers around all `values`."""
    known = [value for value in values if np.isfinite(value)] or [0.0, 1.0]
    low, high = min(known), max(known)
    if high - low < 1e-12:
        room = 0.05 if share else 0.5
        low, high = low - room, high + room
    if share:
        low, high = max(low, 0.0), min(high, 1.0)
    step = _round_step((high - low) / 4)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    ticks = [float(f"{number * step:.12g}") for number in range(first, last + 1)]
    return Axis(label, ticks[0], ticks[-1], ticks, share)


def _round_step(rough: float) -> float:
    power = 10.0 ** floor(log10(rough))
    return float(next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * (1 - 1e-9)))


class Plane:
    """An empty chart with two axes, onto which marks are put."""

    def __init__(self, across: Axis, up: Axis, height: int = HEIGHT) -> None:
        self.across, self.up, self.height = across, up, height
        self.marks: list[str] = []

    def x(self, value: float) -> float:
        """Place a value across."""
        share = (value - self.across.low) / (self.across.high - self.across.low)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 2)

    def y(self, value: float) -> float:
        """Place a value up."""
        share = (value - self.up.low) / (self.up.high - self.up.low)
        return round(self.height - BOTTOM - share * (self.height - TOP - BOTTOM), 2)

    def line(self, points: Sequence[tuple[float, float]], kind: str) -> None:
        """Join points by a line of a kind the style knows."""
        told = " ".join(f"{self.x(x)},{self.y(y)}" for x, y in points)
        self.marks.append(f'<polyline class="{kind}" points="{told}"/>')

    def dots(self, points: Iterable[tuple[float, float]], kind: str, radius: float = 3) -> None:
        """Put a dot at each point."""
        self.marks += [f'<circle class="{kind}" cx="{self.x(x)}" cy="{self.y(y)}" r="{radius}"/>' for x, y in points]

    def bar(self, left: float, right: float, top: float, kind: str, bottom: float = 0.0) -> None:
        """Put a bar between two values across."""
        x, y = self.x(left), self.y(top)
        width, height = max(self.x(right) - x - 1, 0.5), max(self.y(bottom) - y, 0)
        self.marks.append(f'<rect class="{kind}" x="{x}" y="{y}" width="{width:.2f}" height="{height:.2f}"/>')

    def text(self, x: float, y: float, told: str, kind: str) -> None:
        """Write beside a place."""
        self.marks.append(f'<text class="{kind}" x="{self.x(x)}" y="{self.y(y)}">{escape(told)}</text>')

    def drawn(self, title: str, description: str) -> Markup:
        """Return the chart with its frame."""
        frame = [*self._marked_up(), *self._marked_across()]
        return svg(WIDTH, self.height, "".join([*frame, *self.marks]), title, description)

    def _marked_up(self) -> Iterable[str]:
        for tick in self.up.ticks:
            y = self.y(tick)
            yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>'
            yield f'<text class="tick end" x="{LEFT - 6}" y="{y + 4}">{escape(self.up.told(tick))}</text>'
        yield f'<text class="name" x="2" y="12">{escape(self.up.label)}</text>'

    def _marked_across(self) -> Iterable[str]:
        floor_y = self.height - BOTTOM
        yield f'<line class="floor" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{floor_y}" y2="{floor_y}"/>'
        for tick in self.across.ticks:
            told = escape(self.across.told(tick))
            yield f'<text class="tick middle" x="{self.x(tick)}" y="{floor_y + 16}">{told}</text>'
        middle = (LEFT + WIDTH - RIGHT) / 2
        yield f'<text class="label" x="{middle}" y="{self.height - 5}">{escape(self.across.label)}</text>'


def svg(width: int, height: int, inside: str, title: str, description: str) -> Markup:
    """Return an SVG element that a reader who cannot see it is told of; `inside` is markup already."""
    told = f"<title>{escape(title)}</title><desc>{escape(description)}</desc>"
    return Markup(f'<svg class="chart" viewBox="0 0 {width} {height}" role="img">{told}{inside}</svg>')  # noqa: S704


def curves(epochs: Sequence[dict[str, Any]], lines: dict[str, str], kept: int, label: str, share: bool) -> Markup:
    """Draw values over the epochs; `lines` says which key of an epoch is drawn as which kind of line."""
    found = {
        kind: [(one["epoch"], one[key]) for one in epochs if one.get(key) is not None] for key, kind in lines.items()
    }
    last = max(one["epoch"] for one in epochs)
    step = max(1, ceil(last / 6))
    across = Axis("epoch", 0, max(last, 1), list(range(0, last + 1, step)))
    plane = Plane(across, axis(label, [value for points in found.values() for _, value in points], share), height=210)
    plane.line([(kept, plane.up.low), (kept, plane.up.high)], "kept")
    for kind, points in found.items():
        plane.line(points, f"line {kind}")
        plane.dots(points, f"dot {kind}")
    ends = ", ".join(
        f"{kind} from {points[0][1]:.3f} to {points[-1][1]:.3f}" for kind, points in found.items() if points
    )
    return plane.drawn(f"{label} over the epochs", f"{ends}; epoch {kept} was kept")


def reliability(bins: Sequence[dict[str, float]]) -> Markup:
    """Draw how often answers were right against how sure they were, each with its interval; the size tells how many."""
    whole = [0, 0.2, 0.4, 0.6, 0.8, 1]
    plane = Plane(
        Axis("how sure it was", 0, 1, whole, True), Axis("how often it was right", 0, 1, whole, True), height=300
    )
    plane.line([(0, 0), (1, 1)], "ideal")
    most = max(one["samples"] for one in bins)
    for one in bins:
        plane.line([(one["confidence"], one["low"]), (one["confidence"], one["high"])], "whisker")
    for one in bins:
        plane.dots([(one["confidence"], one["correct"])], "dot best", 3 + 5 * (one["samples"] / most) ** 0.5)
    told = "; ".join(f"{one['confidence']:.0%} sure, {one['correct']:.0%} right" for one in bins)
    return plane.drawn("How often answers were right, by how sure they were", told)


def scatter(truth: Array, answer: Array) -> Markup:
    """Draw answers against the truth; of very many points some, evenly picked."""
    some = np.linspace(0, len(truth) - 1, min(len(truth), POINTS)).astype(int)
    both = [*truth.tolist(), *answer.tolist()]
    plane = Plane(axis("truth", both), axis("answer", both), height=300)
    low, high = plane.up.low, plane.up.high
    plane.line([(low, low), (high, high)], "ideal")
    plane.dots([(float(truth[one]), float(answer[one])) for one in some], "point", 2.5)
    return plane.drawn("Answers against the truth", f"{len(truth):,} samples; on the dashed line both are equal")


def histogram(values: Array, label: str, title: str, zero: bool = False, bins: int = 24, height: int = 210) -> Markup:
    """Draw how many samples have which value; `zero` marks nought."""
    across = axis(label, values.tolist())
    counts, edges = np.histogram(values, bins=bins, range=(across.low, across.high))
    plane = Plane(across, axis("samples", [0, float(counts.max())]), height)
    for count, left, right in zip(counts, edges[:-1], edges[1:], strict=True):
        if count:
            plane.bar(float(left), float(right), float(count), "fill")
    if zero and across.low < 0 < across.high:
        plane.line([(0, 0), (0, plane.up.high)], "kept")
    quarter, half, three = np.quantile(values, [0.25, 0.5, 0.75])
    return plane.drawn(
        title, f"{len(values):,} samples; the middle half from {quarter:.3g} to {three:.3g}, median {half:.3g}"
    )

"""An empty chart: round axes, and marks that are put onto them. Numbers are placed by code, texts are escaped."""

from collections.abc import Iterable, Sequence
from math import ceil, floor, log10
from typing import NamedTuple

import numpy as np
from markupsafe import Markup, escape

from tasks.reporting.words import minus

WIDTH, HEIGHT = 360, 240
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 30, 40


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

"""Charts as inline SVG without script: colours come from the page's style, so that dark mode and print have theirs.

Each chart tells itself by <title> and <desc> to readers who cannot see it.
"""

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np
from markupsafe import Markup

from tasks.objectives import Array
from tasks.reporting.plane import Axis, Plane, axis

POINTS = 1500
"""More dots than that hide one another."""


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

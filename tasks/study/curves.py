"""The picture of a study's curves: accuracy over how many labels there are."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from tasks.evaluation.plots import styled
from tasks.study.plots import MARKS
from tasks.study.tables import labelled

GAP = 0.075
"""How far apart names at the right of a panel stand at least, as a part of its height."""


class Point(NamedTuple):
    """Accuracies of the seeds at one share of the labels, and how many samples that is."""

    share: float
    samples: int
    values: Sequence[float]


@styled
def curves(panels: Mapping[str, Mapping[str, Sequence[Point]]], title: str) -> Figure:
    """Draw a panel per data set: mean accuracy of each strategy over shares of the labels, a band from seed to seed."""
    figure = Figure(figsize=(1 + 3.2 * len(panels), 3.5))
    for axes, (name, lines) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        _panel(axes, lines)
        axes.set_title(name)
    figure.supylabel("accuracy", fontsize=9)
    figure.supxlabel("share of the labels learnt from, and samples", fontsize=9)
    figure.suptitle(title, x=0.01, ha="left", fontsize=10)
    return figure


def _panel(axes: Axes, lines: Mapping[str, Sequence[Point]]) -> None:
    for name, points in lines.items():
        colour, mark = MARKS[name]
        shares, means = [one.share for one in points], [float(np.mean(one.values)) for one in points]
        axes.fill_between(
            shares,
            [min(one.values) for one in points],
            [max(one.values) for one in points],
            color=colour,
            alpha=0.15,
            linewidth=0,
        )
        axes.plot(shares, means, mark + "-", color=colour, markersize=5)
    known = {one.share: one.samples for points in lines.values() for one in points}
    axes.set_xscale("log")
    axes.set_xticks(sorted(known), [f"{labelled(share)}\n{known[share]:,}" for share in sorted(known)], fontsize=7.5)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
    axes.set_xlim(min(known) * 0.85, max(known) * 1.15)
    _name_lines(axes, lines)


def _name_lines(axes: Axes, lines: Mapping[str, Sequence[Point]]) -> None:
    """Write each line's name beside its right end, names that would overlap a little apart."""
    low, high = axes.get_ylim()
    ends = {name: float(np.mean(points[-1].values) - low) / (high - low) for name, points in lines.items()}
    for name, height in apart(ends, GAP).items():
        axes.annotate(
            name, (1.02, height), xycoords="axes fraction", va="center", color=MARKS[name][0], annotation_clip=False
        )


def apart(heights: Mapping[str, float], gap: float) -> dict[str, float]:
    """Move heights up until each stands `gap` above the one below it, then all down by half of the largest move."""
    moved: dict[str, float] = {}
    floor = -np.inf
    for name in sorted(heights, key=lambda name: heights[name]):
        moved[name] = floor = max(heights[name], floor + gap)
    most = max((moved[name] - heights[name] for name in moved), default=0.0)
    return {name: height - most / 2 for name, height in moved.items()}

"""A study's pictures: each strategy has one colour and one mark, and its name stands beside what it draws."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from tasks.evaluation.plots import BLUE, GREY, ORANGE, styled

GREEN, PURPLE = "#009E73", "#AA4499"
MARKS = {
    "head": (BLUE, "o"),
    "partial": (ORANGE, "s"),
    "full": (GREEN, "D"),
    "lora": (PURPLE, "^"),
    "scratch": (GREY, "X"),
}
"""Colour and mark of each strategy."""

NARROWEST = 0.06
"""What an axis of accuracies spans at least, so that tiny differences look tiny."""


class Pair(NamedTuple):
    """A row of two accuracies, shares: the first drawn hollow, the second filled; None where there is none."""

    name: str
    strategy: str
    hollow: float | None
    filled: float | None
    aim: float | None


@styled
def strategies(values: Mapping[str, Sequence[float]], title: str) -> Figure:
    """Draw a row per strategy: a faint mark per seed, a full one at their mean with its value."""
    figure = Figure(figsize=(6, 1.1 + 0.42 * len(values)))
    axes = figure.add_subplot()
    for place, (name, seeds) in enumerate(values.items()):
        colour, mark = MARKS[name]
        axes.plot(seeds, [place] * len(seeds), mark, color=colour, alpha=0.35, markersize=6, markeredgewidth=0)
        mean = float(np.mean(seeds))
        axes.plot(mean, place, mark, color=colour, markersize=8, markeredgecolor="white")
        axes.annotate(_said(mean), (mean, place), (0, 6), textcoords="offset points", ha="center", fontsize=7.5)
    _name_rows(axes, list(values))
    axes.set_title(title)
    return figure


@styled
def pairs(rows: Sequence[Pair], legend: tuple[str, str], title: str) -> Figure:
    """Draw rows of a hollow and a filled mark, joined; a dotted stroke where a row has an aim."""
    figure = Figure(figsize=(6, 1.5 + 0.42 * len(rows)))
    axes = figure.add_subplot()
    for place, row in enumerate(rows):
        colour, mark = MARKS[row.strategy]
        both = sorted(
            (value, face) for value, face in ((row.hollow, "white"), (row.filled, colour)) if value is not None
        )
        axes.plot([value for value, _ in both], [place] * len(both), color=colour, linewidth=2, alpha=0.4)
        for side, (value, face) in zip((1, -1), reversed(both), strict=False):
            axes.plot(value, place, mark, color=colour, markerfacecolor=face, markersize=7, markeredgewidth=1.5)
            _beside(axes, value, place, side)
        if row.aim is not None:
            axes.vlines(row.aim, place - 0.4, place + 0.4, color="black", linestyle=":")
    for face, told in zip(("white", GREY), legend, strict=True):
        axes.plot([], [], "o", color=GREY, markerfacecolor=face, markeredgewidth=1.5, label=told)
    if any(row.aim is not None for row in rows):
        axes.plot([], [], ":", color="black", label="aim")
    _name_rows(axes, [row.name for row in rows])
    axes.set_title(title)
    figure.legend(loc="outside lower left", ncols=3)
    return figure


def _said(value: float) -> str:
    return f"{100 * value:.1f} %"


def _beside(axes: Axes, value: float, place: int, side: int) -> None:
    """Write a number to the right (1) or to the left (-1) of its mark."""
    where: dict[str, Any] = {"ha": "left" if side > 0 else "right", "va": "center", "fontsize": 7.5}
    axes.annotate(_said(value), (value, place), (7 * side, 0), textcoords="offset points", **where)


def _name_rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.7)
    axes.tick_params(axis="y", length=0)
    axes.grid(False, axis="y")
    axes.margins(x=0.16)
    low, high = axes.get_xlim()
    axes.set_xlim(min(low, (low + high - NARROWEST) / 2), max(high, (low + high + NARROWEST) / 2))
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))

"""Pictures in one style: colour-blind-safe, quiet, the same bytes for the same numbers."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tasks.evaluation.bootstrap import Interval

BLUE, ORANGE, GREY, FAINT = "#0072B2", "#D55E00", "#767676", "#E6E6E6"
"""Blue and vermilion of Okabe & Ito's palette for every kind of colour vision, and two greys."""

STYLE: dict[str, Any] = {
    "figure.dpi": 120,
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "xtick.color": GREY,
    "xtick.labelcolor": "black",
    "ytick.color": GREY,
    "ytick.labelcolor": "black",
    "legend.frameon": False,
    "text.parse_math": False,
}
styled = style.context(["default", STYLE])
"""Decorates a function that makes a figure."""

LONGEST_NAME = 28
MOST_ROWS = 40


def save(figure: Figure, path: Path) -> None:
    """Write a PNG without date or version, silent about letters the font lacks."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(path, format="png", metadata={"Software": None})


def shortened(name: str) -> str:
    """Cut a long name in its middle: beginnings and endings tell most."""
    half = (LONGEST_NAME - 1) // 2
    return name if len(name) <= LONGEST_NAME else f"{name[:half]}…{name[-half:]}"


def rows(axes: Axes, names: Sequence[str], scores: Sequence[Interval], colours: Sequence[str]) -> None:
    """Draw a point and its interval per name, the first on top; what is undefined stays empty."""
    for place, (score, colour) in enumerate(zip(scores, colours, strict=True)):
        if score["value"] is None:
            continue
        if score["low"] is not None and score["high"] is not None:
            axes.hlines(place, score["low"], score["high"], color=colour, linewidth=2, alpha=0.5)
        axes.plot(score["value"], place, "o", color=colour, markersize=5)
        axes.annotate(
            f"{score['value']:.3f}",
            (score["value"], place),
            (0, 4),
            textcoords="offset points",
            ha="center",
            fontsize=7,
        )
    axes.set_yticks(range(len(names)), [shortened(name) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)


@styled
def intervals(scores: dict[str, Interval], title: str, label: str) -> Figure:
    """Draw one metric of many classes, the lowest on top; of very many the MOST_ROWS lowest."""
    ordered = sorted(scores, key=lambda name: scores[name]["value"] or 0.0)
    shown = ordered[:MOST_ROWS]
    figure = Figure(figsize=(6, 1.2 + 0.26 * len(shown)))
    axes = figure.add_subplot()
    rows(axes, shown, [scores[name] for name in shown], [BLUE] * len(shown))
    axes.set_xlim(-0.02, 1.02)
    axes.set_xlabel(label)
    axes.set_title(title if len(shown) == len(ordered) else f"{title}: the lowest {MOST_ROWS} of {len(ordered)}")
    return figure


@styled
def comparison(scores: dict[str, dict[str, Interval]], best: str, title: str) -> Figure:
    """Draw trainings and baseline side by side, a panel a metric; `scores` {training: {metric: interval}}."""
    names = list(scores)
    metrics = list(scores[best])
    figure = Figure(figsize=(1.6 + 2.1 * len(metrics), 1.2 + 0.36 * len(names)))
    panels = figure.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
    colours = [ORANGE if name == best else BLUE if name != "baseline" else GREY for name in names]
    for axes, metric in zip(panels, metrics, strict=True):
        rows(axes, names, [scores[name][metric] for name in names], colours)
        axes.set_xlabel(metric.replace("_", " "))
        axes.xaxis.set_major_locator(MaxNLocator(3))
        axes.margins(x=0.12)
    figure.suptitle(title, x=0.01, ha="left", fontsize=10)
    return figure


@styled
def learning_curve(epochs: Sequence[dict[str, Any]], best: int, metric: str, title: str) -> Figure:
    """Draw losses and the metric over the epochs of training.json, the best epoch marked."""
    figure = Figure(figsize=(7, 2.8))
    left, right = figure.subplots(1, 2)
    _line(left, epochs, "train_loss", BLUE, "train")
    _line(left, epochs, "loss", ORANGE, "validation")
    _line(right, epochs, metric, ORANGE, "validation")
    for axes, label in ((left, "loss"), (right, metric.replace("_", " "))):
        axes.axvline(best, color=GREY, linestyle=":", label="kept")
        axes.set_xlabel("epoch")
        axes.set_ylabel(label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.legend()
    left.set_title(title)
    return figure


def _line(axes: Axes, epochs: Sequence[dict[str, Any]], key: str, colour: str, label: str) -> None:
    told = [(entry["epoch"], entry[key]) for entry in epochs if entry.get(key) is not None]
    if told:
        axes.plot(*np.array(told).T, "o-", color=colour, markersize=4, label=label)

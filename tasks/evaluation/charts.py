"""Pictures of answers against the truth: confusion, reliability, scatter, residuals."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tasks.evaluation.plots import BLUE, FAINT, GREY, shortened, styled
from tasks.objectives import Array, metrics

POINTS = 72
"""An inch."""

MOST_NUMBERED = 20
"""Classes of a confusion matrix whose cells still have room for a number."""


@styled
def confusion(counts: Array, labels: Sequence[str], title: str) -> Figure:
    """Draw counts [K, K], rows truth and columns answer, coloured by share of the row; grey: no samples."""
    classes = len(labels)
    shares = metrics.ratio(counts, np.broadcast_to(counts.sum(axis=1, keepdims=True), counts.shape))
    side = max(2.2, min(0.5, 12 / classes) * classes)
    figure = Figure(figsize=(side + 2.6, side + 1.4))
    axes = figure.add_subplot()
    image = axes.imshow(np.ma.masked_invalid(shares), cmap=colormaps["Blues"].with_extremes(bad=FAINT), vmin=0, vmax=1)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    _name_classes(axes, labels, font=min(9, 0.7 * POINTS * side / classes))
    if classes <= MOST_NUMBERED:
        _number_cells(axes, counts, shares)
    figure.colorbar(image, label="share of the true class", shrink=0.8).outline.set_visible(False)
    axes.set_title(title)
    return figure


def _name_classes(axes: Axes, labels: Sequence[str], font: float) -> None:
    names = [shortened(label) for label in labels]
    upright = len(names) > 3 or max(map(len, names)) > 12
    turned: dict[str, Any] = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if upright else {}
    axes.set_xticks(range(len(names)), names, fontsize=font, **turned)
    axes.set_yticks(range(len(names)), names, fontsize=font)
    axes.set_xlabel("answer")
    axes.set_ylabel("truth")


def _number_cells(axes: Axes, counts: Array, shares: Array) -> None:
    """Write counts into the cells, shares below where there is room; a large table leaves its zeros out."""
    roomy = len(counts) <= 6
    for (row, column), count in np.ndenumerate(counts):
        share = shares[row, column]
        if not count and len(counts) > 6:
            continue
        text = f"{count:,}\n{share:.0%}" if roomy and np.isfinite(share) else f"{count:,}"
        colour = "white" if share > 0.5 else "black"
        axes.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)


@styled
def reliability(confidence: Array, correct: Array, measured: dict[str, Any], title: str) -> Figure:
    """Draw how often answers are correct against how sure they were, and how many were how sure."""
    figure = Figure(figsize=(4.2, 5))
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    bins = metrics.bin_of(confidence)
    counts = np.bincount(bins, minlength=metrics.BINS)
    filled = counts > 0
    said = np.bincount(bins, confidence, metrics.BINS)[filled] / counts[filled]
    held = np.bincount(bins, correct, metrics.BINS)[filled] / counts[filled]
    upper.plot([0, 1], [0, 1], "--", color=GREY, label="perfectly calibrated")
    upper.plot(said, held, "o-", color=BLUE, clip_on=False, label=_told(measured, "calibration_error"))
    upper.set(xlim=(0, 1), ylim=(0, 1), ylabel="share correct", title=title)
    lower.bar((np.arange(metrics.BINS) + 0.5) / metrics.BINS, counts, 0.9 / metrics.BINS, color=BLUE)
    lower.set(xlabel="confidence", ylabel="samples")
    figure.legend(loc="outside lower left")
    return figure


def _told(measured: dict[str, Any], metric: str) -> str:
    """Put a metric and its interval into words."""
    value, low, high = (measured[metric][key] for key in ("value", "low", "high"))
    name = metric.replace("_", " ")
    if value is None:
        return f"{name} undefined"
    return f"{name} {value:.3f}" if low is None else f"{name} {value:.3f} ({low:.3f} to {high:.3f})"


@styled
def scatter(truth: Array, answer: Array, measured: dict[str, Any], title: str) -> Figure:
    """Draw answers [N] against the truth [N], in the labels' units."""
    figure = Figure(figsize=(4.6, 4.6))
    axes = figure.add_subplot()
    ends = [min(truth.min(), answer.min()), max(truth.max(), answer.max())]
    axes.plot(ends, ends, "--", color=GREY)
    _dots(axes, truth, answer)
    axes.set_aspect("equal")
    told = "\n".join(_told(measured, metric) for metric in ("r2", "spearman"))
    axes.text(0.03, 0.97, told, va="top", transform=axes.transAxes)
    axes.set(xlabel="truth", ylabel="answer", title=title)
    return figure


@styled
def residuals(truth: Array, answer: Array, title: str) -> Figure:
    """Draw answer minus truth against the truth, and how often each occurs."""
    figure = Figure(figsize=(6.4, 3.4))
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[3, 1])
    _dots(left, truth, answer - truth)
    right.hist(answer - truth, bins=30, orientation="horizontal", color=BLUE)
    for axes in (left, right):
        axes.axhline(0, linestyle="--", color=GREY)
    left.set(xlabel="truth", ylabel="answer minus truth", title=title)
    right.set(xlabel="samples")
    return figure


def _dots(axes: Axes, across: Array, up: Array) -> None:
    axes.plot(across, up, "o", color=BLUE, markersize=3.5, alpha=0.35, markeredgewidth=0)

"""How well values are told: metrics with intervals, the largest errors and pictures."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tasks.evaluation import bootstrap, charts
from tasks.objectives import Array, Facts, metrics
from tasks.objectives.regression import answers, score

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OVERALL = ("r2", "spearman", "mae", "rmse")


def resampled(outputs: Array, targets: Array, facts: Facts, weights: Array) -> dict[str, Array]:
    """Return OVERALL on each resample, float64 [R]."""
    answer, truth = outputs[:, 0].astype(np.float64), targets.astype(np.float64)
    samples, squares = weights.sum(axis=1), weights @ (answer - truth) ** 2
    return {
        "r2": 1 - metrics.ratio(squares, metrics.spread(truth, weights)),
        "spearman": metrics.spearman(truth, answer, weights),
        "mae": metrics.ratio(weights @ np.abs(answer - truth), samples),
        "rmse": np.sqrt(metrics.ratio(squares, samples)),
    }


def measure(
    outputs: Array, targets: Array, facts: Facts, resampled: dict[str, Array], confidence: float
) -> dict[str, Any]:
    """Return OVERALL and the loss; the errors are in the labels' units."""
    values = score(outputs, targets, facts)
    overall = {name: bootstrap.interval(values[name], resampled[name], confidence) for name in OVERALL}
    return {**overall, "loss": values["loss"]}


def errors(outputs: Array, targets: Array, facts: Facts, most: int) -> pd.DataFrame:
    """Return the samples farthest off: row, truth, answer, and deviation, answer minus truth."""
    told = _told(outputs, targets, facts)
    worst = told["deviation"].abs().sort_values(ascending=False, kind="stable").index[:most]
    return told.loc[worst].reset_index(drop=True)


def rights(outputs: Array, targets: Array, facts: Facts, most: int) -> pd.DataFrame:
    """Return the samples least far off, spread over the truth: one of each of `most` equal parts of its order."""
    told = _told(outputs, targets, facts).sort_values("truth", kind="stable")
    parts = np.array_split(np.arange(len(told)), most) if most else []
    off = told["deviation"].abs().to_numpy()
    best = [int(part[off[part].argmin()]) for part in parts if len(part)]
    return told.iloc[best].reset_index(drop=True)


def _told(outputs: Array, targets: Array, facts: Facts) -> pd.DataFrame:
    """Return row, truth, answer and deviation of each sample."""
    told = answers(outputs, facts)
    told.insert(0, "row", np.arange(len(targets)))
    told.insert(1, "truth", targets.astype(np.float64))
    told["deviation"] = told["answer"] - told["truth"]
    return told


def draw(outputs: Array, targets: Array, facts: Facts, measured: dict[str, Any], title: str) -> "dict[str, Figure]":
    """Draw the answers and their residuals against the truth."""
    answer, truth = outputs[:, 0].astype(np.float64), targets.astype(np.float64)
    return {
        "scatter": charts.scatter(truth, answer, measured, title),
        "residuals": charts.residuals(truth, answer, title),
    }

"""Whether what came since the champion learnt is of another kind than what it learnt from.

The share of each label (total variation distance), the features (a classifier two-sample test, Lopez-Paz & Oquab,
arXiv:1610.06545, by the area under the ROC curve), and the share of samples that are refused.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tasks.evaluation.comparison import rounded
from tasks.leaks import telling
from tasks.leaks.folds import drawn, numbered
from tasks.objectives import Array
from tasks.promotion.checks import Check
from tasks.schema import Drift

LEAST = 30
"""New samples without which nothing can be told."""
BINS = 10
"""Of values: as many parts as the old ones fall into equally often."""


@dataclass(frozen=True)
class Arrivals:
    """All prepared samples (id, label, group), their features float32 [N, D], and which the champion knows.

    `learnt` and `new` are rows: what it saw in training, and what it never saw. `refused`: the share that is refused
    now, and the share at the champion's time, null where that is not known.
    """

    samples: pd.DataFrame
    features: Array
    learnt: Array
    new: Array
    refused: tuple[float, float | None]


def check(arrivals: Arrivals, allowed: Drift, seed: int) -> Check:
    """Measure all three; what is allowed of one is null where it may not stop a promotion."""
    count = len(arrivals.new)
    if not len(arrivals.learnt):
        return Check("drift", True, "of what the champion learnt from nothing is here to compare with", {"new": count})
    if count < LEAST:
        told = f"{count:,} samples came since the champion learnt, too few to tell whether they differ"
        return Check("drift", True, told, {"new": count})
    now, before = arrivals.refused
    measured = {
        "features": _features(arrivals, seed),
        "labels": _labels(arrivals.samples["label"], arrivals.learnt, arrivals.new),
        "refused": None if before is None else max(0.0, now - before),
    }
    limits = allowed.model_dump()
    over = [name for name, value in measured.items() if None not in (value, limits[name]) and value > limits[name]]
    said = [f"{WORDS[name]} {value:.3f}" for name, value in measured.items() if value is not None]
    much = "".join(f"; {WORDS[name]} may be {limits[name]:g}" for name in over)
    told = f"the {count:,} samples that came since differ: {', '.join(said)}{much}"
    return Check("drift", not over, told, rounded({"new": count, **measured, "most": limits}))


WORDS = {
    "features": "area by which features tell them apart",
    "labels": "distance of label shares",
    "refused": "more refused",
}


def _features(arrivals: Arrivals, seed: int) -> float | None:
    """Return the lower end of the area's interval: what is surely told, 0.5 where nothing is; null if it cannot be."""
    old, new = (drawn(rows, telling.MOST, seed) for rows in (arrivals.learnt, arrivals.new))
    rows = np.concatenate([old, new])
    sides = np.repeat([0, 1], [len(old), len(new)])
    groups = numbered(arrivals.samples["group"].iloc[rows])
    return telling.area(arrivals.features[rows], sides, groups, seed)["low"]


def _labels(labels: "pd.Series[Any]", old: Array, new: Array) -> float:
    """Return half the sum of the differences of all shares, 0 to 1; values are counted by the tenths of the old."""
    if pd.api.types.is_numeric_dtype(labels):
        edges = np.unique(np.quantile(labels.iloc[old], np.linspace(0, 1, BINS + 1)[1:-1]))
        labels = pd.Series(np.searchsorted(edges, labels.to_numpy(), side="right"))
    shares = (labels.iloc[rows].value_counts(normalize=True) for rows in (old, new))
    return float(next(shares).sub(next(shares), fill_value=0).abs().sum() / 2)

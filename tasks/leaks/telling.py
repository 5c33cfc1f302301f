"""Whether a classifier tells one split from another by the frozen features: the splits are then not of one kind.

A classifier two-sample test (Lopez-Paz & Oquab, arXiv:1610.06545) with the area under the ROC curve.
"""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tasks.evaluation import bootstrap
from tasks.leaks.finding import Finding, clean, reported
from tasks.leaks.folds import drawn, numbered, unseen
from tasks.objectives import Array

MOST = 1000
"""Samples of each split: an area of 0.55 is then four standard errors from 0.5, and it takes seconds."""
LEAST = 5
"""Groups of each split without which nothing can be told."""
DIRECTIONS = 64
"""Principal components looked at: as many as a thousand samples can tell apart."""
MARGIN = 0.05
"""How far above 0.5 the interval must lie: what is below is of no consequence for a score."""
RESAMPLES, CONFIDENCE = 300, 0.99


def look(features: Array, groups: "pd.Series[Any]", rows: dict[str, Array], seed: int) -> list[Finding]:
    """Compare test with train and validation with train; `features` float32 [N, D], `rows` by split."""
    return [_compare(features, groups, rows["train"], rows[split], split, seed) for split in ("test", "validation")]


def _compare(features: Array, groups: "pd.Series[Any]", train: Array, other: Array, split: str, seed: int) -> Finding:
    check = f"{split} told from train"
    ours, theirs = drawn(train, MOST, seed), drawn(other, MOST, seed)
    rows = np.concatenate([ours, theirs])
    targets = np.repeat([0, 1], [len(ours), len(theirs)])
    several = numbered(groups.iloc[rows])
    if min(len(np.unique(several[targets == side])) for side in (0, 1)) < LEAST:
        return clean(check, f"not looked at: {split} or train has fewer than {LEAST} groups")
    found = area(features[rows], targets, several, seed)
    told = f"told by the features with an area under the curve of {found['value']:.2f}"
    interval = f"({found['low']:.2f} to {found['high']:.2f}; by chance 0.50)"
    low = found["low"]
    if low is None or low <= 0.5 + MARGIN:
        return clean(check, f"{told} {interval}")
    why = f"{split} differs from what is learnt from: another source, camera, time or speaker?"
    return reported(check, 1, f"{told} {interval}: {why}", [])


def area(features: Array, targets: Array, groups: Array, seed: int) -> bootstrap.Interval:
    """Return how well unseen samples of two sides (targets 0 and 1) are told apart, as an area under the ROC curve.

    Its interval is that of resampled groups; low and high are null where a side has but one group. The principal
    components are those of all samples: they know of no split.
    """
    components = min(DIRECTIONS, features.shape[1], len(features) // 2)
    projected = make_pipeline(StandardScaler(), PCA(components, random_state=seed)).fit_transform(features)
    estimator = LogisticRegression(C=0.01, class_weight="balanced", max_iter=500)
    scores = unseen(estimator, projected.astype(np.float64), targets, groups, seed)
    if scores is None:
        return {"value": 0.5, "low": None, "high": None}
    resampled = areas(targets, scores, bootstrap.by_group(groups, RESAMPLES, seed))
    return bootstrap.interval(float(roc_auc_score(targets, scores)), resampled, CONFIDENCE)


def areas(targets: Array, scores: Array, weights: Array) -> Array:
    """Return the area under the curve for each row of `weights` float [R, N]; not a number without one of the sides.

    It is the share of pairs, one of each side, that are in order, ties by half (Mann & Whitney, 1947): all rows at
    once, where scikit-learn's roc_auc_score takes each for itself and fifty times as long.
    """
    below, above = weights[:, targets == 0], weights[:, targets == 1]
    order = np.argsort(scores[targets == 0])
    ranked, wanted = scores[targets == 0][order], scores[targets == 1]
    summed = np.concatenate([np.zeros((len(weights), 1)), below[:, order].cumsum(axis=1)], axis=1)
    beaten = (summed[:, np.searchsorted(ranked, wanted, side)] for side in ("left", "right"))
    with np.errstate(invalid="ignore"):
        found: Array = (above * sum(beaten) / 2).sum(axis=1) / (below.sum(axis=1) * above.sum(axis=1))
    return found

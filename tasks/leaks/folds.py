"""What a small classifier or regressor answers for samples it has not seen, whole groups at a time."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

from tasks.objectives import Array

FOLDS = 5
MOST = 2000
"""Samples a check looks at, drawn at random of more: they tell a share to about a hundredth, in seconds."""


def numbered(groups: "pd.Series[Any]") -> Array:
    """Return int64 [N], a number for each group; a sample without one is a group by itself."""
    alone = "sample " + pd.Series(range(len(groups)), index=groups.index).astype(str)
    named = ("group " + groups.astype("string")).where(groups.notna(), alone)
    return np.asarray(pd.factorize(named)[0], np.int64)


def drawn(rows: Array, most: int, seed: int) -> Array:
    """Return `most` of the rows, drawn at random, ascending; all where there are no more."""
    if len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))


def unseen(estimator: Any, inputs: Array, targets: Array, groups: Array, seed: int) -> Array | None:
    """Return how strongly `estimator`, fitted on the other folds, takes each sample for class 1, float64 [N].

    None where folds with both classes cannot be made.
    """
    least = min(len(np.unique(groups[targets == side])) for side in (0, 1))
    if least < 2:
        return None
    folds = StratifiedGroupKFold(min(FOLDS, least), shuffle=True, random_state=seed)
    answers = np.zeros(len(targets))
    for known, asked in folds.split(targets, targets, groups):
        if len(np.unique(targets[known])) < 2:
            return None
        answers[asked] = estimator.fit(inputs[known], targets[known]).decision_function(inputs[asked])
    return answers


def half(labels: Array, groups: Array, seed: int) -> tuple[Array, Array] | None:
    """Return the samples to learn from and those to be asked, about half each; None where a class has no two groups.

    What is learnt then owes nothing to the labels of those asked, which can be dealt out anew without bias.
    """
    if len(np.unique(groups)) < 2:
        return None
    stratified = labels.dtype.kind in "iU"
    folds = (StratifiedGroupKFold if stratified else GroupKFold)(2, shuffle=True, random_state=seed)
    known, asked = next(folds.split(labels, labels, groups))
    if stratified and len({*labels[known]} & {*labels[asked]}) < len(np.unique(labels)):
        return None
    return known, asked

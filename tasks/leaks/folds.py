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


def unseen(estimator: Any, inputs: Any, targets: Array, groups: Array, method: str, seed: int) -> Array | None:
    """Return what `estimator`, fitted on the other folds, answers for each sample; None where folds cannot be made.

    Classes are spread over the folds, and each must have a group in every one.
    """
    stratified = targets.dtype.kind in "iU"
    names = np.unique(targets) if stratified else [None]
    least = min(len(np.unique(groups if name is None else groups[targets == name])) for name in names)
    if least < 2 or (stratified and len(names) < 2):
        return None
    kind = StratifiedGroupKFold if stratified else GroupKFold
    folds = kind(min(FOLDS, least), shuffle=True, random_state=seed)
    answers: Array = np.zeros(len(targets), targets.dtype if method == "predict" else np.float64)
    for known, asked in folds.split(np.zeros(len(targets)), targets, groups):
        if stratified and len(np.unique(targets[known])) < len(names):
            return None
        fitted = estimator.fit(inputs[known], targets[known])
        answers[asked] = getattr(fitted, method)(inputs[asked])
    return answers

"""Intervals by resampling: Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapters 6 and 13."""

import numpy as np

from tasks.objectives import Array

Interval = dict[str, float | None]
"""{"value", "low", "high"}; null where it is undefined."""


def by_sample(samples: int, resamples: int, seed: int) -> Array:
    """Draw that many samples with replacement; int32 [resamples, samples], how often each was drawn."""
    return by_group(np.arange(samples), resamples, seed)


def by_group(groups: Array, resamples: int, seed: int) -> Array:
    """Draw whole groups with replacement, as many as there are; all samples of a group go together.

    For samples that resemble one another within a group (the cluster bootstrap: Davison & Hinkley, Bootstrap
    Methods and their Application, 1997, section 3.8). `groups` [N] holds any values that can be sorted;
    returns int32 [resamples, N], how often each sample was drawn. Resamples differ in size as groups do.
    """
    names, member = np.unique(groups, return_inverse=True)
    drawn = np.random.default_rng(seed).integers(len(names), size=(resamples, len(names)))
    drawn += np.arange(resamples)[:, None] * len(names)
    counts = np.bincount(drawn.ravel(), minlength=resamples * len(names))
    return counts.reshape(resamples, len(names)).astype(np.int32)[:, member]


def interval(value: float | None, resampled: Array, confidence: float) -> Interval:
    """Return the percentile interval of `value`, from its values on the resamples, float64 [R].

    Resamples in which the metric is undefined (NaN) are left out. Where it is undefined for the samples
    themselves (null or NaN) all is null.
    """
    defined = resampled[np.isfinite(resampled)]
    if value is None or np.isnan(value) or not len(defined):
        return {"value": None if value is None or np.isnan(value) else value, "low": None, "high": None}
    low, high = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
    return {"value": value, "low": float(low), "high": float(high)}


def difference(ours: Interval, theirs: Interval, resampled: Array, confidence: float) -> Interval:
    """Return the paired interval of ours minus theirs; `resampled` [R]: differences on the same resamples.

    What both trainings find easy or hard cancels out, so it is narrower than the two intervals suggest.
    """
    if ours["value"] is None or theirs["value"] is None:
        return {"value": None, "low": None, "high": None}
    return interval(ours["value"] - theirs["value"], resampled, confidence)

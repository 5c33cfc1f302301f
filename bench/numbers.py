"""What repeated measurements come to: medians, ratios, and an accuracy with its interval."""

from statistics import median

import numpy as np

from tasks.evaluation import bootstrap
from tasks.evaluation.bootstrap import Interval

RESAMPLES, CONFIDENCE, SEED = 1000, 0.95, 17


def middle(values: list[float]) -> float | None:
    """Return the median; null of nothing."""
    return median(values) if values else None


def ratio(theirs: float | None, ours: float | None) -> float | None:
    """Return how many times as long they take; null where one of the two was not measured."""
    return theirs / ours if theirs is not None and ours else None


def accuracy(answers: dict[str, str], labels: dict[str, str], groups: dict[str, str]) -> Interval:
    """Return the share of the samples in `labels` that are answered right, with its 95 % bootstrap interval.

    Whole groups are drawn. All three mappings go by the samples' ids; a sample without an answer counts as wrong.
    """
    names = sorted(labels)
    right = np.array([answers.get(name) == labels[name] for name in names], dtype=np.float64)
    drawn = bootstrap.by_group(np.array([groups[name] for name in names]), RESAMPLES, SEED)
    return bootstrap.interval(float(right.mean()), drawn @ right / drawn.sum(axis=1), CONFIDENCE)


def slope(sizes: list[int], values: list[float]) -> float:
    """Return the slope of log value against log size by least squares: 1 is proportional."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def spread(values: list[float]) -> float:
    """Return by which share the largest exceeds the smallest."""
    return max(values) / min(values) - 1

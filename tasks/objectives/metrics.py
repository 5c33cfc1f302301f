"""Metrics on many resamples at once. `weights` int [R, N] counts how often each resample holds each sample.

Each equals scikit-learn's (scipy's for ranks) of the same samples repeated; NaN where a resample cannot tell.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tasks.objectives import Array

BINS = 15
"""Of the calibration error, as in Guo et al. 2017 (arXiv:1706.04599)."""

BLOCK = 2**22
"""How many numbers [resamples, N] are worked on at once, so that memory stays small."""


class Rates(NamedTuple):
    """Per class, float64 [R, K]: precision, recall and F1; over all, float64 [R]: accuracy."""

    precision: Array
    recall: Array
    f1: Array
    accuracy: Array


def rates(truth: Array, answer: Array, classes: int, weights: Array) -> Rates:
    """Count class indices `truth` and `answer` [N] against each other.

    Precision is undefined for a class never answered, recall and F1 for one without samples.
    """
    hit, true, told = (
        weights @ one_hot for one_hot in (_hits(truth, answer, classes), _hot(truth, classes), _hot(answer, classes))
    )
    return Rates(
        precision=ratio(hit, told),
        recall=ratio(hit, true),
        f1=np.where(true > 0, ratio(2 * hit, true + told), np.nan),
        accuracy=ratio(hit.sum(axis=1), weights.sum(axis=1)),
    )


def _hot(indices: Array, classes: int) -> Array:
    return np.asarray(indices[:, None] == np.arange(classes), dtype=np.float64)


def _hits(truth: Array, answer: Array, classes: int) -> Array:
    return np.asarray(_hot(truth, classes) * (truth == answer)[:, None])


def ratio(part: Array, whole: Array) -> Array:
    """Divide; NaN where the whole is nothing."""
    return np.asarray(np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 0))


def mean_defined(values: Array) -> Array:
    """Average over the last axis whatever is defined; NaN where nothing is."""
    return ratio(np.nansum(values, axis=-1), np.isfinite(values).sum(axis=-1))


def calibration_error(confidence: Array, correct: Array, weights: Array) -> Array:
    """Expected calibration error, float64 [R]: how far confidence [N] and share of correct answers lie apart.

    Naeini et al. 2015 (doi:10.1609/aaai.v29i1.9602): |accuracy - confidence| of each of BINS bins of equal
    width, weighted by its samples. Resampling adds noise to each bin, so its interval leans upward.
    """
    gaps = _hot(bin_of(confidence), BINS) * (correct - confidence)[:, None]
    return ratio(np.abs(weights @ gaps).sum(axis=1), weights.sum(axis=1))


def bin_of(confidence: Array) -> Array:
    """Return the bin (m/BINS, (m+1)/BINS] of each confidence, from 0."""
    return np.asarray(np.clip(np.ceil(confidence * BINS) - 1, 0, BINS - 1), dtype=np.int64)


def roc_auc(scores: Array, truth: Array, weights: Array) -> Array:
    """Area under the ROC curve, float64 [R]: macro mean over the classes, each against the rest.

    `scores` [N, K] grow with the belief in a class. A class all or none of a resample belongs to is left out.
    """
    classes = range(1, 2) if scores.shape[1] == 2 else range(scores.shape[1])  # of two classes both areas are equal
    return mean_defined(np.stack([area(scores[:, one], truth == one, weights) for one in classes], axis=-1))


def area(scores: Array, positive: Array, weights: Array) -> Array:
    """Area under one ROC curve, float64 [R], from the ranks (Mann & Whitney 1947); `positive` bool [N]."""

    def of_block(block: Array) -> Array:
        inside = block[:, positive]
        positives = inside.sum(axis=1).astype(np.float64)
        rank_sum = np.einsum("rn,rn->r", inside, ranks(scores, block)[:, positive])
        return ratio(rank_sum - positives * (positives + 1) / 2, positives * (block.sum(axis=1) - positives))

    return in_blocks(of_block, weights)


def spearman(first: Array, second: Array, weights: Array) -> Array:
    """Rank correlation (Spearman 1904) of two value lists [N] on each resample, float64 [R]."""

    def of_block(block: Array) -> Array:
        one, other = (centred(ranks(values, block), block) for values in (first, second))
        covariance = np.einsum("rn,rn,rn->r", block, one, other)
        spread = np.einsum("rn,rn->r", block, one**2) * np.einsum("rn,rn->r", block, other**2)
        return ratio(covariance, np.sqrt(spread))

    return in_blocks(of_block, weights)


def spread(values: Array, weights: Array) -> Array:
    """Sum of squares of values [N] about their mean in each resample, float64 [R]."""
    return in_blocks(lambda block: np.einsum("rn,rn->r", block, centred(values, block) ** 2), weights)


def centred(values: Array, weights: Array) -> Array:
    """Subtract from values [N] or [R, N] their mean in each resample, float64 [R, N]."""
    return np.asarray(values - ratio((values * weights).sum(axis=1), weights.sum(axis=1))[:, None])


def ranks(values: Array, weights: Array) -> Array:
    """Rank values [N] within each resample from 1, float64 [R, N]; equal ones share their mean rank."""
    _, rank, counts = np.unique(values, return_inverse=True, return_counts=True)
    order, starts = np.argsort(rank, kind="stable"), np.cumsum(counts) - counts
    tied = np.add.reduceat(weights[:, order], starts, axis=1)
    return np.asarray((np.cumsum(tied, axis=1) - (tied - 1) / 2)[:, rank])


def in_blocks(statistic: Callable[[Array], Array], weights: Array) -> Array:
    """Apply `statistic` to a few resamples at a time."""
    blocks = max(1, -(-weights.size // BLOCK))
    return np.concatenate([statistic(block) for block in np.array_split(weights, min(blocks, len(weights)))])

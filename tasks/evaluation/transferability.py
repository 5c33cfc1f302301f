"""How well features suit a task, told without training a network: N samples, D features, in float64."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from tasks.objectives import Array, Facts, Objective, Scores
from tasks.objectives.heads import Split
from tasks.schema import HeadSettings

STEPS, TOLERANCE = 200, 1e-6
"""Where the fixed-point iteration of LogME stops: after so many steps, or where the ratio moves less than that part."""
LEAST, MOST = 1e-12, 1e12
"""The ratio's bounds, in parts of the largest squared singular value: features that tell all, or nothing."""


class Spectrum(NamedTuple):
    """Features by their singular value decomposition: left vectors [N, k], squared singular values [k] up to 1."""

    left: Array
    squares: Array


def logme(features: Array, targets: Array, classification: bool) -> float:
    """Return the logarithm of the maximum evidence per sample, in nats (You et al. 2021, arXiv:2102.11005).

    It is the evidence of the Bayesian linear model targets = features @ w + noise (no intercept), w ~ N(0, 1/alpha)
    and noise ~ N(0, 1/beta), at its best alpha and beta, found by the fixed-point iteration of the journal version
    (You et al. 2022, arXiv:2110.10545). Features [N, D]; targets [N] are values, or indices of classes: then it is
    the mean over the one-hot columns of the classes there are. The scale of the features is of no account.
    """
    spectrum = _spectrum(features)
    values = targets.astype(np.float64)
    columns = [values == one for one in np.unique(targets)] if classification else [values]
    return float(np.mean([_evidence(spectrum, np.asarray(column, np.float64)) for column in columns]))


def _spectrum(features: Array) -> Spectrum:
    left, singular, _ = np.linalg.svd(features.astype(np.float64), full_matrices=False)
    return Spectrum(left, (singular / (singular.max() or 1.0)) ** 2)


def _evidence(spectrum: Spectrum, column: Array) -> float:
    """Return the evidence of targets [N] at the best ratio alpha / beta.

    For a ratio r the best beta is N / misfit(r), which leaves -1/2 [ln(2 pi misfit / N) + 1 + sum ln(1 + s / r) / N].
    """
    squares, projected = spectrum.squares, (spectrum.left.T @ column) ** 2
    beyond = max(float(column @ column - projected.sum()), 0.0)
    ratio = _best_ratio(squares, projected, beyond, len(column))
    misfit = float((projected * ratio / (ratio + squares)).sum()) + beyond
    spread = np.log1p(squares / ratio).sum() / len(column)
    return float(-(np.log(2 * np.pi * max(misfit, np.finfo(float).tiny) / len(column)) + 1 + spread) / 2)


def _best_ratio(squares: Array, projected: Array, beyond: float, samples: int) -> float:
    """Iterate alpha = gamma / |w|^2 and beta = (N - gamma) / |residual|^2, gamma the effective number of weights."""
    ratio = 1.0
    for _ in range(STEPS):
        gamma = float((squares / (squares + ratio)).sum())
        rest = samples - len(squares) + float((ratio / (squares + ratio)).sum())  # N - gamma, without cancellation
        weights = float((squares * projected / (squares + ratio) ** 2).sum())
        residual = float((projected * (ratio / (squares + ratio)) ** 2).sum()) + beyond
        told = rest * weights
        fresh = float(np.clip(gamma * residual / told if told > 0 else MOST, LEAST, MOST))
        if abs(fresh - ratio) <= TOLERANCE * ratio:
            break
        ratio = fresh
    return ratio


def h_score(features: Array, targets: Array) -> float:
    """Return the H-score, 0 to K - 1: how much of the features' spread lies between the classes.

    It is tr(cov(f)^-1 cov(E[f|y])) (Bao et al. 2019, doi:10.1109/ICIP.2019.8803726) in the shrinkage version of
    Ibrahim et al. 2021 (arXiv:2110.06893): cov(f) as Ledoit and Wolf estimate it, cov(E[f|y]) times one minus their
    shrinkage; without it more features than samples always score best. Features [N, D], class indices [N].
    """
    from sklearn.covariance import ledoit_wolf

    centred = features.astype(np.float64) - features.mean(axis=0, dtype=np.float64)
    covariance, shrinkage = ledoit_wolf(centred, assume_centered=True)
    _, members, counts = np.unique(targets, return_inverse=True, return_counts=True)
    sums = np.zeros((len(counts), centred.shape[1]))
    np.add.at(sums, members, centred)
    between = sums / np.sqrt(counts * len(centred))[:, None]  # between.T @ between is cov(E[f|y])
    rounding = len(covariance) * np.finfo(float).eps
    inverse = np.linalg.pinv(covariance, rcond=rounding, hermitian=True)
    explained = np.einsum("kd,dk->", between, inverse @ between.T)
    return float((1 - shrinkage) * explained)


def linear_probe(learns: Objective, data: Split, facts: Facts, settings: HeadSettings, seed: int) -> Scores:
    """Return how the objective's own linear head, fitted on the train rows, scores on the validation rows.

    Its strength is chosen on the same validation rows, as it is for every head: compare it with its like only.
    """
    features = np.concatenate([data.inputs, data.held_out])
    targets = np.concatenate([data.targets, data.held_out_targets])
    train, validation = np.split(np.arange(len(features)), [len(data.inputs)])
    head = learns.fit_head(features, targets, train, validation, settings, seed)
    return learns.score(data.held_out @ head.weight.T + head.bias, data.held_out_targets, facts)


def tau_b(pairs: pd.DataFrame) -> float | None:
    """Return how alike two columns order the rows: Kendall's tau-b (1945), -1 to 1, of the rows that have both.

    Null where one of them tells no rows apart.
    """
    from scipy.stats import kendalltau

    known = pairs.dropna()
    if len(known) < 2 or known.nunique().min() < 2:
        return None
    return float(kendalltau(known.iloc[:, 0], known.iloc[:, 1]).statistic)

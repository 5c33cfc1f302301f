"""Linear heads: fitted on standardised features, chosen on validation, made to fit features as they come."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tasks.errors import TrainingError
from tasks.objectives import Array, Head

ITERATIONS = 1000
"""Where the solver of the logistic regression stops; the report tells whether it had converged."""

Loss = Callable[[Array, Array], float]
"""Of outputs [N, K] and targets [N]: what the strength is chosen by, lower is better."""


class Fitted(NamedTuple):
    """A head on standardised features: float64 weight [K, D] and bias [K], and what the solver reports."""

    weight: Array
    bias: Array
    facts: dict[str, Any]


DEAD = 1e-6
"""A feature that varies less than this part of the liveliest one is dead: scaled up, its rounding would be all."""


class Scale(NamedTuple):
    """Mean and deviation of each feature, float64 [D]; a dead feature has deviation 1."""

    mean: Array
    deviation: Array

    def apply(self, features: Array) -> Array:
        """Standardise features [N, D] in float64: in float32 the solvers stop too early."""
        return np.asarray((features - self.mean) / self.deviation)


def scale_of(features: Array) -> Scale:
    """Measure the features [N, D] of the train split."""
    deviation = features.std(axis=0, dtype=np.float64)
    return Scale(features.mean(axis=0, dtype=np.float64), np.where(deviation > DEAD * deviation.max(), deviation, 1.0))


class Split(NamedTuple):
    """Features [N, D] and targets [N] a head is fitted on, and those its strength is chosen on."""

    inputs: Array
    targets: Array
    held_out: Array
    held_out_targets: Array


def split(features: Array, targets: Array, train: Array, validation: Array) -> Split:
    """Take the two splits apart; TrainingError where one holds no samples."""
    parts = Split(features[train], targets[train], features[validation], targets[validation])
    for name, rows in (("train", parts.inputs), ("validation", parts.held_out)):
        if not len(rows):
            raise TrainingError(f"the {name} split holds no samples; change ingest.split or add samples")
    return parts


def logistic(data: Split, strengths: Sequence[float], loss: Loss, seed: int) -> Head:
    """Multinomial logistic regression. Strength: scikit-learn's C, the lower the more regularised."""
    from sklearn.linear_model import LogisticRegression

    scale = scale_of(data.inputs)
    inputs = scale.apply(data.inputs)
    solver = LogisticRegression(warm_start=True, max_iter=ITERATIONS, random_state=seed)

    def fit(strength: float) -> Fitted:
        return _logits(_quietly_fitted(solver.set_params(C=strength), inputs, data.targets))

    return choose(sorted(strengths), fit, loss, scale, data)


def _quietly_fitted(solver: Any, inputs: Array, targets: Array) -> Any:
    """Fit without a word on the screen: whether it converged stands in the report."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return solver.fit(inputs, targets)


def _logits(solver: Any) -> Fitted:
    """Return K rows of weights; of two classes scikit-learn keeps the difference only: half goes to each."""
    weight, bias = solver.coef_.copy(), solver.intercept_.copy()
    if len(weight) == 1:
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    steps = int(np.max(solver.n_iter_))
    return Fitted(weight, bias, {"iterations": steps, "converged": steps < ITERATIONS})


def ridge(data: Split, strengths: Sequence[float], loss: Loss, seed: int) -> Head:
    """Ridge regression, one output. Strength: scikit-learn's alpha, the higher the more regularised."""
    from sklearn.linear_model import Ridge

    scale = scale_of(data.inputs)
    inputs = scale.apply(data.inputs)

    def fit(strength: float) -> Fitted:
        solver = Ridge(alpha=strength, random_state=seed).fit(inputs, data.targets.astype(np.float64))
        return Fitted(solver.coef_.reshape(1, -1), np.atleast_1d(solver.intercept_), {})

    return choose(sorted(strengths, reverse=True), fit, loss, scale, data)


def choose(strengths: Sequence[float], fit: Callable[[float], Fitted], loss: Loss, scale: Scale, data: Split) -> Head:
    """Fit all, the most regularised first; keep the lowest validation loss, of equals the first."""
    from threadpoolctl import threadpool_limits

    held_out = scale.apply(data.held_out)
    # Thousands of small products: more threads wait for one another, and would round differently on other machines.
    with threadpool_limits(limits=1, user_api="blas"):
        fits = [fit(strength) for strength in strengths]
    losses = [loss(held_out @ fitted.weight.T + fitted.bias, data.held_out_targets) for fitted in fits]
    tried = [
        {"strength": strength, "validation_loss": lost, **fitted.facts}
        for strength, lost, fitted in zip(strengths, losses, fits, strict=True)
    ]
    best = int(np.argmin(losses))
    report = {"strength": strengths[best], "edge": edge(strengths[best], strengths), "tried": tried}
    return fold(fits[best], scale, report)


def edge(strength: float, strengths: Sequence[float]) -> str | None:
    """Say at which end of the list the best stands (a longer one may hold a better); null in between."""
    if min(strengths) == max(strengths) or min(strengths) < strength < max(strengths):
        return None
    return "lowest" if strength == min(strengths) else "highest"


def fold(fitted: Fitted, scale: Scale, report: dict[str, Any]) -> Head:
    """Put the standardisation into weight and bias, so that the head answers for features as they come."""
    weight = fitted.weight / scale.deviation
    bias = fitted.bias - weight @ scale.mean
    return Head(weight.astype(np.float32), bias.astype(np.float32), report)

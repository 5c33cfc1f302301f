"""What is learnt: each objective knows its targets, its head, its loss, its metrics and its answers."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tasks.objectives.losses import Criterion
    from tasks.schema import HeadSettings, Loss

OBJECTIVES = {
    "classification": "tasks.objectives.classification",
    "regression": "tasks.objectives.regression",
}

MEASURES = {
    "classification": "tasks.objectives.classification_measures",
    "regression": "tasks.objectives.regression_measures",
}

Array = np.ndarray[Any, Any]
Facts = dict[str, Any]
"""What an objective learns of the labels, as JSON: {"labels": [...]} or {"mean": ..., "deviation": ...}."""

Scores = dict[str, float | None]
"""Metrics by name; null where the split cannot tell (the ROC-AUC of one class), never 0 in its place."""


class Head(NamedTuple):
    """A linear head, outputs = features @ weight.T + bias: float32 [K, D] and [K], and how it was chosen."""

    weight: Array
    bias: Array
    report: dict[str, Any]


class Objective(Protocol):
    """Each entry of OBJECTIVES is a module with these functions. N samples, K outputs, D features."""

    def learn(self, labels: "pd.Series[Any]") -> Facts:
        """Learn what the labels of the train split are; TrainingError if nothing can be learnt from them."""

    def outputs(self, facts: Facts) -> int:
        """Return K, how many numbers the network answers with."""

    def targets(self, labels: "pd.Series[Any]", facts: Facts) -> Array:
        """Turn labels into int64 [N] class indices or float32 [N] values.

        Raises TrainingError, which names the label, for one that was never learnt.
        """

    def fit_head(
        self,
        features: Array,
        targets: Array,
        train: Array,
        validation: Array,
        settings: "HeadSettings",
        seed: int,
    ) -> Head:
        """Fit on the rows `train` of float32 features [N, D]; choose the strength on the rows `validation`.

        Both are row numbers or a mask. The report holds `strength`, `edge` (lowest or highest where the best
        strength is the end of the list, so that a longer list may hold a better one; else null) and `tried`.
        """

    def criterion(self, settings: "Loss", train: Array, facts: Facts) -> "Criterion":
        """Return what a network learns by: the loss of each sample; `train` are the targets of the train split."""

    def score(self, outputs: Array, targets: Array, facts: Facts) -> Scores:
        """Return metrics for model selection: all of schema.METRICS[objective] and the loss among them."""

    def baseline(self, targets: Array, rows: int, facts: Facts) -> Array:
        """Return outputs [rows, K] that ignore the sample: the majority class or the mean of the targets."""

    def answers(self, outputs: Array, facts: Facts) -> pd.DataFrame:
        """Turn outputs [N, K] into what a user reads: `answer`, and `confidence` where there is one."""


class Measures(Protocol):
    """Each entry of MEASURES is a module with these functions: what evaluate alone asks of an objective.

    They stand apart so that a change of a picture retrains nothing. N samples, K outputs, R resamples.
    """

    def resampled(self, outputs: Array, targets: Array, facts: Facts, weights: Array) -> dict[str, Array]:
        """Return each metric on each resample: float64 [R], per class [R, K]; NaN where it is undefined.

        `weights` int [R, N] counts how often each of R bootstrap resamples holds each sample.
        """

    def measure(
        self, outputs: Array, targets: Array, facts: Facts, resampled: dict[str, Array], confidence: float
    ) -> dict[str, Any]:
        """Return each metric with its interval, {name: {"value", "low", "high"}}, and what else is kept.

        `resampled` are the values on the resamples of the same outputs; `confidence` is the interval's level.
        """

    def errors(self, outputs: Array, targets: Array, facts: Facts, most: int) -> pd.DataFrame:
        """Return at most `most` errors, worst first: row, truth, answer, and confidence or deviation."""

    def rights(self, outputs: Array, targets: Array, facts: Facts, most: int) -> pd.DataFrame:
        """Return at most `most` right answers worth a look, the best first, in the same columns."""

    def draw(
        self, outputs: Array, targets: Array, facts: Facts, measured: dict[str, Any], title: str
    ) -> "dict[str, Figure]":
        """Draw one training's answers: figures by name; `measured` is what `measure` returned."""


def objective(name: str) -> Objective:
    """Return the objective declared as `name`."""
    return cast(Objective, import_module(OBJECTIVES[name]))


def measures(name: str) -> Measures:
    """Return what is measured of the objective declared as `name`."""
    return cast(Measures, import_module(MEASURES[name]))

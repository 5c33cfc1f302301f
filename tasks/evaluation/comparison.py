"""Trainings side by side on the same samples and the same resamples. Arrays in, numbers out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tasks import objectives
from tasks.errors import TrainingError
from tasks.evaluation import bootstrap
from tasks.objectives import Array, Facts, Scores

DIGITS = 6
BASELINE = "baseline"


class Outputs(NamedTuple):
    """Outputs float32 [V, K] on validation and [T, K] on test."""

    validation: Array
    test: Array


class Result(NamedTuple):
    """Scores on validation, metrics with intervals on test, the main metric on each resample: float64 [R]."""

    validation: Scores
    test: dict[str, Any]
    resampled: Array


@dataclass(frozen=True)
class Trial:
    """What all are measured by: targets [V] and [T], resamples of test int [R, T], the main metric."""

    objective: str
    facts: Facts
    validation: Array
    test: Array
    weights: Array
    confidence: float
    metric: str

    def measure(self, outputs: Outputs) -> Result:
        """Measure one training, or the baseline."""
        learns, judge = objectives.objective(self.objective), objectives.measures(self.objective)
        resampled = judge.resampled(outputs.test, self.test, self.facts, self.weights)
        return Result(
            validation=learns.score(outputs.validation, self.validation, self.facts),
            test=judge.measure(outputs.test, self.test, self.facts, resampled, self.confidence),
            resampled=resampled[self.metric],
        )

    def best(self, results: Mapping[str, Result]) -> str:
        """Return the training with the highest main metric on validation, the first of equals.

        Raises TrainingError where validation cannot tell.
        """
        told = {name: result.validation[self.metric] for name, result in results.items()}
        values = {name: value for name, value in told.items() if value is not None}
        if not values:
            raise TrainingError(
                f"{self.metric} is undefined for each training on the validation split; "
                "change evaluate.metric or ingest.split"
            )
        return max(values, key=values.__getitem__)

    def gain(self, ours: Result, theirs: Result | None) -> bootstrap.Interval | None:
        """Return the paired interval of the main metric's difference on test; null where there is none."""
        if theirs is None or ours is theirs:
            return None
        gained = bootstrap.difference(
            ours.test[self.metric],
            theirs.test[self.metric],
            ours.resampled - theirs.resampled,
            self.confidence,
        )
        return None if gained["value"] is None else gained


def report(trial: Trial, results: Mapping[str, Result], baseline: Result, head: str | None) -> dict[str, Any]:
    """Return metrics.json; `head` names the training the others are compared with, if there is one."""
    reference = results[head] if head is not None else None
    trainings = {
        name: {
            "validation": result.validation,
            "test": result.test,
            "gain_over_head": trial.gain(result, reference),
            "gain_over_baseline": trial.gain(result, baseline),
        }
        for name, result in results.items()
    }
    content = {
        "metric": trial.metric,
        "best": trial.best(results),
        "trainings": trainings,
        BASELINE: {"validation": baseline.validation, "test": baseline.test},
    }
    return dict(rounded(content))


def rounded(content: Any) -> Any:
    """Round every float in nested dicts and lists, and put null for what is not finite: JSON knows no NaN."""
    if isinstance(content, dict):
        return {key: rounded(value) for key, value in content.items()}
    if isinstance(content, list):
        return [rounded(value) for value in content]
    if isinstance(content, float):
        return round(float(content), DIGITS) if np.isfinite(content) else None
    return content

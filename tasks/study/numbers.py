"""What a study measured: its records, and paired differences between its trainings. For trainings of classes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tasks.evaluation import bootstrap
from tasks.evaluation.bootstrap import Interval
from tasks.experiments.measurements import Record
from tasks.objectives import Array
from tasks.schema import Config
from tasks.study.plan import Plan, Row


class Key(NamedTuple):
    """Which measurement."""

    training: str
    share: float
    seed: int


class Kept(NamedTuple):
    """A measurement; `correct` bool [T]: which samples of the test split it answered rightly, by ascending row."""

    record: Record
    correct: Array


class Judged(NamedTuple):
    """How a data set's test split is judged: int32 [R, T] resamples of so many units (samples, groups), their level."""

    weights: Array
    confidence: float
    units: str
    samples: dict[str, int]


@dataclass(frozen=True)
class Study:
    """A study's plan and parameters, and as much of it as is measured yet."""

    plan: Plan
    params: Config
    kept: dict[Key, Kept]
    judged: dict[str, Judged]
    ranks: dict[str, list[dict[str, Any]]]
    """Of each data set the candidates that `transfer rank` scored."""

    def records(self, training: str, share: float = 1.0) -> list[Record]:
        """Return the records of a training on a share of the train split, by ascending seed."""
        keys = sorted(key for key in self.kept if key[:2] == (training, share))
        return [self.kept[key].record for key in keys]

    def values(self, training: str, metric: str, share: float = 1.0, split: str = "test") -> list[float]:
        """Return a metric's value for each seed measured; none where it is undefined for one of them."""
        told = [record["scores"][split][metric] for record in self.records(training, share)]
        return [] if None in told else told

    def mean(self, training: str, share: float = 1.0) -> float:
        """Return the accuracy on the test split, averaged over the seeds; NaN where there are none."""
        values = self.values(training, "accuracy", share)
        return float(np.mean(values)) if values else float("nan")

    def measured(self, trainings: list[str]) -> list[str]:
        """Return those that learnt from the whole train split with one seed at least."""
        return [training for training in trainings if self.records(training)]

    def interval(self, training: str) -> Interval:
        """Return the accuracy, averaged over the seeds, with its bootstrap interval over the test split."""
        return self._interval(training, self._correct(training, self._seeds(training)))

    def difference(self, ours: str, theirs: str) -> Interval | None:
        """Return the mean over the seeds both have of ours minus theirs in accuracy; None where there is nothing.

        The interval is that of the test split: each sample's correctness is averaged over the seeds first, then
        samples (or their groups) are drawn again. How much other seeds would differ is not in it.
        """
        both = self._seeds(ours) & self._seeds(theirs)
        if ours == theirs or not both:
            return None
        return self._interval(ours, self._correct(ours, both) - self._correct(theirs, both))

    def grouped(self, training: str) -> str | None:
        """Return the same training on the split that keeps groups whole, where there is one and it is measured."""
        dataset = self.params.trainings[training].dataset
        beside = self.plan.beside.get(dataset)
        other = f"{beside}{training.removeprefix(dataset)}" if beside else training
        return other if other != training and self.records(other) else None

    def missing(self) -> Iterator[tuple[Row, int]]:
        """Yield the rows of the plan of which seeds are not measured, and how many are."""
        for row in self.plan.rows():
            count = len(self.records(row.training, row.share))
            if count < row.seeds:
                yield row, count

    def _seeds(self, training: str) -> set[int]:
        return {record["seed"] for record in self.records(training)}

    def _correct(self, training: str, seeds: set[int]) -> Array:
        """Average over the seeds how often each test sample was answered rightly, float64 [T]."""
        return np.asarray(np.mean([self.kept[Key(training, 1.0, seed)].correct for seed in sorted(seeds)], axis=0))

    def _interval(self, training: str, values: Array) -> Interval:
        """Return the mean of values [T], and what resamples of the test split make of it."""
        judged = self.judged[self.params.trainings[training].dataset]
        resampled = judged.weights @ values / judged.weights.sum(axis=1)
        return bootstrap.interval(float(values.mean()), resampled, judged.confidence)

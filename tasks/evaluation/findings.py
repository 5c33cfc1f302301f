"""What evaluate found: numbers, predictions per sample, the worst errors, pictures, one line for people."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from tasks import objectives
from tasks.evaluation import plots
from tasks.evaluation.bootstrap import Interval
from tasks.evaluation.comparison import BASELINE, Outputs, Result, Trial, report
from tasks.evaluation.saved import Saved
from tasks.schema import METRICS


@dataclass(frozen=True)
class Findings:
    """All that was found. `validation` and `test` describe the samples: id, split, name, label."""

    trial: Trial
    validation: pd.DataFrame
    test: pd.DataFrame
    models: Mapping[str, Saved]
    outputs: Mapping[str, Outputs]
    results: Mapping[str, Result]
    baseline: Result
    best: str

    def report(self) -> dict[str, Any]:
        """Return metrics.json: all results, and the gains over the first frozen training and the baseline."""
        head = next((name for name, model in self.models.items() if model.frozen), None)
        return report(self.trial, self.results, self.baseline, head)

    def predictions(self, training: str) -> pd.DataFrame:
        """Return a row per sample of validation and test: who it is, the outputs and what they mean."""
        learns = objectives.objective(self.trial.objective)
        parts = []
        for samples, outputs in zip((self.validation, self.test), self.outputs[training], strict=True):
            numbers = pd.DataFrame(outputs, columns=[f"output_{k}" for k in range(outputs.shape[1])])
            answers = learns.answers(outputs, self.trial.facts)
            known = samples[["id", "split", "name", "label"]].reset_index(drop=True)
            parts.append(pd.concat([known, numbers, answers], axis=1))
        return pd.concat(parts, ignore_index=True)

    def errors(self, most: int) -> pd.DataFrame:
        """Return the worst errors of the best training on the test split, with the samples' names."""
        judge = objectives.measures(self.trial.objective)
        found = judge.errors(self.outputs[self.best].test, self.trial.test, self.trial.facts, most)
        return self._named(found).drop(columns="row")

    def telling(self, most: int) -> pd.DataFrame:
        """Return `most` test samples whose answers are worth explaining: row, name, id, right, truth, answer ...

        Two thirds are the worst errors of the best training, if there are so many, the others right answers.
        """
        judge, asked = objectives.measures(self.trial.objective), self.outputs[self.best].test
        wrong = judge.errors(asked, self.trial.test, self.trial.facts, -(-2 * most // 3))
        right = judge.rights(asked, self.trial.test, self.trial.facts, most - len(wrong))
        right = right[~right["row"].isin(wrong["row"])]
        return self._named(pd.concat([wrong.assign(right=False), right.assign(right=True)], ignore_index=True))

    def _named(self, found: pd.DataFrame) -> pd.DataFrame:
        """Put the samples' names and ids in front."""
        return pd.concat([self.test[["name", "id"]].iloc[found["row"]].reset_index(drop=True), found], axis=1)

    def draw(self, folder: Path, level: float) -> None:
        """Write comparison.png and, for each training, TRAINING.PICTURE.png; `level` is the intervals'."""
        metrics = METRICS[self.trial.objective]
        scores: dict[str, dict[str, Interval]] = {
            name: {metric: result.test[metric] for metric in metrics}
            for name, result in {**self.results, BASELINE: self.baseline}.items()
        }
        title = f"Test split, {len(self.test):,} samples, {level:.0%} intervals"
        plots.save(plots.comparison(scores, self.best, title), folder / "comparison.png")
        for name in self.results:
            for picture, figure in self._pictures(name).items():
                plots.save(figure, folder / f"{name}.{picture}.png")

    def _pictures(self, training: str) -> dict[str, Any]:
        """Draw one training: its answers on test and, where it has epochs, its learning curve."""
        judge, trial = objectives.measures(self.trial.objective), self.trial
        measured = self.results[training].test
        pictures = judge.draw(self.outputs[training].test, trial.test, trial.facts, measured, f"{training}, test")
        history = self.models[training].history
        if history["epochs"]:
            curve = plots.learning_curve(history["epochs"], history["best_epoch"], trial.metric, training)
            pictures["learning_curve"] = curve
        return pictures

    def said(self) -> str:
        """Return one line: the main metric of the best training with its interval, then of the others."""
        metric = self.trial.metric
        measured = self.results[self.best].test[metric]
        value, low, high = (shown(measured[key], metric) for key in ("value", "low", "high"))
        others = {**self.results, BASELINE: self.baseline}
        told = [
            f"{name} {shown(result.test[metric]['value'], metric)}"
            for name, result in others.items()
            if name != self.best
        ]
        return f"{self.best}: {metric} {value} ({low} to {high}), {', '.join(told)}"


def shown(value: float | None, metric: str) -> str:
    """Return a share in per cent, any other metric as it is; a dash where it is undefined."""
    if value is None:
        return "-"
    return f"{value:.1%}" if metric in METRICS["classification"] else f"{value:.3f}"

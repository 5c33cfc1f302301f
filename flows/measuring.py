"""`transfer measure`: a training repeated with other seeds, on other folds or with fewer labels, and its spread."""

from pathlib import Path

import numpy as np

from flows import console
from tasks import config
from tasks.errors import ConfigError
from tasks.experiments.measurements import Question, Record, answer, check_ground, repeated
from tasks.progress import note
from tasks.schema import METRICS, AnyTraining
from tasks.workspace import Workspace


def measure(root: Path, training: str, seeds: int, folds: int, share: float, test: bool) -> None:
    """Measure `training` with so many seeds, on each of so many folds, and print mean and deviation."""
    loaded = config.load(root)
    params = config.training(loaded, training)
    if folds and (test or share < 1):
        raise ConfigError("--folds goes without --test and --share: each fold is held out of train and validation once")
    workspace = Workspace(root, params.dataset)
    check_ground(loaded.datasets[params.dataset], workspace)
    questions = repeated(params, seeds, folds, share, test)
    with workspace.locked(f"measure {training}"):
        records = [_answered(question, workspace) for question in questions]
    _table(params, records, "test" if questions[0].test else "validation")


def _answered(question: Question, workspace: Workspace) -> Record:
    params = question.params
    where = f"  fold {question.fold + 1}/{question.folds}" if question.folds else ""
    note(f"{params.name}  seed {params.seed}{where}")

    def listen(scores: dict[str, float | None], epoch: int) -> None:
        metric = METRICS[params.objective][0]
        told = [f"{key} {scores[key]:.4f}" for key in ("loss", metric) if scores[key] is not None]
        note("  ".join([f"  epoch {epoch}", *told]))

    return answer(question, workspace, listen)


def _table(params: AnyTraining, records: list[Record], split: str) -> None:
    """Print each metric's mean, deviation (over n - 1) and values."""
    held = "the folds held out" if records[0]["folds"] else f"the {split} split"
    rows = []
    for metric in records[0]["scores"][split]:
        values = [record["scores"][split][metric] for record in records]
        if None not in values:
            spread = f"{np.std(values, ddof=1):.4f}" if len(values) > 1 else ""
            rows.append([metric, f"{np.mean(values):.4f}", spread, "  ".join(f"{value:.4f}" for value in values)])
    console.table(f"{params.name} on {held}", ["metric", "mean", "deviation", "values"], rows)
    seconds = console.duration(float(np.mean([record["seconds"] for record in records])))
    peak = max(record["peak_mebibytes"] for record in records)
    trained, total = records[0]["parameters"]["trained"], records[0]["parameters"]["total"]
    console.out.print(f"{trained:,} of {total:,} parameters trained, {seconds} each, at most {peak:,} MiB")

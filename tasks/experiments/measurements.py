"""Measurements of trainings, kept: each is made once, and found again by all that it depends on but the code."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors.numpy import load_file, save_file

from tasks import versioning
from tasks.errors import TrainingError
from tasks.experiments.measure import Measured, Part, closed, declared, folds, measure, shortened
from tasks.modalities.shards import Prepared
from tasks.neural.training import Listener
from tasks.objectives import Array
from tasks.schema import AnyDataset, AnyTraining
from tasks.workspace import FILES, Workspace, digest, read_json, sha256_of, write_json


@dataclass(frozen=True)
class Question:
    """One measurement that is asked for: a training with its seed, on which part of its data.

    `share` of the train rows; fold number `fold` of `folds` (0: the declared splits); `test`: the test split is opened.
    """

    params: AnyTraining
    share: float
    fold: int
    folds: int
    test: bool

    def part(self, prepared: Prepared) -> Part:
        """Return the rows it is about."""
        part = declared(prepared, self.params.name)
        if self.folds:
            return folds(part, prepared, self.folds, self.params.seed)[self.fold]
        part = shortened(part, prepared, self.share, self.params.seed)
        return part if self.test else closed(part)


def repeated(params: AnyTraining, seeds: int, count: int, share: float, test: bool) -> list[Question]:
    """Ask for a training with so many seeds, from its own on, on each of `count` folds (0: the declared splits)."""
    return [
        Question(params.model_copy(update={"seed": params.seed + number}), share, fold, count, test or count > 0)
        for number in range(seeds)
        for fold in range(max(count, 1))
    ]


Record = dict[str, Any]
"""What is kept of a measurement: who it is, what it scored, what it cost."""


class Answer(NamedTuple):
    """A measurement that is kept: its record, test outputs float32 [T, K] and their rows int64 [T]."""

    record: Record
    outputs: Array
    rows: Array


def answer(question: Question, workspace: Workspace, listen: Listener) -> Record:
    """Return the record of a measurement, made now if there is none yet."""
    kept = known(question, workspace)
    if kept is not None:
        return kept.record
    part = question.part(Prepared(workspace.prepared))
    if question.test and not question.folds:
        workspace.count_test_opening()
    measured = measure(question.params, workspace, part, listen)
    target, record = _target(question, workspace), _record(question, part, measured, workspace.root)
    target.parent.mkdir(parents=True, exist_ok=True)
    save_file({"outputs": np.ascontiguousarray(measured.outputs), "rows": part.test}, _outputs_of(target))
    write_json(target, record)
    return record


def known(question: Question, workspace: Workspace) -> Answer | None:
    """Return the measurement if it was made before."""
    if not (workspace.features / FILES).exists():
        return None
    target = _target(question, workspace)
    if not target.exists():
        return None
    arrays = load_file(_outputs_of(target))
    return Answer(dict(read_json(target)), arrays["outputs"], arrays["rows"])


def _target(question: Question, workspace: Workspace) -> Path:
    return _folder(workspace) / question.params.name / f"{_key(question, workspace)}.json"


def _record(question: Question, part: Part, measured: Measured, root: Path) -> Record:
    params = question.params
    return {
        "dataset": params.dataset,
        "training": params.name,
        "strategy": params.strategy,
        "seed": params.seed,
        "share": question.share,
        "fold": question.fold,
        "folds": question.folds,
        "samples": {name: len(rows) for name, rows in part._asdict().items()},
        "scores": measured.scores,
        "parameters": measured.parameters,
        "epochs": max(len(measured.epochs) - 1, 0),
        "best_epoch": measured.best_epoch,
        "seconds": round(measured.seconds, 1),
        "core_seconds": round(measured.core_seconds, 1),
        "peak_mebibytes": measured.peak_mebibytes,
        "commit": versioning.git_commit(root),
    }


def check_ground(dataset: AnyDataset, workspace: Workspace) -> None:
    """Raise TrainingError where there are no samples and features yet, or those of other parameters."""
    mend = f"run transfer run {dataset.name} first"
    if not (workspace.prepared / FILES).exists() or not (workspace.features / FILES).exists():
        raise TrainingError(f"{dataset.name}: there are no prepared samples and features yet; {mend}")
    layers = read_json(workspace.features / "features.json")["network"]["layers"]
    if not Prepared(workspace.prepared).made_as(dataset) or layers != dataset.extract.layers:
        raise TrainingError(f"{dataset.name}: samples or features were made with other parameters; {mend}")


def _folder(workspace: Workspace) -> Path:
    return workspace.local / "measurements" / workspace.name


def _outputs_of(record: Path) -> Path:
    return record.with_suffix(".safetensors")


def _key(question: Question, workspace: Workspace) -> str:
    """Return a digest of parameters, samples, features and what part of them is asked about."""
    content = [
        question.params.model_dump(mode="json"),
        sha256_of(workspace.prepared / FILES),
        sha256_of(workspace.features / FILES),
        [question.share, question.fold, question.folds, question.test],
    ]
    return digest(content)[:32]

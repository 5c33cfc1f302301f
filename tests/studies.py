"""A study in miniature: tiny data sets under the names of study/params.yaml, and measurements made by hand."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks import config
from tasks.experiments import measurements
from tasks.experiments.measure import Measured, Part
from tasks.experiments.measurements import repeated
from tasks.neural.training import Listener
from tasks.objectives import Array
from tasks.schema import AnyTraining
from tasks.study.gathering import gather
from tasks.study.numbers import Study
from tasks.study.plan import Plan, read_plan
from tasks.workspace import Workspace, write_json

REPOSITORY = Path(__file__).resolve().parent.parent
LABELS = ("negative", "positive")
TRAIN, VALIDATION, TEST = range(20), range(20, 24), range(24, 36)
TRUTH = np.arange(36) % 2
Wrong = Mapping[tuple[str, float, int], int]
"""How many of the 12 test samples, the first ones, a training answers wrongly: by name, share and seed."""


def write(root: Path, datasets: list[str]) -> Path:
    """Write the folder study/ with its parameters and plan, and 36 samples of each of these data sets."""
    study = root / "study"
    study.mkdir(parents=True)
    for name in ("params.yaml", "plan.yaml"):
        shutil.copy(REPOSITORY / "study" / name, study)
    for name in datasets:
        _write_samples(Workspace(study, name))
    return study


def _write_samples(workspace: Workspace) -> None:
    splits = {"train": TRAIN, "validation": VALIDATION, "test": TEST}
    samples = pd.DataFrame({
        "id": [f"{row:064x}" for row in range(36)],
        "label": [LABELS[target] for target in TRUTH],
        "group": [f"module {row // 3}" for row in range(36)],
        "split": [split for split, rows in splits.items() for _ in rows],
        "name": [f"row {row}" for row in range(36)],
        "confidence": 1.0,
    })  # fmt: skip
    with workspace.replacing(workspace.prepared) as folder:
        samples.to_parquet(folder / "samples.parquet")
        write_json(folder / "shards.json", [36])
        write_json(folder / "prepared.json", {"objective": "classification"})
    with workspace.replacing(workspace.features) as folder:
        write_json(folder / "features.json", {})


def plan(study: Path, **changes: Any) -> Plan:
    """Return the plan of that folder with other values."""
    return read_plan(study).model_copy(update=changes)


def measure(study: Path, wrong: Wrong, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """Keep these measurements, as `transfer measure` would; `changes` are those of the training's parameters."""
    loaded = config.load(study)
    for (name, share, seed), count in wrong.items():
        monkeypatch.setattr(measurements, "measure", _answering(count))
        params = loaded.trainings[name].model_copy(update={"seed": seed, **changes})
        for question in repeated(params, 1, 0, share, test=True):
            measurements.answer(question, Workspace(study, params.dataset), _silent)


def _answering(wrong: int) -> Callable[..., Measured]:
    def measured(params: AnyTraining, workspace: Workspace, part: Part, listen: Listener) -> Measured:
        validation = scores(wrong / 2, len(VALIDATION) * 3)
        deep = params.strategy != "head"
        return Measured(
            scores={"validation": validation, "test": scores(wrong, len(part.test))},
            outputs=outputs(wrong),
            parameters={"trained": 1925 if deep else 385, "total": 4000},
            epochs=[{}] * (9 if deep else 1),
            best_epoch=wrong if deep else 0,
            seconds=30.0 + wrong,
            core_seconds=60.0 + wrong,
            peak_mebibytes=1000 + wrong,
        )

    return measured


def scores(wrong: float, samples: int) -> dict[str, float | None]:
    """Made-up scores of so many wrong answers."""
    share = 1 - wrong / samples
    told = {"accuracy": share, "balanced_accuracy": share, "macro_f1": share - 0.01, "roc_auc": share, "loss": 0.5}
    return {**told, "calibration_error": 0.02}


def outputs(wrong: int) -> Array:
    """Logits of the test samples, the first so many wrong."""
    truth = TRUTH[list(TEST)]
    return np.eye(2, dtype=np.float32)[np.where(np.arange(12) < wrong, 1 - truth, truth)]


def gathered(study: Path, **changes: Any) -> Study:
    """Return what is measured of the plan with other values."""
    return gather(study, plan(study, **changes))


def _silent(scores: dict[str, float | None], epoch: int) -> None:
    """Listen and do nothing."""

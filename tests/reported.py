"""Whole data sets in miniature, learnt and evaluated by the stages themselves, with names that mean harm."""

from pathlib import Path
from typing import Any
from unittest.mock import patch

import pandas as pd
import project
import tiny
from conftest import changed, write_picture, write_sound

from tasks.evaluate import evaluate
from tasks.extract import extract
from tasks.finetune import finetune
from tasks.ingest import ingest
from tasks.preprocess import preprocess
from tasks.schema import (
    AnyDataset,
    Backbone,
    Columns,
    Config,
    FolderSource,
    HashSplit,
    HeadSettings,
    HeadTraining,
    StratifiedSplit,
    TableSource,
)
from tasks.workspace import Workspace, sha256_of

HARM = "<script>alert(1)</script>"
FILE = "<img src=x onerror=alert(1)>"
LABELS = ("<b>red</b>", 'blue" onload="x')
KINDS = ("image", "text", "audio", "regression")
LIKE = {"image": "solar-cells", "text": "movie-reviews", "audio": "mandarin-tones", "regression": "movie-scores"}
FAMILIES = {"image": "test_efficientnet", "audio": "whisper"}


def make(root: Path, kind: str, config: Config) -> tuple[AnyDataset, Workspace]:
    """Run all stages up to evaluate on 40 samples of two labels (or values); return parameters and workspace."""
    modality = "text" if kind == "regression" else kind
    backbone = root / "backbone"
    _ = project.backbone(backbone) if modality == "text" else tiny.write(FAMILIES[modality], backbone)
    source = SOURCES[modality](root, kind)
    params = _params(config.datasets[LIKE[kind]], source, _weights(backbone), modality)
    workspace = Workspace(root, params.name)
    with patch("tasks.records.tracking.send"):  # what MLflow gets has tests of its own
        for stage in (ingest, preprocess, extract):
            stage(params, workspace)
        finetune(_head(params), workspace)
        evaluate(params, workspace)
    return params, workspace


def _params(like: AnyDataset, source: Any, backbone: Backbone, modality: str) -> AnyDataset:
    own = {"image": {"preprocess.size": 64}, "text": {"preprocess.tokens": 16}, "audio": {"extract.layers": None}}
    settings = {
        "name": "mine",
        "backbone": backbone,
        "ingest.source": source,
        "ingest.split": _split(like.objective),
        "ingest.refused_share": 0.5,
        "preprocess.refused_share": 0.5,
        "evaluate.trainings": ["mine-head"],
        "evaluate.bootstrap.resamples": 20,
        "evaluate.bootstrap.by": "sample",
        "evaluate.errors_shown": 3,
        "evaluate.explained": 4,
        "extract.precision": "float32",
    }
    made: AnyDataset = changed(like, settings | own[modality])
    return made


def _split(objective: str) -> Any:
    if objective == "regression":
        return HashSplit(kind="hash", by="sample", salt="a", validation=0.25, test=0.3)
    return StratifiedSplit(kind="stratified", seed=1, validation=0.25, test=0.3)


def _weights(backbone: Path) -> Backbone:
    digest = sha256_of(backbone / "model.safetensors")
    source = {"kind": "folder", "path": "backbone"}
    return Backbone.model_validate(
        {"name": "tiny", "source": source, "format": "huggingface", "file": "model.safetensors", "sha256": digest,
         "licence": f"none {HARM}"}
    )  # fmt: skip


def _head(params: AnyDataset) -> HeadTraining:
    return HeadTraining(
        name="mine-head", dataset="mine", modality=params.modality, objective=params.objective, strategy="head",
        seed=1, head=HeadSettings(strengths=[0.01, 1.0]),
    )  # fmt: skip


def _pictures(root: Path, kind: str) -> FolderSource:
    for number in range(40):
        colour = ((200, 40, 40), (40, 40, 200))[number % 2]
        write_picture(root / "own" / LABELS[number % 2] / f"{FILE}{number}.png", colour, seed=number)
    (root / "own" / LABELS[0] / f"{FILE}.png").write_text("no picture")
    return FolderSource(kind="folder", path=Path("own"), table=None, columns=None)


def _sounds(root: Path, kind: str) -> FolderSource:
    for number in range(40):
        write_sound(root / "own" / LABELS[number % 2] / f"{FILE}{number}.wav", (220.0, 880.0)[number % 2], seed=number)
    return FolderSource(kind="folder", path=Path("own"), table=None, columns=None)


def _texts(root: Path, kind: str) -> TableSource:
    words = ("red amber", "blue teal")
    rows = [
        {"text": f"{HARM} number {number} {words[number % 2]}",
         "label": number / 7 if kind == "regression" else LABELS[number % 2]}
        for number in range(40)
    ]  # fmt: skip
    pd.DataFrame(rows).to_csv(root / f"{FILE}.csv", index=False)
    columns = Columns(content="text", label="label", group=None, split=None, confidence=None)
    return TableSource(kind="table", path=Path(f"{FILE}.csv"), content="text", columns=columns)


SOURCES = {"image": _pictures, "text": _texts, "audio": _sounds}

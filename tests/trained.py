"""A data set that was learnt and measured, without the minutes that takes: a tiny random BERT and made-up answers."""

import hashlib
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from project import WORDS, backbone
from safetensors.numpy import save_file

from tasks.objectives import classification
from tasks.workspace import Workspace, file_hashes, write_json

LABELS = ["cold", "warm"]
TEXTS = [f"{first} {second}" for label in LABELS for first in WORDS[label] for second in WORDS[label]][::4]
FACTS = {"labels": LABELS}
PREPROCESS = {"tokens": 16}


@cache
def _saved() -> Path:
    """Return a model directory without the files that say what it is for."""
    from tasks.neural import networks

    home = Path(tempfile.mkdtemp(prefix="tiny-"))
    backbone(home / "backbone")
    network = networks.build("text", home / "backbone", None, None, len(LABELS))
    random = np.random.default_rng(0)
    network.graft(random.normal(size=(2, 32)).astype(np.float32), np.zeros(2, np.float32))
    (home / "model").mkdir()
    network.save(home / "model", FACTS, {"tokens": 16})
    return home / "model"


def write_model(target: Path, training: str, note: str = "") -> Path:
    """Write a model directory; another `note` makes another model of it."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(_saved(), target)
    pipeline = {
        "training": training,
        "strategy": "head",
        "modality": "text",
        "objective": "classification",
        "facts": FACTS,
        "preprocess": PREPROCESS,
        "flips": [],
        "network": {"layers": None},
        "backbone": {"name": "tiny", "sha256": "0" * 64},
    }
    write_json(target / "pipeline.json", pipeline)
    write_json(target / "training.json", {"epochs": [], "best_epoch": 0, "note": note})
    write_json(target / "files.json", file_hashes(target))
    return target


def write_raw(workspace: Workspace, texts: list[str]) -> pd.DataFrame:
    """Write the manifest of texts, all of the test split, every other one warm."""
    manifest = pd.DataFrame(
        {
            "id": [hashlib.sha256(text.encode()).hexdigest() for text in texts],
            "path": pd.Series([None] * len(texts), dtype="str"),
            "text": texts,
            "label": [LABELS[row % 2] for row in range(len(texts))],
            "group": pd.Series([None] * len(texts), dtype="str"),
            "split": "test",
            "name": [f"row {row}" for row in range(len(texts))],
            "confidence": 1.0,
        }
    )
    workspace.raw.mkdir(parents=True, exist_ok=True)
    manifest.to_parquet(workspace.raw / "manifest.parquet", index=False)
    write_features(workspace, manifest)
    return manifest


def write_features(workspace: Workspace, samples: pd.DataFrame) -> None:
    """Write these samples as prepared, with random features."""
    workspace.prepared.mkdir(exist_ok=True)
    samples[["id", "label", "group", "split"]].to_parquet(workspace.prepared / "samples.parquet", index=False)
    features = np.random.default_rng(0).normal(size=(len(samples), 4)).astype(np.float32)
    workspace.features.mkdir(exist_ok=True)
    save_file({"features": features}, workspace.features / "features.safetensors")


def write_evaluation(workspace: Workspace, training: str, manifest: pd.DataFrame, right: int) -> None:
    """Write an evaluation in which `training` has the first `right` samples right."""
    targets = classification.targets(manifest["label"], FACTS)
    answers = np.where(np.arange(len(targets)) < right, targets, 1 - targets)
    outputs = pd.DataFrame(np.eye(2, dtype=np.float32)[answers]).add_prefix("output_")
    known = manifest[["id", "split", "name", "label"]]
    measured: dict[str, Any] = {"accuracy": {"value": right / len(targets), "low": 0.1, "high": 0.9}}
    metrics = {"metric": "accuracy", "best": training, "trainings": {training: {"test": measured}}}
    with workspace.replacing(workspace.evaluation) as folder:
        (folder / "predictions").mkdir()
        (folder / "plots").mkdir()
        pd.concat([known, outputs], axis=1).to_parquet(folder / "predictions" / f"{training}.parquet")
        (folder / "plots" / "comparison.png").write_bytes(b"picture")
        (folder / "errors.csv").write_text("name,id\n")
        write_json(folder / "metrics.json", metrics)

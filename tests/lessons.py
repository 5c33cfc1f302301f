"""A data set in miniature of each modality, as preprocess and extract leave it, and trainings that learn it."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import project
import tiny
import torch
from pydantic import TypeAdapter
from safetensors.numpy import save_file

from tasks import objectives
from tasks.modalities import Arrays, modality
from tasks.modalities.shards import Prepared, write_shards
from tasks.neural import inference, learning, movement, networks, strategies
from tasks.neural.checkpoints import Checkpoints
from tasks.neural.feeding import Material
from tasks.neural.learning import Ground, Learnt
from tasks.neural.networks import Network
from tasks.neural.training import Fitting, Listener, fine_tune
from tasks.schema import AnyTraining, DeepTraining
from tasks.workspace import Workspace, sha256_of, write_json

MODALITIES = ("image", "text", "audio")
LABELS = ("low", "middle", "high")
SPLITS = {"train": range(0, 12), "validation": range(12, 18), "test": range(18, 24)}
TRAIN, VALIDATION, TEST = (np.array(rows) for rows in SPLITS.values())
UNSURE = 5
"""A train row whose annotators agreed in two cases out of three."""
BACKBONES: dict[str, dict[str, Any]] = {
    "image": {"family": "test_efficientnet", "layers": None, "preprocess": {"size": 32}},
    "text": {"family": "bert", "layers": None, "preprocess": {"tokens": 16}},
    "audio": {"family": "whisper", "layers": 2, "preprocess": {"window_seconds": 1}},
}

AUGMENT: dict[str, dict[str, Any]] = {
    "image": {
        "flip_horizontal": 0.5,
        "flip_vertical": 0.5,
        "quarter_turns": True,
        "shift": 0.1,
        "scale": 0.1,
        "shear_degrees": 5.0,
        "brightness": 0.1,
        "contrast": 0.1,
        "saturation": 0.1,
        "mix_up": 0.4,
        "test_flips": [],
    },
    "text": {"word_dropout": 0.2},
    "audio": {
        "time_masks": 1,
        "time_mask_seconds": 0.05,
        "frequency_masks": 1,
        "frequency_mask_bands": 8,
        "shift_seconds": 0.05,
        "noise": 0.02,
        "mix_up": 0.4,
    },
}
SETTINGS: dict[str, Any] = {
    "name": "lesson",
    "dataset": "lessons",
    "objective": "classification",
    "seed": 3,
    "unfreeze_every": None,
    "epochs": 3,
    "patience": 3,
    "batch_size": 4,
    "accumulation": 2,
    "optimizer": {"kind": "adamw", "momentum": 0.9, "weight_decay": 0.01, "clip_norm": 1.0},
    "learning_rates": {"head": 0.003, "backbone": 0.001, "decay": 0.9},
    "schedule": {"kind": "cosine", "warmup": 0.2},
    "loss": {
        "kind": "cross_entropy",
        "label_smoothing": 0.1,
        "focal": 0.0,
        "class_weights": True,
        "unsure": "soften",
    },
    "dropout": 0.2,
    "average": 0.9,
    "monitor": "loss",
    "precision": "float32",
}
NESTED = ("augment", "optimizer", "learning_rates", "loss")
"""Sections of which single keys can be changed."""
SGD = {"kind": "sgd", "weight_decay": 0.001}
CALM: dict[str, Any] = {"average": 0.0, "dropout": 0.0, "schedule": {"kind": "constant", "warmup": 0.0}}
"""Every step counts, and nothing is averaged."""
STILL: dict[str, Any] = {
    **dict.fromkeys(("flip_horizontal", "flip_vertical", "shift", "scale", "shear_degrees"), 0.0),
    **dict.fromkeys(("brightness", "contrast", "saturation", "mix_up"), 0.0),
    "quarter_turns": False,
}
"""No picture is changed."""
HEAD = {"strengths": [0.0001]}
OWN: dict[str, dict[str, Any]] = {
    "partial": {"head": HEAD, "blocks": 2, "adapters": None},
    "full": {"head": HEAD, "blocks": None, "adapters": None},
    "lora": {"head": HEAD, "blocks": None, "adapters": {"rank": 2, "alpha": 4, "dropout": 0.1}},
    "scratch": {"head": None, "blocks": None, "adapters": None},
}
"""What each strategy has that others have not."""


def training(reads: str, strategy: str = "full", **changes: Any) -> DeepTraining[Any]:
    """Parameters of a training that draws at random wherever it can: dropout, augmentation, mix-up, an average."""
    given = {**SETTINGS, "modality": reads, "strategy": strategy, "augment": AUGMENT[reads], **OWN[strategy]}
    for key, value in changes.items():
        given[key] = {**given[key], **value} if key in NESTED else value
    made: DeepTraining[Any] = TypeAdapter(AnyTraining).validate_python(given)
    return made


def write(root: Path, reads: str) -> Workspace:
    """Write 24 samples of three labels that can be told apart, their backbone and their features."""
    told, workspace = BACKBONES[reads], Workspace(root, "lessons")
    backbone = root / "backbone"
    _ = project.backbone(backbone) if reads == "text" else tiny.write(told["family"], backbone)
    weights = {"name": "tiny", "source": {"kind": "folder", "path": "backbone"}, "format": "huggingface"}
    weights |= {"file": "model.safetensors", "sha256": sha256_of(backbone / "model.safetensors")}
    about = {"modality": reads, "objective": "classification", "preprocess": told["preprocess"], "backbone": weights}
    random = np.random.default_rng(0)
    with workspace.replacing(workspace.prepared) as folder:
        write_shards(folder, [[_sample(reads, row % 3, random) for row in range(24)]])
        _described().to_parquet(folder / "samples.parquet")
        write_json(folder / "prepared.json", about)
    _extract(workspace, reads)
    return workspace


def _described() -> pd.DataFrame:
    rows = range(24)
    return pd.DataFrame({
        "id": [f"{row:064x}" for row in rows],
        "label": [LABELS[row % 3] for row in rows],
        "group": None,
        "split": [split for split, numbers in SPLITS.items() for _ in numbers],
        "name": [f"row {row}" for row in rows],
        "confidence": [2 / 3 if row == UNSURE else 1.0 for row in rows],
    })  # fmt: skip


def _sample(reads: str, label: int, random: np.random.Generator) -> Arrays:
    """Return one prepared sample: brighter, of other words or higher, the higher its label."""
    if reads == "image":
        return {"pixels": (random.integers(0, 90, (32, 32, 3)) + 80 * label).astype(np.uint8)}
    if reads == "text":
        words = random.integers(10 + 20 * label, 35 + 20 * label, int(random.integers(3, 9)))
        return {"tokens": np.array([2, *words, 3], np.int32), "truncated": np.array(False)}
    mel = random.normal(size=(80, 100)) / 4
    mel[25 * label : 25 * label + 30] += 1
    return {"mel": mel.astype(np.float32), "cut": np.array(False)}


def _extract(workspace: Workspace, reads: str) -> None:
    """Write the features of all samples."""
    told, prepared, backbone = BACKBONES[reads], Prepared(workspace.prepared), workspace.root / "backbone"
    built = networks.build(reads, backbone, told["layers"], told["preprocess"].get("window_seconds"), 3)
    features = inference.compute(
        built, prepared, np.arange(24), modality(reads), backbone, 8, "float32", "features"
    )  # fmt: skip
    with workspace.replacing(workspace.features) as folder:
        save_file({"features": features}, folder / "features.safetensors")
        write_json(folder / "features.json", {"network": {"layers": told["layers"]}})


def silent(scores: dict[str, float | None], epoch: int) -> None:
    """Listen and do nothing."""


def learn(params: AnyTraining, ground: Ground, scratch: Path, listen: Listener = silent) -> Learnt:
    """Learn from the train rows and choose on the validation rows."""
    return learning.learn(params, ground, TRAIN, VALIDATION, scratch, listen)


def material(ground: Ground) -> Material:
    """What fine_tune is given."""
    learns, reads = objectives.objective("classification"), modality(ground.prepared.about["modality"])
    labels = ground.prepared.samples["label"]
    facts = learns.learn(labels)
    return Material(
        ground.prepared, learns.targets(labels, facts), TRAIN, VALIDATION, reads, learns, facts, ground.backbone
    )


def network(ground: Ground) -> Network:
    """The pretrained network with a head of random weights."""
    made = ground.network(3, random=False)
    weight, bias = tiny.head(made.head.in_features)
    made.graft(weight / 10, bias / 10)
    return made


def fit(
    ground: Ground, params: DeepTraining[Any], scratch: Path, listen: Callable[[Network, int], None] = lambda *_: None
) -> tuple[Network, dict[str, Any]]:
    """Fine-tune the network of a data set, which `listen` may look at after each epoch."""
    learns = network(ground)
    strategies.begin(learns, params)
    kept = Checkpoints(scratch, "lesson")
    report = fine_tune(learns, material(ground), params, kept, lambda _, epoch: listen(learns, epoch))
    return learns, report


def fitting(ground: Ground, params: DeepTraining[Any]) -> Fitting:
    """A training that has not begun."""
    learns = network(ground)
    strategies.begin(learns, params)
    return Fitting(learns, material(ground), params)


def valued(ground: Ground) -> Ground:
    """The same samples with numbers for labels, 0 to 2."""
    prepared = Prepared(ground.prepared.folder)
    prepared.samples["label"] = np.arange(24) % 3 + 0.0
    prepared.about["objective"] = "regression"
    return dataclasses.replace(ground, prepared=prepared)


class Poisoned(Prepared):
    """Prepared recordings of which one holds a number that is none."""

    def __init__(self, folder: Path, row: int) -> None:
        super().__init__(folder)
        self.row = row

    def __getitem__(self, row: Any) -> Any:
        sample = super().__getitem__(row)
        return {**sample, "mel": sample["mel"] * np.float32("nan")} if row == self.row else sample


def poisoned(ground: Ground, row: int) -> Ground:
    """The same recordings, one of them broken."""
    return dataclasses.replace(ground, prepared=Poisoned(ground.prepared.folder, row))


def equal(one: movement.Tensors, other: movement.Tensors) -> bool:
    """Tell whether two networks are the same to the bit."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def differing(before: movement.Tensors, after: movement.Tensors) -> set[str]:
    """Return the names of the tensors that are not the same."""
    return {name for name in before if not torch.equal(before[name], after[name])}

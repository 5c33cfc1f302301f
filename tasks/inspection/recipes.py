"""How data sets of a modality are treated in this house: the sections of params.yaml that a new one begins with."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tasks import config
from tasks.errors import ConfigError
from tasks.schema import LOSSES

Sections = dict[str, Any]
STUDY = Path("study/params.yaml")
"""The recipes the results were measured with: asked where params.yaml itself has none."""
RIDGE = [1.0, 10.0, 100.0, 1000.0, 10000.0]
"""Strengths of a head for numbers, where no data set of the file has one."""
PLAIN_LOSS: dict[str, Sections] = {
    "classification": {
        "kind": "cross_entropy", "label_smoothing": 0.0, "focal": 0.0, "class_weights": False, "unsure": "ignore",
    },
    "regression": {"kind": "squared_error", "unsure": "ignore"},
}  # fmt: skip


class Recipe(NamedTuple):
    """The sections of another data set, `origin`, that a new one takes over, complete; `head`: its strengths."""

    origin: str
    dataset: Sections
    partial: Sections
    scratch: Sections
    head: list[float]


def recipe(root: Path, modality: str, objective: str, backbone: str | None) -> Recipe:
    """Return the recipe of a modality, that of a data set with the same backbone and objective where there is one.

    ConfigError where no data set of params.yaml or of the study is of this modality and fine-tuned.
    """
    files = [config.read_yaml(path) for path in (root / config.PARAMS, root / STUDY) if path.exists()]
    own = files[0].get("backbones") or {}
    known = [entry for content in files for entry in _fine_tuned(content, modality) if entry[1]["backbone"] in own]
    if not known:
        raise ConfigError(
            f"{config.PARAMS}: no data set of modality {modality} with a training of strategy partial, whose values a "
            "new one could begin with; take one from the project's first version: git show HEAD:params.yaml"
        )
    wanted = {"backbone": backbone, "objective": objective}
    best = max(known, key=lambda entry: [entry[1][key] == value for key, value in wanted.items()])
    name, dataset, partial = best
    partial = partial | {"objective": objective, "loss": _loss(partial["loss"], objective)}
    scratch = partial | {"strategy": "scratch", "head": None, "blocks": None, "unfreeze_every": None, "adapters": None}
    scratch["learning_rates"] = _scratch_rates(files, modality, partial["learning_rates"])
    return Recipe(name, _copy(dataset), _copy(partial), _copy(scratch), _strengths(files, modality, objective))


def _fine_tuned(content: Sections, modality: str) -> Iterator[tuple[str, Sections, Sections]]:
    """Yield each data set of the modality that has a training of strategy partial, and that training."""
    for name, dataset in (content.get("datasets") or {}).items():
        found = [
            training
            for training in (content.get("trainings") or {}).values()
            if training["dataset"] == name and training["strategy"] == "partial"
        ]
        if dataset["modality"] == modality and found:
            yield name, dataset, found[0]


def _loss(loss: Sections, objective: str) -> Sections:
    return loss if loss["kind"] in LOSSES[objective] else PLAIN_LOSS[objective]


def _scratch_rates(files: list[Sections], modality: str, rates: Sections) -> Sections:
    """Return the learning rates of a network that begins with random weights."""
    for content in files:
        for training in (content.get("trainings") or {}).values():
            if training["modality"] == modality and training["strategy"] == "scratch":
                return dict(training["learning_rates"])
    alike = max(rates["head"], rates["backbone"])
    return {"head": alike, "backbone": alike, "decay": 1.0}


def _strengths(files: list[Sections], modality: str, objective: str) -> list[float]:
    """Return the strengths tried of a linear head, those of the same modality first."""
    heads = [
        training
        for content in files
        for training in (content.get("trainings") or {}).values()
        if training["objective"] == objective and training.get("head")
    ]
    heads.sort(key=lambda training: training["modality"] != modality)
    return list(heads[0]["head"]["strengths"]) if heads else RIDGE


def _copy(section: Sections) -> Sections:
    """Return a section without the anchors and merges that it is written with."""
    return dict(json.loads(json.dumps(section)))

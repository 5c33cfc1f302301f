"""A fresh project, as a clone of this one would be, whose one data set is a bench's set as a user's own data."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pandas as pd
from ruamel.yaml import YAML

from tasks.config import read_yaml

CODE = ("tasks", "flows", ".dvc")
FILES = ("dvc.yaml", ".dvcignore", ".gitignore", "constraints.txt")
COLUMNS = {"content": "content", "label": "label", "group": "group", "split": "split", "confidence": None}


def make(root: Path, folder: Path, set_folder: Path, training: str) -> str:
    """Write a project into `folder`, with the code of the one at `root`, and return its data set's name.

    Weights are shared with `root`: to fetch and convert them is nobody's first model. The samples of the set that come
    later are not in it yet.
    """
    shutil.rmtree(folder, ignore_errors=True)
    for name in CODE:
        shutil.copytree(root / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "tmp", "cache"))
    for name in FILES:
        shutil.copy(root / name, folder / name)
    (folder / ".local").mkdir()
    (folder / ".local" / "backbones").symlink_to((root / ".local" / "backbones").resolve())
    (folder / "params.yaml").write_text("")
    content = read_yaml(root / "params.yaml")
    dataset = content["trainings"][training]["dataset"]
    _write_params(folder, content, dataset, training)
    add_samples(folder, set_folder, extra=False)
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    return str(dataset)


def add_samples(folder: Path, set_folder: Path, extra: bool) -> None:
    """Let the user's own folder hold the samples of the set; those that come later only if `extra`."""
    rows = pd.read_csv(set_folder / "table.csv", dtype=str, keep_default_na=False)
    if not extra:
        rows = rows[rows["extra"] == ""]
    own = folder / "own"
    own.mkdir(exist_ok=True)
    for name in rows["content"] if (set_folder / "files").exists() else ():
        if not (own / name).exists():
            os.link(set_folder / "files" / name, own / name)
    rows.drop(columns=["extra", "id"]).to_csv(own / "table.csv", index=False)


def change_head(folder: Path) -> None:
    """Change what is learnt on top of the features: the head's strengths, or the rate it learns at."""
    content = read_yaml(folder / "params.yaml")
    for training in content["trainings"].values():
        if "learning_rates" in training:
            training["learning_rates"] = {**training["learning_rates"], "head": training["learning_rates"]["head"] / 2}
        else:
            training["head"] = {"strengths": [strength / 2 for strength in training["head"]["strengths"]]}
    _dump(folder, content)


def change_side(folder: Path, side: int) -> None:
    """Let the pictures be prepared with so many pixels a side."""
    content = read_yaml(folder / "params.yaml")
    for section in content["datasets"].values():
        section["preprocess"] = {**section["preprocess"], "size": side}
    _dump(folder, content)


def _write_params(folder: Path, content: dict[str, Any], dataset: str, training: str) -> None:
    """Declare the one data set, with its source and split as the set has them, and the one training."""
    section = content["datasets"][dataset]
    source = {"kind": "folder", "path": "own", "table": "table.csv", "columns": COLUMNS}
    if section["modality"] == "text":
        source = {"kind": "table", "path": "own/table.csv", "content": "text", "columns": COLUMNS}
    ingest = {"source": source, "split": {"kind": "column"}, "group_pattern": None, "refused_share": 0.0}
    evaluate = {**section["evaluate"], "trainings": [training]}
    content["datasets"] = {dataset: {**section, "ingest": ingest, "evaluate": evaluate}}
    content["trainings"] = {training: content["trainings"][training]}
    content["candidates"], content["searches"] = {}, {}
    _dump(folder, content)


def _dump(folder: Path, content: dict[str, Any]) -> None:
    with (folder / "params.yaml").open("w", encoding="utf-8") as stream:
        YAML().dump(content, stream)

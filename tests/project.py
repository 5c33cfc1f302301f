"""A whole project in a temporary folder: our code, a tiny random backbone, and a table of texts to learn from."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent

PARAMS = """
operation:
  ingest: &once {retries: 0, seconds: 300}
  preprocess: *once
  extract: *once
  finetune: *once
  evaluate: *once
  register: *once
backbones:
  tiny:
    source: {kind: folder, path: backbone}
    format: huggingface
    file: model.safetensors
    sha256: SHA256
    licence: Apache-2.0
candidates: {}
datasets:
  colours: &colours
    modality: text
    objective: classification
    backbone: tiny
    seed: 1
    ingest:
      source:
        kind: table
        path: texts/colours.csv
        content: text
        columns: {content: text, label: label, group: null, split: null, confidence: null}
      split: {kind: hash, by: sample, salt: a, validation: 0.2, test: 0.3}
      group_pattern: null
      refused_share: 0.1
    preprocess:
      tokens: 16
      shard: 64
      refused_share: 0.1
      near_duplicates: {across_splits: report, likeness: 0.7}
    extract: {layers: null, batch_size: 16, precision: float32}
    evaluate:
      trainings: [colours-head, colours-partial]
      metric: accuracy
      bootstrap: {resamples: 100, confidence: 0.95, by: sample}
      errors_shown: 5
      explained: 3
    register:
      keep: 0
      gate:
        margin: 0.0
        certainty: 0.8
        class_fall: 0.1
        calibration_rise: 0.05
        drift: {features: 0.9, labels: 0.3, refused: 0.1}
trainings:
  colours-head: &head
    dataset: colours
    modality: text
    objective: classification
    strategy: head
    seed: 1
    head: {strengths: [0.1, 1.0]}
  colours-partial:
    <<: *head
    strategy: partial
    blocks: 1
    unfreeze_every: null
    adapters: null
    epochs: 2
    patience: 2
    batch_size: 16
    accumulation: 1
    optimizer: {kind: adamw, momentum: 0.9, weight_decay: 0.01, clip_norm: 1.0}
    learning_rates: {head: 0.01, backbone: 0.01, decay: 0.9}
    schedule: {kind: linear, warmup: 0.1}
    loss: {kind: cross_entropy, label_smoothing: 0.0, focal: 0.0, class_weights: false, unsure: ignore}
    dropout: 0.0
    average: 0.0
    monitor: loss
    precision: float32
    augment: {word_dropout: 0.1}
searches:
  colours:
    training: colours-partial
    trials: 3
    seed: 1
    startup: 2
    warmup_epochs: 1
    ranges:
      learning_rates.head: {low: 0.0001, high: 0.1, log: true}
      blocks: {low: 1, high: 2, log: false}
"""

WORDS = {
    "warm": ["red", "orange", "amber", "scarlet", "crimson"],
    "cold": ["blue", "teal", "azure", "navy", "cyan"],
}


@dataclass(frozen=True)
class Project:
    """A project's folder and the two ways to run it."""

    root: Path
    server: str = ""
    """Address of a Prefect server; empty: each run brings its own."""

    def transfer(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `transfer ...` here."""
        return self.python("-m", "flows.cli", *arguments)

    def dvc(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `dvc ...` here."""
        return self.python("-m", "dvc", *arguments)

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run this Python here, with this project's own code."""
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.root,
            env=environment() | ({"PREFECT_API_URL": self.server} if self.server else {}),
            capture_output=True,
            text=True,
            check=False,
        )

    def change(self, old: str, new: str) -> None:
        """Replace text in params.yaml."""
        params = self.root / "params.yaml"
        content = params.read_text()
        assert old in content
        params.write_text(content.replace(old, new))

    def stale(self) -> dict[str, object]:
        """What `dvc status` says."""
        return dict(json.loads(self.dvc("status", "--json").stdout))


def environment() -> dict[str, str]:
    """The environment of a user who activated .venv and set nothing: no server, no tracking address."""
    own = {key: value for key, value in os.environ.items() if not key.startswith(("PREFECT", "MLFLOW", "TRANSFER"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{own.get('PATH', '')}"
    return own | {"DVC_NO_ANALYTICS": "1", "COLUMNS": "200", "PATH": path}


def make(root: Path) -> Project:
    """Set up the project: a copy of the code, a git repository, a backbone, a table of 120 texts."""
    copy_code(root)
    digest = backbone(root / "backbone")
    (root / "params.yaml").write_text(PARAMS.replace("SHA256", digest))
    write_texts(root / "texts" / "colours.csv", 120)
    return Project(root)


def copy_code(root: Path) -> None:
    """Copy what a clone holds besides data, and make it a git repository."""
    skip = shutil.ignore_patterns("__pycache__", "tmp", "cache")
    for name in ("tasks", "flows", ".dvc"):
        shutil.copytree(REPOSITORY / name, root / name, ignore=skip)
    for name in ("dvc.yaml", ".dvcignore", ".gitignore", "constraints.txt"):
        shutil.copy(REPOSITORY / name, root / name)
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)


def write_texts(path: Path, count: int) -> None:
    """Write a table of short texts that name colours: warm ones or cold ones, always the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = ["text,label"]
    for number in range(count):
        label = ("warm", "cold")[number % 2]
        words = [WORDS[label][(number * step) % 5] for step in (1, 2, 3)]
        rows.append(f"number{number} {' '.join(words)},{label}")
    path.write_text("\n".join(rows) + "\n")


def backbone(directory: Path) -> str:
    """Write a BERT of two small random layers with its tokenizer; return the sha256 of its weights file."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    from tasks.workspace import sha256_of

    directory.mkdir(parents=True)
    letters = [f"{mark}{letter}" for mark in ("", "##") for letter in "abcdefghijklmnopqrstuvwxyz0123456789"]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *WORDS["warm"], *WORDS["cold"]]
    (directory / "vocab.txt").write_text("\n".join(tokens) + "\n")
    BertTokenizerFast(vocab=str(directory / "vocab.txt")).save_pretrained(directory)
    torch.manual_seed(0)
    small = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    BertModel(BertConfig(vocab_size=len(tokens), max_position_embeddings=64, **small)).save_pretrained(directory)
    return sha256_of(directory / "model.safetensors")

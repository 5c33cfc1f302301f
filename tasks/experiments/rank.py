"""rank: which backbone suits a data set, scored on frozen features of its samples, without training a network."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import pandas as pd
from safetensors.numpy import load_file

from tasks import objectives
from tasks.errors import SourceError
from tasks.evaluation import transferability
from tasks.experiments.contenders import Contender, featurise
from tasks.modalities.shards import Prepared
from tasks.objectives import Facts, heads
from tasks.schema import AnyDataset, HeadSettings
from tasks.workspace import Workspace

SCORES = {"logme": "LogME", "h_score": "H-score", "probe": "linear probe"}
"""The scores, and what they are called."""


def rank(
    dataset: AnyDataset, candidates: Sequence[Contender], head: HeadSettings, workspace: Workspace
) -> pd.DataFrame:
    """Score each candidate on the data set's train and validation rows; the best by LogME first.

    Columns: backbone, layers (null: whole), dimensions, logme and h_score (of the train rows; H-score null in
    regression), probe (the data set's metric of a linear head with settings `head` on the validation rows), seconds
    (to featurise all samples; null where unknown), current (whether the data set declares it).
    Nothing is featurised twice. SourceError if the data set has no raw samples.
    """
    if not (workspace.raw / "manifest.parquet").exists():
        raise SourceError(f"{dataset.name}: has no raw samples yet; run transfer run {dataset.name} first")
    rows = [_row(dataset, candidate, head, workspace) for candidate in candidates]
    table = pd.DataFrame(rows).astype({"layers": "Int64", "h_score": "float64", "probe": "float64"})
    return table.sort_values("logme", ascending=False, kind="stable", ignore_index=True)


def _row(dataset: AnyDataset, candidate: Contender, head: HeadSettings, workspace: Workspace) -> dict[str, Any]:
    found = featurise(dataset, candidate, workspace)
    data, facts = material(dataset, found.workspace)
    learns, classes = objectives.objective(dataset.objective), dataset.objective == "classification"
    return {
        "backbone": candidate.backbone.name,
        "layers": candidate.layers,
        "dimensions": data.inputs.shape[1],
        "logme": transferability.logme(data.inputs, data.targets, classes),
        "h_score": transferability.h_score(data.inputs, data.targets) if classes else None,
        "probe": transferability.linear_probe(learns, data, facts, head, dataset.seed)[dataset.evaluate.metric],
        "seconds": found.seconds,
        "current": candidate.serves(dataset),
    }


def material(dataset: AnyDataset, workspace: Workspace) -> tuple[heads.Split, Facts]:
    """Return features and targets of train and validation, and what the labels are; the test split stays unread."""
    learns, prepared = objectives.objective(dataset.objective), Prepared(workspace.prepared)
    features = load_file(workspace.features / "features.safetensors")["features"]
    labels, train, validation = prepared.samples["label"], prepared.rows("train"), prepared.rows("validation")
    facts = learns.learn(labels.iloc[train])
    known, asked = (learns.targets(labels.iloc[rows], facts) for rows in (train, validation))
    return heads.Split(features[train], known, features[validation], asked), facts


def agreement(table: pd.DataFrame) -> dict[str, float | None]:
    """Return for each two scores how alike they order the candidates."""
    return {
        f"{first} {second}": transferability.tau_b(table[[first, second]]) for first, second in combinations(SCORES, 2)
    }

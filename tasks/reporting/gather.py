"""Reads what the stages left on disk; whatever is not there is empty or null, and the page says so."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from safetensors.numpy import load_file

from tasks.errors import ReportError
from tasks.modalities.reading import Row
from tasks.objectives import Array
from tasks.records import journal
from tasks.schema import AnyDataset
from tasks.stages import STAGES, counters_name
from tasks.workspace import FILES, OPENINGS, Workspace, read_json

Mapping = dict[str, Any]


@dataclass(frozen=True)
class Model:
    """What a model directory tells of itself: pipeline.json and training.json; empty if it is gone."""

    pipeline: Mapping
    history: Mapping


@dataclass(frozen=True)
class Explained:
    """evaluation/explanations: how it was found, a mapping per sample, and maps [N, rows, columns] if any."""

    method: str
    samples: list[Mapping]
    maps: Array | None


@dataclass(frozen=True)
class Gathered:
    """All that a page tells. `answers` are the best training's on the test split, `rows` its samples' manifest rows."""

    params: AnyDataset
    workspace: Workspace
    metrics: Mapping
    models: dict[str, Model]
    answers: pd.DataFrame
    samples: pd.DataFrame
    errors: list[Mapping]
    explained: Explained
    rows: dict[str, Row]
    refused: list[Mapping]
    leaks: list[Mapping] | None
    counters: dict[str, Mapping]
    openings: int
    origin: Mapping

    @property
    def best(self) -> str:
        """The training that was chosen on validation."""
        return str(self.metrics["best"])

    @property
    def measured(self) -> Mapping:
        """What was measured of the best training on the test split."""
        return dict(self.metrics["trainings"][self.best]["test"])


def gather(params: AnyDataset, workspace: Workspace) -> Gathered:
    """Read all that is there; ReportError, which says what to run, where nothing is evaluated yet."""
    target = workspace.evaluation / "metrics.json"
    if not target.exists():
        raise ReportError(
            f"{params.name}: nothing is evaluated yet, so there is nothing to report; transfer run {params.name}"
        )
    metrics = read_json(target)
    best = metrics["best"]
    explained = _explained(workspace.evaluation / "explanations")
    errors = _table(workspace.evaluation / "errors.csv")
    wanted = {str(one["id"]) for one in [*errors, *explained.samples]}
    return Gathered(
        params=params,
        workspace=workspace,
        metrics=metrics,
        models={name: _model(workspace.model(name)) for name in metrics["trainings"]},
        answers=_answers(workspace.evaluation / "predictions" / f"{best}.parquet"),
        samples=_parquet(workspace.prepared / "samples.parquet"),
        errors=errors,
        explained=explained,
        rows=_rows(workspace.raw / "manifest.parquet", wanted),
        refused=_refused(workspace),
        leaks=_leaks(workspace.evaluation / "leaks.json"),
        counters=_counters(workspace, list(metrics["trainings"])),
        openings=int(workspace.counters(OPENINGS).get("openings", 0)),
        origin=_origin(workspace, best),
    )


def _model(directory: Path) -> Model:
    names = ("pipeline.json", "training.json")
    return Model(*(read_json(directory / name) if (directory / name).exists() else {} for name in names))


def _answers(path: Path) -> pd.DataFrame:
    """Return id, label and answer of the test samples."""
    table = _parquet(path)
    return table[table["split"] == "test"] if len(table) else table


def _parquet(path: Path) -> pd.DataFrame:
    return pd.read_parquet(path) if path.exists() else pd.DataFrame()


def _table(path: Path) -> list[Mapping]:
    """Return the rows of a CSV file as texts, as they stand there."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _explained(folder: Path) -> Explained:
    if not (folder / "explanations.json").exists():
        return Explained("", [], None)
    told = read_json(folder / "explanations.json")
    maps = load_file(folder / "maps.safetensors")["maps"] if (folder / "maps.safetensors").exists() else None
    return Explained(told["method"], told["samples"], maps)


def _rows(manifest: Path, wanted: set[str]) -> dict[str, Row]:
    """Return where the samples with these ids lie, by id; empty where the raw data is not on this machine."""
    if not manifest.exists() or not wanted:
        return {}
    some = pd.read_parquet(manifest, filters=[("id", "in", wanted)])
    if not {"path", "text"} <= set(some):
        return {}
    records = some.astype(object).where(some.notna(), None).to_dict("records")
    return {one["id"]: Row(0, one["id"], one["name"], one["path"], one["text"]) for one in records}


def _refused(workspace: Workspace) -> list[Mapping]:
    """Return stage, name, reason and mend of each refused sample, from the list of both stages or from each's own."""
    whole = workspace.home / "refused.csv"
    if whole.exists():
        return _table(whole)
    folders = {"ingest": workspace.raw, "preprocess": workspace.prepared}
    return [{"stage": stage, **row} for stage, folder in folders.items() for row in _table(folder / "refused.csv")]


def _leaks(path: Path) -> list[Mapping] | None:
    return list(read_json(path)["looked_for"]) if path.exists() else None


def _counters(workspace: Workspace, trainings: list[str]) -> dict[str, Mapping]:
    """Return what each stage counted, by the name a reader knows it by, in the order they run."""
    found: dict[str, Mapping] = {}
    for stage in STAGES:
        for training in trainings if stage == "finetune" else [""]:
            counted = workspace.counters(counters_name(stage, training))
            if counted:
                found[f"{stage} {training}".strip()] = counted
    return found


def _origin(workspace: Workspace, training: str) -> Mapping:
    """Return the tags of the run that made the model, and when it began (milliseconds); empty if it is not known."""
    directory = workspace.model(training)
    if not (directory / FILES).exists():
        return {}
    run = journal.tagged(workspace, training, "model_digest", journal.model_digest(directory))
    if run is None:
        return {}
    tags: Mapping = {}
    for event in run.of_kind("tags"):
        tags |= event["values"]
    return tags | {"started": run.of_kind("start")[0]["time"]}

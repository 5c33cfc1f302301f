"""A data set as other backbones see it: prepared and featurised once each, below .local/rank."""

import csv
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pyarrow import parquet
from safetensors.numpy import load_file

from tasks import stages
from tasks.modalities.shards import Prepared
from tasks.progress import note
from tasks.schema import AnyDataset, Backbone
from tasks.workspace import FILES, Workspace, read_json, sha256_of, write_json


class Contender(NamedTuple):
    """A backbone of the catalogue, whole (`layers` null) or cut to its first `layers` blocks."""

    backbone: Backbone
    layers: int | None

    @property
    def name(self) -> str:
        """What tells it from the others: BACKBONE or BACKBONE-LAYERS."""
        return self.backbone.name if self.layers is None else f"{self.backbone.name}-{self.layers}"

    def serves(self, dataset: AnyDataset) -> bool:
        """Tell whether it is what the data set itself declares."""
        return self == (dataset.backbone, dataset.extract.layers)


@dataclass(frozen=True)
class Bench(Workspace):
    """The raw samples of workspace `owner`; all that is made of them for one contender lies in .local/rank/NAME.

    `shared`: where samples lie that the data set or another contender has prepared for the same backbone.
    """

    owner: Workspace
    shared: Path | None

    @property
    def home(self) -> Path:
        """What belongs to the contender."""
        return self.local / "rank" / self.name

    @property
    def raw(self) -> Path:
        """The data set's own raw samples."""
        return self.owner.raw

    @property
    def prepared(self) -> Path:
        """The samples as the contender's backbone reads them, however many of its layers."""
        return self.shared or super().prepared


class Featurised(NamedTuple):
    """Where a contender's samples and features are, and the seconds it took to featurise them (null: unknown)."""

    workspace: Workspace
    seconds: float | None


def featurise(dataset: AnyDataset, contender: Contender, workspace: Workspace) -> Featurised:
    """Return the contender's features of the data set's raw samples, made once.

    They are those of `workspace` itself where these are what the data set declares and of the raw samples there are.
    """
    own_samples = contender.backbone == dataset.backbone and _prepared_now(dataset, workspace)
    if own_samples and contender.serves(dataset) and _featurised_since(dataset, workspace):
        return Featurised(workspace, workspace.counters("extract").get("seconds"))
    params, made_from = _declared(dataset, contender), _origin(dataset, contender.backbone, workspace)
    whole = Bench(workspace.root, f"{dataset.name}/{contender.backbone.name}", workspace, None)
    if not own_samples:
        _made("preprocess", params, whole, whole.prepared, made_from)
    samples = workspace.prepared if own_samples else whole.prepared
    bench = Bench(workspace.root, f"{dataset.name}/{contender.name}", workspace, samples)
    made_from |= {"layers": contender.layers, "precision": dataset.extract.precision}
    return Featurised(bench, _made("extract", params, bench, bench.features, made_from))


def _declared(dataset: AnyDataset, contender: Contender) -> AnyDataset:
    """Return the data set as it would be declared with that backbone."""
    extract = dataset.extract.model_copy(update={"layers": contender.layers})
    declared: AnyDataset = dataset.model_copy(update={"backbone": contender.backbone, "extract": extract})
    return declared


def _origin(dataset: AnyDataset, backbone: Backbone, workspace: Workspace) -> dict[str, Any]:
    """Return all that decides what the prepared samples are."""
    return {
        "manifest": sha256_of(workspace.raw / "manifest.parquet"),
        "backbone": backbone.sha256,
        "preprocess": dataset.preprocess.model_dump(mode="json"),
    }


def _made(stage: str, params: AnyDataset, bench: Bench, folder: Path, made_from: dict[str, Any]) -> float:
    """Let `stage` write `folder` unless it was made from the same already; return the seconds that took."""
    kept = bench.home / f"{stage}.json"
    if folder.exists() and kept.exists() and read_json(kept)["made_from"] == made_from:
        return float(read_json(kept)["seconds"])
    note(f"{stage} {bench.name}")
    kept.unlink(missing_ok=True)  # first: whoever is killed from here on leaves nothing that looks whole
    started = time.monotonic()
    stages.function(stage)(params, bench)
    seconds = round(time.monotonic() - started, 1)
    write_json(kept, {"made_from": made_from, "seconds": seconds})
    return seconds


def _prepared_now(dataset: AnyDataset, workspace: Workspace) -> bool:
    """Tell whether the samples in prepared/ are the manifest's rows as declared, all but the refused."""
    folder = workspace.prepared
    if not (folder / FILES).exists() or not Prepared(folder).made_as(dataset):
        return False
    with (folder / "refused.csv").open(encoding="utf-8", newline="") as stream:
        refused = {row["id"] for row in csv.DictReader(stream)}
    used, there = parquet.read_table(folder / "samples.parquet"), parquet.read_table(workspace.raw / "manifest.parquet")
    columns = [name for name in used.column_names if name in there.column_names]
    kept = [row for row in there.select(columns).to_pylist() if row["id"] not in refused]
    return bool(used.select(columns).to_pylist() == kept)


def _featurised_since(dataset: AnyDataset, workspace: Workspace) -> bool:
    """Tell whether features/ holds each prepared sample, was cut as declared and written after prepared/."""
    written = workspace.features / FILES
    if not written.exists() or written.stat().st_mtime < (workspace.prepared / FILES).stat().st_mtime:
        return False
    found = read_json(workspace.features / "features.json")["network"]["layers"]
    ids = load_file(workspace.features / "features.safetensors")["ids"]
    known = [bytes(row).hex() for row in ids] == Prepared(workspace.prepared).samples["id"].tolist()
    return bool(known and found == dataset.extract.layers)

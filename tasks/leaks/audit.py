"""All that is looked for after the trainings: what a score could owe to anything but learning."""

from typing import Any

import numpy as np
import pandas as pd
from safetensors.numpy import load_file

from tasks.leaks import copies, giveaways, groups, permutation, telling, traces
from tasks.leaks.finding import Finding
from tasks.leaks.folds import MOST, drawn
from tasks.modalities.shards import Prepared
from tasks.objectives import Array
from tasks.schema import AnyDataset
from tasks.workspace import Workspace


def audit(params: AnyDataset, workspace: Workspace, prepared: Prepared, rows: dict[str, Array]) -> dict[str, Any]:
    """Return leaks.json: every check by name, how much it found, what became of it, a sentence, examples.

    `rows` are the numbers of the prepared samples in each split.
    """
    samples = prepared.samples
    features = load_file(workspace.features / "features.safetensors")["features"]
    found = [
        copies.same_bytes(workspace.raw),
        *copies.near_duplicates(workspace.prepared),
        *telling.look(features, samples["group"], rows, params.seed),
        *_giveaways(params, workspace, samples),
        groups.look(samples),
    ]
    return {"looked_for": [finding._asdict() for finding in found]}


def _giveaways(params: AnyDataset, workspace: Workspace, samples: pd.DataFrame) -> list[Finding]:
    """Look at a draw of all samples together with what their files give away."""
    some = samples.iloc[drawn(np.arange(len(samples)), MOST, params.seed)].reset_index(drop=True)
    to, kept = permutation.asked(some, params.seed)
    if len(np.unique(to.labels)) < 2:
        return []
    columns = ["id", "path", "text", "name"]
    manifest = pd.read_parquet(workspace.raw / "manifest.parquet", columns=columns).set_index("id", drop=False)
    manifest = manifest.loc[some["id"][kept]]
    known = traces.table(manifest, workspace.raw) | traces.shapes(manifest, workspace.raw, params.modality)
    found = [giveaways.by_name(manifest["name"], to)]
    found += [giveaways.by_numbers(trace, values, to) for trace, values in known.items()]
    if manifest["path"].isna().all():
        found.append(giveaways.by_words(manifest["text"], to))
    return found


def warnings(report: dict[str, Any]) -> list[str]:
    """Return a line for each finding that is left for the user to look at."""
    return [f"{one['check']}: {one['said']}" for one in report["looked_for"] if one["verdict"] == "reported"]

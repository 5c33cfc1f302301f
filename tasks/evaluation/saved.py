"""What a saved training answers for prepared samples: from cached features where its backbone is frozen."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors.numpy import load_file

from tasks.errors import TrainingError
from tasks.modalities.shards import Prepared
from tasks.neural import networks
from tasks.neural.recall import Asking
from tasks.objectives import Array, Facts
from tasks.schema import Extract
from tasks.store import Store
from tasks.workspace import FILES, Workspace, read_json, sha256_of


class Saved(NamedTuple):
    """A model directory: what finetune wrote beside the weights."""

    training: str
    directory: Path
    pipeline: dict[str, Any]
    history: dict[str, Any]

    @property
    def frozen(self) -> bool:
        """Tell whether the backbone is as it came, so that its cached features are this model's too."""
        return bool(self.pipeline["strategy"] == "head")

    @property
    def digest(self) -> str:
        """Return the sha256 of the list of its files' sha256."""
        return sha256_of(self.directory / FILES)


def read(workspace: Workspace, training: str, facts: Facts) -> Saved:
    """Open the model directory of `training`.

    Raises TrainingError if there is none, or if it learnt other labels than `facts`, those of today.
    """
    directory = workspace.model(training)
    again = f"train it first: transfer run {workspace.name}"
    if not (directory / "pipeline.json").exists():
        where = directory.relative_to(workspace.root)
        raise TrainingError(f"{training}: there is no model in {where}; {again}")
    pipeline = read_json(directory / "pipeline.json")
    if pipeline["facts"] != facts:
        raise TrainingError(f"{training}: its model learnt other labels than there are now; {again}")
    return Saved(training, directory, pipeline, read_json(directory / "training.json"))


def outputs(
    saved: Saved, workspace: Workspace, prepared: Prepared, rows: Array, settings: Extract
) -> tuple[Array, int]:
    """Return the model's outputs float32 [rows, K], and for how many of them it was asked now.

    What a frozen backbone answers follows from its features; what it was asked before is in the store. TrainingError
    if an output is no finite number.
    """
    network, asked = networks.load(saved.directory), 0
    if saved.frozen:
        weight, bias = (tensor.detach().float().numpy() for tensor in (network.head.weight, network.head.bias))
        answered = _features(workspace, prepared)[rows] @ weight.T + bias
    else:
        size, store = settings.batch_size, Store.of(workspace.root)
        asking = Asking(network, prepared, saved.directory, size, "outputs", {"model": saved.digest}, store)
        answered, asked = asking.all(rows, settings.precision)
    if not np.isfinite(answered).all():
        raise TrainingError(f"{saved.training}: its outputs are no finite numbers; lower its learning rates")
    return np.asarray(answered, dtype=np.float32), asked


def _features(workspace: Workspace, prepared: Prepared) -> Array:
    """Return float32 [N, D] in prepared order; TrainingError where they are those of other samples."""
    stored = load_file(workspace.features / "features.safetensors")
    if [bytes(row).hex() for row in stored["ids"]] != prepared.samples["id"].tolist():
        raise TrainingError(
            f"{workspace.name}: the features are those of other samples; run transfer run {workspace.name}"
        )
    return stored["features"]

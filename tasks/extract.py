"""Stage extract: the frozen backbone's features of every prepared sample."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from tasks.modalities.directory import described
from tasks.modalities.shards import Prepared
from tasks.neural import backbones, devices, networks, vectors
from tasks.neural.recall import Asking
from tasks.objectives import Array
from tasks.progress import note
from tasks.schema import AnyDataset
from tasks.store import Store
from tasks.workspace import Workspace, write_json

LIKENESS = 0.999
"""The least mean cosine between features in bfloat16 and in float32 for which bfloat16 is good enough."""


def extract(params: AnyDataset, workspace: Workspace) -> Path:
    """Write features/: features.safetensors (float32 [N, D] and ids uint8 [N, 32]) and features.json.

    The features of samples that were asked about before, in whichever data set, are taken from the store.
    """
    devices.threads()
    asking = _asking(params, workspace)
    precision, computed = good_enough(params.extract.precision, asking)
    ids, width, rest = identities(asking.prepared), asking.network.head.in_features, Counted()
    with workspace.replacing(workspace.features) as folder:
        rows = np.arange(len(ids))
        vectors.write(folder, rest.through(asking.answers(rows, precision)), ids, width)
        about = {"network": {"layers": params.extract.layers}, "precision": precision, "dimensions": width}
        write_json(folder / "features.json", about)
    computed += rest.computed
    workspace.record("extract", {"featurised": computed, "reused": len(ids) - computed})
    return workspace.features


def _asking(params: AnyDataset, workspace: Workspace) -> Asking:
    prepared = Prepared(workspace.prepared)
    backbone = backbones.fetch(params.backbone, workspace.root)
    window, layers = prepared.about["preprocess"].get("window_seconds"), params.extract.layers
    network = networks.build(params.modality, backbone, layers, window, outputs=1)
    weights = {"weights": params.backbone.sha256, "files": described(backbone), "layers": layers}
    store = Store.of(workspace.root)
    return Asking(network, prepared, backbone, params.extract.batch_size, "features", weights, store)


class Counted:
    """Counts how many of the answers that pass through it were computed."""

    computed = 0

    def through(self, answers: Iterator[tuple[Array, int]]) -> Iterator[Array]:
        """Yield the answers."""
        for part, computed in answers:
            self.computed += computed
            yield part


def good_enough(precision: str, asking: Asking) -> tuple[str, int]:
    """Return "bfloat16" if it is asked for, or native, and gives a batch the features that float32 gives it.

    The batch is the samples whose sha256 come first: a draw at random that new samples hardly change. Returns too how
    many features of the precision were computed for it.
    """
    if devices.precision(precision) is torch.float32:
        return "float32", 0
    rows = np.arange(min(asking.batch_size, len(asking.prepared)))
    (exact, in_float32), (rounded, in_bfloat16) = (asking.all(rows, name) for name in ("float32", "bfloat16"))
    found = likeness(exact, rounded)
    if found >= LIKENESS:
        return "bfloat16", in_bfloat16
    note(f"float32 instead of bfloat16: of {len(rows)} samples the features' mean cosine is {found:.5f} < {LIKENESS}")
    return "float32", in_float32


def likeness(exact: Array, rounded: Array) -> float:
    """Return the mean cosine between the rows of two float32 [N, D]."""
    lengths = np.linalg.norm(exact, axis=1) * np.linalg.norm(rounded, axis=1)
    return float(np.mean((exact * rounded).sum(axis=1) / lengths))


def identities(prepared: Prepared) -> Array:
    """Return uint8 [N, 32], the sha256 that each sample is known by, in prepared order."""
    return np.array([list(bytes.fromhex(name)) for name in prepared.samples["id"]], dtype=np.uint8).reshape(-1, 32)

"""Stage extract: the frozen backbone's features of every prepared sample."""

from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

from tasks.modalities import Modality, modality
from tasks.modalities.shards import Prepared
from tasks.neural import backbones, devices, networks
from tasks.neural.inference import compute
from tasks.neural.networks import Network
from tasks.objectives import Array
from tasks.progress import note
from tasks.schema import AnyDataset
from tasks.workspace import Workspace, write_json

LIKENESS = 0.999
"""The least mean cosine between features in bfloat16 and in float32 for which bfloat16 is good enough."""


def extract(params: AnyDataset, workspace: Workspace) -> Path:
    """Write features/: features.safetensors (float32 [N, D] and ids uint8 [N, 32]) and features.json."""
    devices.threads()
    prepared = Prepared(workspace.prepared)
    backbone = backbones.fetch(params.backbone, workspace.root)
    window, layers = prepared.about["preprocess"].get("window_seconds"), params.extract.layers
    network = networks.build(params.modality, backbone, layers, window, outputs=1)
    reads, size = modality(params.modality), params.extract.batch_size
    precision = good_enough(params.extract.precision, network, prepared, reads, backbone, size)
    rows = np.arange(len(prepared))
    features = compute(network, prepared, rows, reads, backbone, size, precision, "features")
    with workspace.replacing(workspace.features) as folder:
        save_file({"features": features, "ids": identities(prepared)}, folder / "features.safetensors")
        about = {"network": {"layers": layers}, "precision": precision, "dimensions": features.shape[1]}
        write_json(folder / "features.json", about)
    workspace.record("extract", {"featurised": len(features)})
    return workspace.features


def good_enough(
    precision: str, network: Network, prepared: Prepared, reads: Modality, backbone: Path, size: int
) -> str:
    """Return "bfloat16" if it is asked for, or native, and gives a batch the features that float32 gives it."""
    if devices.precision(precision) is torch.float32:
        return "float32"
    rows = np.linspace(0, len(prepared) - 1, min(size, len(prepared))).astype(np.int64)
    exact, rounded = (
        compute(network, prepared, rows, reads, backbone, size, name, "features") for name in ("float32", "bfloat16")
    )
    found = likeness(exact, rounded)
    if found >= LIKENESS:
        return "bfloat16"
    note(f"float32 instead of bfloat16: of {len(rows)} samples the features' mean cosine is {found:.5f} < {LIKENESS}")
    return "float32"


def likeness(exact: Array, rounded: Array) -> float:
    """Return the mean cosine between the rows of two float32 [N, D]."""
    lengths = np.linalg.norm(exact, axis=1) * np.linalg.norm(rounded, axis=1)
    return float(np.mean((exact * rounded).sum(axis=1) / lengths))


def identities(prepared: Prepared) -> Array:
    """Return uint8 [N, 32], the sha256 that each sample is known by, in prepared order."""
    return np.array([list(bytes.fromhex(name)) for name in prepared.samples["id"]], dtype=np.uint8).reshape(-1, 32)

"""Another engine for the same features: our network, converted to OpenVINO, in the precision it computes in here."""

import os
import time
from pathlib import Path
from typing import Any, Literal

import numpy as np
import openvino
import torch

from bench.data import Data
from bench.ours import project
from tasks import stages
from tasks.extract import likeness
from tasks.modalities import Batch, modality
from tasks.modalities.shards import Prepared
from tasks.neural import inference, networks
from tasks.neural.networks import Network
from tasks.objectives import Array
from tasks.workspace import Workspace

BATCH = 32
CALIBRATED = 10
"""Batches from which int8 learns its ranges."""


class Features(torch.nn.Module):
    """A network as a function of tensors in the order of `names`, as the conversion wants it."""

    def __init__(self, network: Network, names: list[str]) -> None:
        super().__init__()
        self.network, self.names = network, names

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        """Return features [B, D]."""
        return self.network.features(**dict(zip(self.names, tensors, strict=True)))


def measure(data: Data, work: Path, precision: Literal["bf16", "int8"] = "bf16") -> dict[str, float]:
    """Time the conversion and the features; `likeness` is their mean cosine to those of the network in float32."""
    folder = work / "project"
    dataset = project.make(Path.cwd(), folder, data.folder, data.recipe)
    os.chdir(folder)
    stages.run(folder, "ingest", dataset)
    started = time.perf_counter()
    stages.run(folder, "preprocess", dataset)
    seconds = {"preprocess": time.perf_counter() - started}
    prepared = Prepared(Workspace(folder, dataset).prepared)
    network = networks.build(data.modality, data.backbone, data.layers, _window(prepared), outputs=1).eval()
    batches = _batches(prepared, data)
    started = time.perf_counter()
    ask = _compiled(network, [batch for _, batch in batches[:: max(1, len(batches) // CALIBRATED)]], precision)
    seconds["convert"] = time.perf_counter() - started
    started = time.perf_counter()
    found = np.concatenate([ask(batch) for _, batch in batches])
    seconds["extract"] = time.perf_counter() - started
    rows = np.concatenate([places for places, _ in batches])[:BATCH]
    exact = inference.compute(
        network, prepared, rows, modality(data.modality), data.backbone, BATCH, "float32", "features"
    )
    return {"samples": len(data.rows), **seconds, "likeness": likeness(exact, found[:BATCH])}


def _window(prepared: Prepared) -> int | None:
    seconds: int | None = prepared.about["preprocess"].get("window_seconds")
    return seconds


def _batches(prepared: Prepared, data: Data) -> list[tuple[Array, Batch]]:
    """Return all batches, like with like, made beforehand: what is compared is the engine."""
    reads = modality(data.modality)
    order = np.argsort(-reads.lengths(prepared), kind="stable")
    cut = [order[first : first + BATCH] for first in range(0, len(order), BATCH)]
    return [(places, reads.collate([prepared[int(place)] for place in places], data.backbone)) for places in cut]


def _compiled(network: Network, examples: list[Batch], precision: str) -> Any:
    """Convert the network, calibrate it on `examples` if it is to compute in int8, and return what answers a batch."""
    names = list(examples[0])
    with torch.no_grad():
        converted = openvino.convert_model(Features(network, names), example_input=tuple(examples[0].values()))
    if precision == "int8":
        import nncf

        kind = nncf.ModelType.TRANSFORMER if network.modality == "text" else None
        shown = nncf.Dataset([tuple(tensor.numpy() for tensor in batch.values()) for batch in examples])
        converted = nncf.quantize(converted, shown, model_type=kind, subset_size=len(examples))
    settings = {"INFERENCE_NUM_THREADS": torch.get_num_threads(), "PERFORMANCE_HINT": "LATENCY"}
    hint = {"INFERENCE_PRECISION_HINT": "bf16"} if precision == "bf16" else {}
    compiled = openvino.Core().compile_model(converted, "CPU", settings | hint)
    return lambda batch: compiled([tensor.numpy() for tensor in batch.values()])[0]

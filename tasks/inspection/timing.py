"""How long a proposal will take on this machine: its network is asked for a few samples, and the rest follows."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tasks.inspection.proposal import Proposal
from tasks.inspection.recipes import Sections

if TYPE_CHECKING:
    from tasks.modalities import Arrays, Batch
    from tasks.neural.networks import Network

MEASURED = 8
"""Samples of a measured batch: a small one costs a little more for each."""
GAIN = 0.8
"""So many threads are as fast as this power of their number."""
LOW, HIGH = 0.5, 1.5
"""What a measurement of one batch may be wrong by: the whole falls between these parts of it."""
UNMEASURED = {
    "image": {"read": 0.012, "features": 0.010, "partial": 0.021, "scratch": 0.075},
    "text": {"read": 0.0003, "features": 0.0035, "partial": 0.009, "scratch": 0.011},
    "audio": {"read": 0.003, "features": 0.003, "partial": 0.009, "scratch": 0.013},
}
"""Roughly the seconds a sample of the shipped data sets took on two cores of an AMD EPYC in 2026; for other backbones
a guess, told as a wide range."""
UNMEASURED_LOW, UNMEASURED_HIGH = 0.4, 4.0
START = 25.0
"""Seconds for starting each stage's tools, for pictures of the results and for the registry."""


class Estimate(NamedTuple):
    """Seconds of the whole run, from and to; `parts`: those of each training. `measured`: on this machine."""

    low: float
    high: float
    parts: dict[str, tuple[float, float]]
    measured: bool


def estimate(root: Path, proposal: Proposal, backbone: Sections) -> Estimate:
    """Measure where the backbone lies ready in .local/backbones, else go by what was measured elsewhere."""
    place = root / ".local" / "backbones" / f"{proposal.dataset['backbone']}-{backbone['sha256'][:12]}"
    found = _measured(place, proposal) if place.exists() else {}
    costs = UNMEASURED[proposal.dataset["modality"]] | found
    low, high = (LOW, HIGH) if found else (UNMEASURED_LOW, UNMEASURED_HIGH)
    counts = proposal.counts
    first = START + sum(counts.values()) * (costs["read"] + costs["features"])
    parts = {}
    for name, training in proposal.trainings.items():
        epochs, strategy = training.get("epochs", 0), training["strategy"]
        judged = counts["validation"] * costs["features"] * (epochs + 1) + counts["test"] * costs["features"]
        parts[name] = epochs * counts["train"] * costs.get(strategy, 0.0) + (judged if epochs else 1.0)
    whole = first + sum(parts.values())
    spans = {name: (low * part, high * part) for name, part in parts.items()}
    return Estimate(low * whole, high * whole, spans, bool(found))


def _measured(place: Path, proposal: Proposal) -> dict[str, float]:
    """Return seconds a sample of the frozen features, of fine-tuning and of training from scratch."""
    import torch

    from tasks.modalities import modality
    from tasks.neural import devices, networks

    devices.threads()
    dataset = proposal.dataset
    prepare = dataset["preprocess"]
    network = networks.build(
        dataset["modality"], place, dataset["extract"]["layers"], prepare.get("window_seconds"), outputs=2
    )
    batch = modality(dataset["modality"]).collate(_samples(proposal, place), place)
    network.to(devices.device())
    batch = {name: tensor.to(devices.device()) for name, tensor in batch.items()}
    half = devices.precision(dataset["extract"]["precision"]) is torch.bfloat16
    with torch.autocast(devices.device().type, dtype=torch.bfloat16, enabled=half):
        costs = {"features": _seconds(lambda: _answer(network, batch))}
        for name, training in proposal.trainings.items():
            if training["strategy"] != "head":
                network.freeze(training["blocks"])
                costs[name.rpartition("-")[2]] = _seconds(lambda: _learn(network, batch))
    return costs


def _seconds(work: Callable[[], None]) -> float:
    """Return seconds a sample of a batch, the second time it is done, as if nothing else were computed here.

    On a processor it is the time that one thread computes: several wait for one another where others compute, too.
    """
    import torch

    from tasks.neural import devices

    on_processor = devices.device().type == "cpu"
    clock, workers = (time.process_time, devices.threads()) if on_processor else (time.monotonic, 1)
    if on_processor:
        torch.set_num_threads(1)
    try:
        work()
        began = clock()
        work()
        return float((clock() - began) / workers**GAIN / MEASURED)
    finally:
        devices.threads()


def _answer(network: "Network", batch: "Batch") -> None:
    import torch

    with torch.inference_mode():
        network.eval()(**batch)


def _learn(network: "Network", batch: "Batch") -> None:
    network.train()(**batch).square().mean().backward()
    network.zero_grad(set_to_none=True)


def _samples(proposal: Proposal, place: Path) -> "list[Arrays]":
    """Return made-up samples of the size that the real ones have on average."""
    prepare, random = proposal.dataset["preprocess"], np.random.default_rng(0)
    if proposal.dataset["modality"] == "image":
        shape = (prepare["size"], prepare["size"], 3)
        return [{"pixels": random.integers(0, 256, shape, dtype=np.uint8)} for _ in range(MEASURED)]
    if proposal.dataset["modality"] == "text":
        length = min(max(round(proposal.size), 2), prepare["tokens"])
        return [{"tokens": np.ones(length, np.int32)} for _ in range(MEASURED)]
    from tasks.modalities import hearing

    hears, seconds = hearing.of(place), prepare["window_seconds"]
    silence = [np.zeros(seconds * hearing.rate(place), np.float32)] * MEASURED
    return [{hears.ARRAY: heard} for heard in hears.prepare(silence, seconds, place)]

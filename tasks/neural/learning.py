"""Learns one training, whatever its strategy, from some rows of a data set: pure of where the outcome is kept."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors.numpy import load_file

from tasks import objectives
from tasks.modalities import modality
from tasks.modalities.shards import Prepared
from tasks.neural import backbones, devices, movement, networks, strategies, training, trunk
from tasks.neural.checkpoints import Checkpoints
from tasks.neural.feeding import Material
from tasks.neural.networks import Network
from tasks.neural.training import Listener
from tasks.objectives import Array, Facts, Head, Objective
from tasks.schema import AnyTraining, DeepTraining, Weights
from tasks.store import Store
from tasks.workspace import FILES, Workspace, read_json, sha256_of


@dataclass(frozen=True)
class Ground:
    """What every training of a data set starts from: samples, frozen features [N, D], the pretrained network."""

    prepared: Prepared
    features: Array
    backbone: Path
    layers: int | None
    digest: str
    """Of the samples' and the features' files."""
    store: Store

    @classmethod
    def of(cls, workspace: Workspace) -> "Ground":
        """Open what preprocess and extract wrote."""
        prepared = Prepared(workspace.prepared)
        features = load_file(workspace.features / "features.safetensors")["features"]
        layers = read_json(workspace.features / "features.json")["network"]["layers"]
        digest = "-".join(sha256_of(folder / FILES) for folder in (workspace.prepared, workspace.features))
        backbone = backbones.fetch(Weights.model_validate(prepared.about["backbone"]), workspace.root)
        return cls(prepared, features, backbone, layers, digest, Store.of(workspace.root))

    def network(self, outputs: int, random: bool) -> Network:
        """Return the data set's network with a head of `outputs`."""
        about = self.prepared.about
        window = about["preprocess"].get("window_seconds")
        return networks.build(about["modality"], self.backbone, self.layers, window, outputs, random)


class Learnt(NamedTuple):
    """A trained network, what its outputs mean, and how it came: epochs, best epoch, head, parameters, distance.

    `counted`: how often its frozen blocks were computed and how often that was spared, which changes nothing of it.
    """

    network: Network
    facts: Facts
    report: dict[str, Any]
    counted: dict[str, int]


def learn(
    params: AnyTraining, ground: Ground, train: Array, validation: Array, scratch: Path, listen: Listener
) -> Learnt:
    """Learn `params` from the rows `train` and choose on the rows `validation`; no other row's label is read.

    `scratch` holds checkpoints meanwhile, and still does so when this returns: who keeps the outcome clears it.
    """
    learns = objectives.objective(params.objective)
    facts, targets = _targets(learns, ground.prepared, train, validation)
    head = _head(params, learns, ground, targets, train, validation)
    torch.manual_seed(params.seed)
    network = ground.network(learns.outputs(facts), random=params.strategy == "scratch")
    if head is not None:
        network.graft(head.weight, head.bias)
    report: dict[str, Any] = {"epochs": [], "best_epoch": 0, "head": head.report if head else None}
    if not isinstance(params, DeepTraining):
        return Learnt(network, facts, report | {"parameters": _parameters(network, network.head), "distance": 0.0}, {})
    reads = modality(params.modality)
    material = Material(ground.prepared, targets, train, validation, reads, learns, facts, ground.backbone)
    identity = [params.model_dump(mode="json"), ground.digest, train.tolist(), validation.tolist(), *_machine(params)]
    return _fine_tuned(network, material, params, Checkpoints(scratch, identity), listen, report, ground.store)


def _fine_tuned(
    network: Network,
    material: Material,
    params: DeepTraining[Any],
    checkpoints: Checkpoints,
    listen: Listener,
    report: dict[str, Any],
    store: Store,
) -> Learnt:
    """Train under the strategy and measure how far it moved the weights."""
    start = movement.snapshot(network)
    finish = strategies.begin(network, params)
    report["parameters"] = _parameters(network, network)
    with trunk.spared(network, material, params, store) as known:
        report |= training.fine_tune(network, material, params, checkpoints, listen, known)
    finish()
    network.flips = getattr(params.augment, "test_flips", [])
    report["distance"] = movement.distance(start, network.state_dict())
    return Learnt(network, material.facts, report, known.counted if known else {})


def _machine(params: DeepTraining[Any]) -> tuple[str, ...]:
    """Return what a checkpoint depends on besides data and parameters."""
    return torch.__version__, devices.device().type, str(devices.precision(params.precision))


def _targets(learns: Objective, prepared: Prepared, train: Array, validation: Array) -> tuple[Facts, Array]:
    """Return what the labels are and the targets in prepared order; those of other rows stay unread (nought)."""
    labels = prepared.samples["label"]
    facts = learns.learn(labels.iloc[train])
    rows = np.sort(np.concatenate([train, validation]))
    known = learns.targets(labels.iloc[rows], facts)
    targets = np.zeros(len(labels), known.dtype)
    targets[rows] = known
    return facts, targets


def _head(
    params: AnyTraining, learns: Objective, ground: Ground, targets: Array, train: Array, validation: Array
) -> Head | None:
    """Return the linear head on frozen features; none where training starts from scratch."""
    if params.head is None:
        return None
    return learns.fit_head(ground.features, targets, train, validation, params.head, params.seed)


def _parameters(network: Network, learning: torch.nn.Module) -> dict[str, int]:
    """Return how many numbers learn, and how many there are (adapters, which are merged, count as learning only)."""
    trained = sum(parameter.numel() for parameter in learning.parameters() if parameter.requires_grad)
    total = sum(p.numel() for name, p in network.named_parameters() if ".lora_" not in name)
    return {"trained": trained, "total": total}

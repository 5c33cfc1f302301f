"""finetune: learn one training of a data set; every strategy ends in the same kind of model directory."""

from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from tasks import objectives, progress
from tasks.errors import TrainingError
from tasks.modalities import modality
from tasks.modalities.shards import Prepared
from tasks.neural import backbones, devices, networks
from tasks.neural.networks import Network
from tasks.objectives import Array, Facts, Head, Objective
from tasks.records import journal, tracking
from tasks.schema import AnyTraining, PartialTraining, Weights
from tasks.workspace import Workspace, read_json, write_json


def finetune(params: AnyTraining, workspace: Workspace) -> Path:
    """Learn training `params` from the prepared samples and their features; write its model directory."""
    devices.threads()
    run = journal.Run.start(workspace, params.name, params.model_dump(mode="json"))
    try:
        target = _learn(params, workspace, run)
    except BaseException as error:
        run.end("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
        raise
    run.describes(target)
    run.end("FINISHED")
    tracking.finish(workspace.root)
    return target


def _learn(params: AnyTraining, workspace: Workspace, run: journal.Run) -> Path:
    prepared = Prepared(workspace.prepared)
    backbone = backbones.fetch(Weights.model_validate(prepared.about["backbone"]), workspace.root)
    learns = objectives.objective(params.objective)
    train, validation = _rows(prepared, "train", params.name), _rows(prepared, "validation", params.name)
    facts, targets = _targets(learns, prepared, train, validation)
    features = load_file(workspace.features / "features.safetensors")["features"]
    head = learns.fit_head(features, targets, train, validation, params.head, params.seed)
    network = _network(prepared, workspace, backbone, learns.outputs(facts), head)
    history: dict[str, Any] = {"epochs": [], "best_epoch": 0}
    if isinstance(params, PartialTraining):
        from tasks.neural import training

        network.freeze(params.blocks)
        material = training.Material(
            prepared, targets, train, validation, modality(params.modality), learns, facts, backbone
        )
        scratch = workspace.local / "checkpoints" / workspace.name / params.name
        history = training.fine_tune(network, material, params, scratch, _listener(run, params, workspace.root))
    report = {**history, "head": head.report, "parameters": _parameters(network, params)}
    workspace.record(f"finetune-{params.name}", _counted(params, report))
    return _save(params, prepared, workspace, network, facts, report)


def _rows(prepared: Prepared, split: str, training: str) -> Array:
    rows = prepared.rows(split)
    if not len(rows):
        raise TrainingError(f"{training}: the {split} split holds no samples; change ingest.split or add samples")
    return rows


def _targets(learns: Objective, prepared: Prepared, train: Array, validation: Array) -> tuple[Facts, Array]:
    """Return what the labels are and the targets in prepared order; those of the test split stay unread (nought)."""
    labels = prepared.samples["label"]
    facts = learns.learn(labels.iloc[train])
    rows = np.sort(np.concatenate([train, validation]))
    known = learns.targets(labels.iloc[rows], facts)
    targets = np.zeros(len(labels), known.dtype)
    targets[rows] = known
    return facts, targets


def _network(prepared: Prepared, workspace: Workspace, backbone: Path, outputs: int, head: Head) -> Network:
    """Return the pretrained network with the head that was learnt on its frozen features."""
    options = read_json(workspace.features / "features.json")["network"]
    window = prepared.about["preprocess"].get("window_seconds")
    network = networks.build(prepared.about["modality"], backbone, options["layers"], window, outputs)
    network.graft(head.weight, head.bias)
    return network


def _listener(run: journal.Run, params: PartialTraining[Any], root: Path) -> Any:
    """Return what is done after each epoch: tell the user, remember it, send it on its way."""

    def listen(scores: dict[str, float | None], epoch: int) -> None:
        told = "  ".join(
            f"{name} {value:.4f}"
            for name, value in scores.items()
            if value is not None and name in ("train_loss", "loss", params.monitor)
        )
        progress.note(f"{params.name}  epoch {epoch}/{params.epochs}  {told}")
        run.metrics(
            {f"validation_{name}" if name != "train_loss" else name: value for name, value in scores.items()},
            epoch,
        )
        tracking.deliver(root)

    return listen


def _parameters(network: Network, params: AnyTraining) -> dict[str, int]:
    """Return how many numbers of the network were learnt, and how many there are."""
    learnt = network.head if params.strategy == "head" else network
    trained = sum(parameter.numel() for parameter in learnt.parameters() if parameter.requires_grad)
    return {"trained": trained, "total": sum(parameter.numel() for parameter in network.parameters())}


def _counted(params: AnyTraining, report: dict[str, Any]) -> dict[str, Any]:
    """Return the training's counters and what it says of itself."""
    trained, total = report["parameters"]["trained"], report["parameters"]["total"]
    said = f"head with strength {report['head']['strength']:g}"
    if report["epochs"]:
        said += f", {len(report['epochs']) - 1} epochs, best {report['best_epoch']}"
    return {
        "said": f"{said}, {trained:,} of {total:,} parameters trained",
        "epochs": max(len(report["epochs"]) - 1, 0),
    }


def _save(
    params: AnyTraining,
    prepared: Prepared,
    workspace: Workspace,
    network: Network,
    facts: Facts,
    report: dict[str, Any],
) -> Path:
    """Write the model directory: Hugging Face files, pipeline.json (what it takes to answer), training.json."""
    pipeline = {
        "training": params.name,
        "strategy": params.strategy,
        "modality": params.modality,
        "objective": params.objective,
        "facts": facts,
        "preprocess": prepared.about["preprocess"],
        "network": read_json(workspace.features / "features.json")["network"],
        "backbone": {key: prepared.about["backbone"][key] for key in ("name", "sha256")},
    }
    target = workspace.model(params.name)
    with workspace.replacing(target) as fresh:
        network.save(fresh, facts, prepared.about["preprocess"])
        write_json(fresh / "pipeline.json", pipeline)
        write_json(fresh / "training.json", report)
    return target

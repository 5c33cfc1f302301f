"""finetune: learn one training of a data set; every strategy ends in the same kind of model directory."""

import shutil
from pathlib import Path
from typing import Any

from tasks import progress
from tasks.neural import devices
from tasks.neural.learning import Ground, Learnt, learn
from tasks.neural.training import Listener
from tasks.records import journal, tracking
from tasks.schema import METRICS, AnyTraining
from tasks.workspace import Workspace, write_json


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
    ground = Ground.of(workspace)
    train, validation = (ground.prepared.needed(split, params.name) for split in ("train", "validation"))
    scratch = workspace.local / "checkpoints" / workspace.name / params.name
    learnt = learn(params, ground, train, validation, scratch, _listener(run, params, workspace.root))
    workspace.record(f"finetune-{params.name}", _counted(params, learnt.report) | learnt.counted)
    target = _save(params, ground, workspace, learnt)
    shutil.rmtree(scratch, ignore_errors=True)
    return target


def _listener(run: journal.Run, params: AnyTraining, root: Path) -> Listener:
    """Return what is done after each epoch: tell the user, remember it, send it on its way."""

    def listen(scores: dict[str, float | None], epoch: int) -> None:
        told = "  ".join(
            f"{name} {value:.4f}"
            for name, value in scores.items()
            if value is not None and name in ("train_loss", "loss", METRICS[params.objective][0])
        )
        progress.note(f"{params.name}  epoch {epoch}  {told}")
        run.metrics(journal.epoch_metrics(scores), epoch)
        tracking.deliver(root)

    return listen


def _counted(params: AnyTraining, report: dict[str, Any]) -> dict[str, Any]:
    """Return the training's counters and what it says of itself."""
    trained, total = report["parameters"]["trained"], report["parameters"]["total"]
    told = [f"head with strength {report['head']['strength']:g}"] if report["head"] else ["from random weights"]
    if report["epochs"]:
        told.append(f"{len(report['epochs']) - 1} epochs, best {report['best_epoch']}")
        told.append(f"weights moved by {report['distance']:.1%}")
    told.append(f"{trained:,} of {total:,} parameters trained")
    return {"said": ", ".join(told), "epochs": max(len(report["epochs"]) - 1, 0)}


def _save(params: AnyTraining, ground: Ground, workspace: Workspace, learnt: Learnt) -> Path:
    """Write the model directory: Hugging Face files, pipeline.json (what it takes to answer), training.json."""
    about = ground.prepared.about
    pipeline = {
        "training": params.name,
        "strategy": params.strategy,
        "modality": params.modality,
        "objective": params.objective,
        "facts": learnt.facts,
        "preprocess": about["preprocess"],
        "flips": list(learnt.network.flips),
        "network": {"layers": ground.layers},
        "backbone": {key: about["backbone"][key] for key in ("name", "sha256")},
    }
    target = workspace.model(params.name)
    with workspace.replacing(target) as fresh:
        learnt.network.save(fresh, learnt.facts, about["preprocess"])
        write_json(fresh / "pipeline.json", pipeline)
        write_json(fresh / "training.json", learnt.report)
    return target

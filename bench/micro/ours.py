"""Our stages, timed each for itself in a process that has imported everything."""

import os
import time
from importlib import import_module
from pathlib import Path

from bench.data import Data
from bench.ours import project
from tasks import stages

HEAVY = ("torch", "transformers", "timm", "sklearn.linear_model", "tasks.preprocess", "tasks.extract", "tasks.finetune")


def measure(data: Data, work: Path) -> dict[str, float]:
    """Time preprocess and extract, both for 1 % more, and finetune for each epoch, in a fresh project."""
    for name in HEAVY:
        import_module(name)
    folder = work / "project"
    dataset = project.make(Path.cwd(), folder, data.folder, data.recipe)
    os.chdir(folder)
    stages.run(folder, "ingest", dataset)
    seconds = {stage: _timed(folder, stage, dataset) for stage in ("preprocess", "extract")}
    if data.epochs:
        seconds["epoch"] = _timed(folder, "finetune", data.recipe) / data.epochs
    project.add_samples(folder, data.folder, extra=True)
    stages.run(folder, "ingest", dataset)
    seconds["more"] = sum(_timed(folder, stage, dataset) for stage in ("preprocess", "extract"))
    return {"samples": len(data.rows), **seconds}


def _timed(folder: Path, stage: str, name: str) -> float:
    started = time.perf_counter()
    stages.run(folder, stage, name)
    return time.perf_counter() - started

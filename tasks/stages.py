"""The six stages by name, and the one way to run one: alone on its data set, timed, within the cores there are."""

import re
import resource
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from tasks import accidents, config
from tasks.errors import ResourceError, TransferError
from tasks.workspace import Workspace

STAGES = ("ingest", "preprocess", "extract", "finetune", "evaluate", "register")


def run(root: Path, stage: str, name: str) -> dict[str, Any]:
    """Run `stage` for the data set `name` (for finetune: for the training `name`) and return what it counted."""
    try:
        return _run(root, stage, name)
    except TransferError:
        raise
    except Exception as error:
        told = accidents.told(error)
        if told is None:
            raise
        raise ResourceError(f"{stage} {name}: {told}") from None


def _run(root: Path, stage: str, name: str) -> dict[str, Any]:
    params = _params(root, stage, name)
    workspace = Workspace(root, params.dataset if stage == "finetune" else name)
    does = function(stage)
    started = time.monotonic()
    with workspace.locked(f"{stage} {name}"):
        does(params, workspace)
        label = counters_name(stage, name)
        counted = workspace.counters(label)
        counted |= {"seconds": round(time.monotonic() - started, 1), "peak_mebibytes": peak_mebibytes()}
        workspace.record(label, counted)
    return counted


def function(stage: str) -> Callable[[Any, Workspace], Path]:
    """Return what does `stage`, imported when it is asked for."""
    found: Callable[[Any, Workspace], Path] = getattr(import_module(f"tasks.{stage}"), stage)
    return found


def counters_name(stage: str, name: str) -> str:
    """Return the name under which `stage` keeps its counters: trainings of one data set have one each."""
    return f"finetune-{name}" if stage == "finetune" else stage


def _params(root: Path, stage: str, name: str) -> Any:
    loaded = config.load(root)
    return config.training(loaded, name) if stage == "finetune" else config.dataset(loaded, name)


def peak_mebibytes() -> int:
    """Return the largest resident size this process has had, in MiB."""
    told = Path("/proc/self/status")
    if told.exists():  # Linux' getrusage counts, too, what the process that began this one held at that moment
        return int(re.findall(r"VmHWM:\s+(\d+) kB", told.read_text())[0]) // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 * 1024)

"""What a training wants remembered, on disk first: a run is a file of events, sent to MLflow later."""

import hashlib
import json
import os
import re
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.records import lineage
from tasks.workspace import FILES, Workspace, read_json, synchronise

EVENTS = "events.jsonl"
KILLED = "KILLED"
UNNAMEABLE = re.compile(r"[^\w.\- :]")
"""What MLflow refuses in the name of a metric; a class label can hold anything."""


@dataclass(frozen=True)
class Run:
    """One run of one training. Each call returns once what it was told is on disk."""

    folder: Path

    @classmethod
    def start(
        cls, workspace: Workspace, training: str, parameters: Mapping[str, Any], parent: "Run | None" = None
    ) -> "Run":
        """Begin a run of `training` with its section of params.yaml, and write down where it comes from.

        The data set is held by one process at a time, so an earlier run that never ended was killed. A run with a
        `parent` (a trial of a search) is kept beside it, so none of them is taken for a run of a training.
        """
        home = parent.folder.parent if parent else _home(workspace, training)
        for earlier in _kept(home):
            if earlier != parent and not earlier.of_kind("end"):
                earlier.end(KILLED)
        run = cls(home / uuid.uuid4().hex)
        run.folder.mkdir(parents=True)
        about = {"dataset": workspace.name, "training": training, "parameters": dict(_flat("", parameters))}
        run._append("start", **about, parent=parent.folder.name if parent else None)
        run._trace(workspace, training)
        synchronise(run.folder)
        return run

    def metrics(self, values: Mapping[str, float | None], step: int) -> None:
        """Remember what was measured at `step`; what could not be measured (null) is left out."""
        measured = {UNNAMEABLE.sub("_", key): value for key, value in values.items() if value is not None}
        self._append("metrics", values=measured, step=step)

    def tags(self, values: Mapping[str, str]) -> None:
        """Remember facts by name; a later value takes the place of an earlier one."""
        self._append("tags", values=dict(values))

    def file(self, path: Path, folder: str) -> None:
        """Remember a copy of a file as it is now, under `folder` of the run's artifacts."""
        self.text(path.name, path.read_bytes(), folder)

    def text(self, name: str, content: bytes, folder: str) -> None:
        """Remember `content` as the file `name` under `folder` of the run's artifacts."""
        target = self.folder / "files" / folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        synchronise(target.parent)
        self._append("file", path=target.relative_to(self.folder).as_posix(), folder=folder)

    def describes(self, model: Path) -> None:
        """Tie the run to the very files of a model directory."""
        self.tags({"model_digest": model_digest(model)})

    def end(self, status: str) -> None:
        """Remember how the run ended: FINISHED, FAILED or KILLED."""
        self._append("end", status=status)

    def parent(self) -> "Run | None":
        """Return the run that this one is a part of, if it is part of one."""
        name = self.of_kind("start")[0].get("parent")
        return Run(self.folder.parent / name) if name else None

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        """Return the events of one kind, oldest first."""
        return [event for event, _ in self.events(0) if event["event"] == kind]

    def tag(self, name: str) -> str | None:
        """Return the latest value of a tag, if it was ever set."""
        values = [event["values"] for event in self.of_kind("tags")]
        return next((str(value[name]) for value in reversed(values) if name in value), None)

    def events(self, offset: int) -> Iterator[tuple[dict[str, Any], int]]:
        """Yield each event behind `offset` bytes of the file, with the offset of its own end."""
        with (self.folder / EVENTS).open("rb") as stream:
            stream.seek(offset)
            for line in stream:
                if not line.endswith(b"\n"):
                    return
                offset += len(line)
                event = _parsed(line)
                if event is not None:
                    yield event, offset

    def _trace(self, workspace: Workspace, training: str) -> None:
        origin = lineage.origin(workspace, training)
        self.tags(origin.tags)
        self._append("data", name=workspace.name, digest=origin.data_digest, source=origin.tags["data_path"])
        for name, content in origin.files.items():
            self.text(name, content.encode(), lineage.FOLDER)

    def _append(self, kind: str, **content: Any) -> None:
        event = {"event": kind, "time": time.time_ns() // 1_000_000, **content}
        line = json.dumps(event, ensure_ascii=False).encode() + b"\n"
        descriptor = os.open(self.folder / EVENTS, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            size = os.fstat(descriptor).st_size
            # A line that a crash cut short is closed first, so that it spoils itself only.
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            os.write(descriptor, b"\n" * torn + line)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def run_of(workspace: Workspace, training: str, model: Path) -> Run:
    """Return the run that made the very files of `model`.

    Where there is none (the model came out of DVC's cache, or `.local` was deleted), a new run tells what the
    model directory itself knows of its training.
    """
    digest = model_digest(model)
    known = tagged(workspace, training, "model_digest", digest)
    if known is not None:
        return known
    run = Run.start(workspace, training, lineage.parameters(workspace.root, training))
    for epoch in read_json(model / "training.json").get("epochs", []):
        run.metrics(epoch_metrics(epoch), epoch["epoch"])
    run.describes(model)
    run.end("FINISHED")
    return run


def tagged(workspace: Workspace, training: str, tag: str, value: str) -> Run | None:
    """Return the run of `training` whose `tag` is `value`, if there is one."""
    return next((run for run in _kept(_home(workspace, training)) if run.tag(tag) == value), None)


def epoch_metrics(epoch: Mapping[str, float | None]) -> dict[str, float | None]:
    """Name what an epoch measured as it is shown: all but the training loss is of the validation split."""
    measured = {key: value for key, value in epoch.items() if key != "epoch"}
    return {key if key == "train_loss" else f"validation_{key}": value for key, value in measured.items()}


def all_runs(root: Path) -> list[Run]:
    """Return every run of every training of the project."""
    return _begun((root / ".local" / "runs").glob(f"*/*/*/{EVENTS}"))


def model_digest(model: Path) -> str:
    """Return the sha256 of a model directory's list of files, which holds the sha256 of each."""
    return hashlib.sha256((model / FILES).read_bytes()).hexdigest()


def _home(workspace: Workspace, training: str) -> Path:
    return workspace.local / "runs" / workspace.name / training


def _kept(home: Path) -> list[Run]:
    return _begun(home.glob(f"*/{EVENTS}"))


def _begun(events: Iterable[Path]) -> list[Run]:
    """Return the runs whose beginning reached the disk."""
    runs = [Run(path.parent) for path in sorted(events)]
    return [run for run in runs if any(event["event"] == "start" for event, _ in run.events(0))]


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield nested parameters as dotted names and texts: MLflow knows nothing else."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(f"{prefix}.{key}" if prefix else str(key), inner)
    else:
        yield prefix, value if isinstance(value, str) else json.dumps(value)


def _parsed(line: bytes) -> dict[str, Any] | None:
    """Return the event in a line; None for a line that a crash cut short."""
    try:
        return dict(json.loads(line))
    except ValueError:
        return None

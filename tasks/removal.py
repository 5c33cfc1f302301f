"""Takes a data set away: its sections of params.yaml and all that was made of it, but never its source."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tasks import config, dvc_store, params_datasets
from tasks.config import PARAMS
from tasks.errors import ConfigError
from tasks.stages import STAGES
from tasks.workspace import Workspace

DESCRIBED = ("package", "url", "sql", "remote")
"""Kinds of source whose path is a folder of this project that says where they come from; others are the user's own."""


class Belongings(NamedTuple):
    """What goes with a data set: entries of params.yaml, folders and files by what they are, objects of DVC's cache.

    `source` stays; so do the registered versions, of which `version` is the last (null: none).
    """

    name: str
    entries: list[tuple[str, str]]
    stages: list[str]
    paths: dict[str, list[Path]]
    cache: list[Path]
    source: Path | None
    version: str | None


def belongings(root: Path, name: str) -> Belongings:
    """Find what belongs to a data set. ConfigError where params.yaml cannot do without it."""
    content, workspace = config.read_yaml(root / PARAMS), Workspace(root, name)
    entries = params_datasets.entries_of(content, name)
    params_datasets.without((root / PARAMS).read_bytes().decode("utf-8"), entries)
    trainings = [key for section, key in entries if section == "trainings"]
    stages = [f"{stage}@{name}" for stage in STAGES if stage != "finetune"]
    stages += [f"finetune@{training}" for training in trainings]
    source = content["datasets"][name]["ingest"]["source"]
    own = None if source["kind"] in DESCRIBED else root / source["path"]
    version = workspace.counters("register").get("version")
    return Belongings(
        name, entries, stages, _paths(workspace, own), dvc_store.objects(root, stages), own,
        None if version is None else str(version),
    )  # fmt: skip


def _paths(workspace: Workspace, source: Path | None) -> dict[str, list[Path]]:
    local, name = workspace.local, workspace.name
    found = {
        "data": [path for path in _children(workspace.home) if not holds(path, source)],
        "unfinished": [local / "checkpoints" / name],
        "measured": [
            local / "measurements" / name,
            *(local / "tune").glob(f"{name}.db*"),
            local / "rank" / f"{name}.json",
            *(path for path in (local / "rank").glob(f"{name}") if path.is_dir()),
        ],
        "records": [
            *(local / kind / name for kind in ("counters", "runs")),
            local / "refused" / f"{name}.csv",
            local / "logs" / f"{name}.txt",
            local / "tmp" / f"ingest-{name}",
        ],
    }
    return {kind: [path for path in paths if path.exists() or path.is_symlink()] for kind, paths in found.items()}


def _children(home: Path) -> list[Path]:
    return [home] if home.is_symlink() or not home.is_dir() else sorted(home.iterdir())


def holds(path: Path, source: Path | None) -> bool:
    """Tell whether the user's source is this path or lies below it."""
    if source is None or path.is_symlink():
        return False
    return Path(os.path.abspath(source)).resolve().is_relative_to(path.resolve())  # noqa: PTH100


def told(gone: Belongings) -> list[tuple[str, str]]:
    """Return what goes and what stays, in lines of a label and a sentence."""
    sections = ", ".join(f"{section}.{name}" for section, name in gone.entries)
    lines = [("sections", f"{sections} of {PARAMS}")]
    for kind, paths in gone.paths.items():
        if weight(paths):
            lines.append((kind, f"{size(weight(paths))} in {_places(paths)}"))
    if gone.cache:
        held = f"{len(gone.cache):,} files that no other data set uses"
        lines.append(("cache", f"{size(weight(gone.cache))} of DVC's cache: {held}"))
    if gone.source is not None:
        lines.append(("stays", f"{gone.source}: the source is yours and is not touched"))
    if gone.version is not None:
        lines.append(("stays", f"registered versions up to {gone.version}, in transfer ui; their data is not kept"))
    everything = [path for paths in gone.paths.values() for path in paths]
    return [*lines, ("frees", size(weight([*everything, *gone.cache])))]


def remove(root: Path, gone: Belongings) -> int:
    """Take everything away; return the bytes that were freed. BusyError while another process works on it.

    params.yaml first: killed afterwards, nothing is left that still names what is gone.
    """
    workspace = Workspace(root, gone.name)
    everything = [*(path for paths in gone.paths.values() for path in paths), *gone.cache]
    with workspace.locked(f"remove {gone.name}"):
        freed = weight(everything)
        params_datasets.remove_dataset(root / PARAMS, gone.name)
        dvc_store.forget(root, gone.stages)
        for path in everything:
            delete(path)
    for lock in (workspace.local / "locks").glob(f"{gone.name}.*"):
        lock.unlink(missing_ok=True)
    if workspace.home.is_dir() and not any(workspace.home.iterdir()):
        workspace.home.rmdir()
    return freed


def delete(path: Path) -> None:
    """Remove a file, a folder with all below it, or a link; ConfigError, which says what to do, where that fails."""
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be removed ({error.strerror}); remove it by hand") from None


def weight(paths: Iterable[Path]) -> int:
    """Return the bytes of files and of all files below folders; a link weighs nothing."""
    return sum(_weight(path) for path in paths)


def _weight(path: Path) -> int:
    if path.is_symlink():
        return 0
    files = (Path(place, name) for place, _, names in os.walk(path) for name in names) if path.is_dir() else [path]
    return sum(file.lstat().st_size for file in files if not file.is_symlink() and file.exists())


def size(count: int) -> str:
    """Return bytes as people say them: 812 B, 1.4 MB."""
    value, units = float(count), ["B", "kB", "MB", "GB"]
    while value >= 1000 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{value:.0f} {units[0]}" if units[0] == "B" else f"{value:,.1f} {units[0]}"


def _places(paths: list[Path]) -> str:
    return ", ".join(sorted({f"{path.parent.parent.name}/{path.parent.name}" for path in paths}))

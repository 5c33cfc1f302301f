"""What DVC keeps of stages besides their outputs: entries of dvc.lock and objects of its cache, to be let go."""

import json
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tasks import versioning
from tasks.versioning import LOCK

CACHE = Path(".dvc/cache/files/md5")
REMOVING = "Removing "
"""How a line begins by which DVC tells what it would take away."""
ENTRY = re.compile(r"  (?P<name>\S.*):\s*")
"""The line of dvc.lock that a stage begins with."""


def objects(root: Path, stages: list[str]) -> list[Path]:
    """Return the objects of the cache that outputs of these stages are kept as, and no other stage's."""
    names = _names(root)
    own = _digests(root, [name for name in names if name in stages])
    others = _digests(root, [name for name in names if name not in stages])
    return sorted(path for digest in own - others if (path := _object(root, digest)).exists())


def forget(root: Path, stages: list[str]) -> None:
    """Take the stages out of dvc.lock; the file goes with the last one."""
    lock = root / LOCK
    if not lock.exists():
        return
    kept, within = [], False
    for line in lock.read_text(encoding="utf-8").splitlines(keepends=True):
        entry = ENTRY.fullmatch(line.rstrip("\n"))
        if entry is not None or not line.startswith(" "):
            within = entry is not None and entry["name"].strip("'\"") in stages
        if not within:
            kept.append(line)
    if not any(ENTRY.fullmatch(line.rstrip("\n")) for line in kept):
        lock.unlink()
        return
    beside = lock.with_name(f".{lock.name}.new")
    beside.write_text("".join(kept), encoding="utf-8")
    beside.replace(lock)


def cache(root: Path) -> Path | None:
    """Return the folder of DVC's cache; null where this is no DVC project, or a cache that others share."""
    if not (root / ".dvc").is_dir():
        return None
    home = Path(versioning.dvc(root, "cache", "dir").strip()).resolve()
    return home if home.is_relative_to(root.resolve()) else None


def unneeded(root: Path, home: Path, keep: Iterable[str]) -> list[Path]:
    """Return the objects of the cache that neither the current stages need nor the outputs of these md5s."""
    said = _collect(root, home, keep, "--dry")
    return [Path(line.removeprefix(REMOVING)) for line in said.splitlines() if line.startswith(REMOVING)]


def let_go(root: Path, home: Path, keep: Iterable[str]) -> None:
    """Take them away."""
    _collect(root, home, keep)


def _collect(root: Path, home: Path, keep: Iterable[str], *options: str) -> str:
    """Let DVC collect what neither this project uses nor another one, made here, whose outputs have these md5s."""
    with tempfile.TemporaryDirectory() as folder:
        other = Path(folder)
        (other / ".dvc").mkdir()
        # Without the cache DVC could not read which files a folder among the outputs holds, and would let them go.
        (other / ".dvc" / "config").write_text(f"[core]\n    no_scm = true\n[cache]\n    dir = {home}\n")
        entries = [f"- {{path: {md5}, md5: {md5}, hash: md5}}\n" for md5 in sorted(set(keep))]
        (other / "kept.dvc").write_text(f"outs:{' []' * (not entries)}\n{''.join(entries)}")
        return versioning.dvc(root, "gc", "--workspace", "--projects", folder, "--force", *options)


def _names(root: Path) -> list[str]:
    lock = root / LOCK
    lines = lock.read_text(encoding="utf-8").splitlines() if lock.exists() else []
    return [match["name"].strip("'\"") for line in lines if (match := ENTRY.fullmatch(line))]


def _digests(root: Path, stages: list[str]) -> set[str]:
    """Return the md5 of each output of these stages, and of each file of those that are folders."""
    found: set[str] = set()
    for stage in stages:
        for digest in versioning.output_hashes(versioning.recorded(root, stage)).values():
            found.add(digest)
            listing = _object(root, digest)
            if digest.endswith(".dir") and listing.exists():
                found |= {entry["md5"] for entry in json.loads(listing.read_text(encoding="utf-8"))}
    return found


def _object(root: Path, digest: str) -> Path:
    return root / CACHE / digest[:2] / digest[2:]

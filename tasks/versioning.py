"""The only file that speaks to DVC (by its command line) and to git: what is stale and why, what is recorded."""

import json
import os
import re
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

from tasks.config import PARAMS, read_yaml
from tasks.errors import TransferError

LOCK = "dvc.lock"
Reasons = dict[str, str]
"""Why a stage is stale: a path and how it changed (modified, new, deleted), or a key and its values (8 -> 12)."""


class VersioningError(TransferError):
    """DVC refused a command; its own last line says why."""


def status(root: Path, stages: list[str]) -> dict[str, Reasons]:
    """Return the stale ones among `stages`, each with its reasons. An unlisted stage is fresh."""
    report = json.loads(_dvc(root, "status", "--json", *stages))
    content = read_yaml(root / PARAMS)
    return {stage: _with_values(_reasons(found), recorded(root, stage), content) for stage, found in report.items()}


def commit(root: Path, stage: str) -> None:
    """Record that `stage` ran: its dependencies, parameters and outputs as they are now."""
    _dvc(root, "commit", "--force", "--quiet", stage)


def recorded(root: Path, stage: str) -> dict[str, Any]:
    """Return what dvc.lock holds for `stage`, such as "ingest@solar-cells"; empty if it never ran."""
    lock = root / LOCK
    if not lock.exists():
        return {}
    fact = lock.stat()
    return dict(_lock_entries(lock, fact.st_mtime_ns, fact.st_size).get(stage, {}))


def output_hashes(entry: dict[str, Any]) -> dict[str, str]:
    """Return the md5 of each output in an entry of dvc.lock, by its path."""
    return {output["path"]: output["md5"] for output in entry.get("outs", [])}


def dependency_hashes(entry: dict[str, Any]) -> dict[str, str]:
    """Return the md5 of each dependency in an entry of dvc.lock, by its path."""
    return {dependency["path"]: dependency["md5"] for dependency in entry.get("deps", [])}


def inputs(root: Path, stage: str) -> dict[str, Any]:
    """Return what identifies the inputs of `stage` at this moment, to be compared with a later moment.

    A file counts by size, time of change and inode, the facts by which DVC too decides whether to hash it again.
    """
    content = read_yaml(root / PARAMS)
    definition = _definition(root, stage, content)
    found: dict[str, Any] = {key: _value(content, key) for key in definition["params"]}
    for dependency in definition["deps"]:
        found |= _signatures(root / dependency)
    return found


def git_commit(root: Path) -> str | None:
    """Return the id of the commit checked out at `root`; None outside a repository or before its first commit."""
    return _git(root, "rev-parse", "--verify", "--quiet", "HEAD").strip() or None


def git_diff(root: Path) -> str:
    """Return what differs from that commit in the tracked files, as a patch; empty if nothing does."""
    return _git(root, "diff", "--no-color", "HEAD")


@lru_cache(maxsize=1)
def _lock_entries(lock: Path, _changed: int, _size: int) -> dict[str, Any]:
    """Read dvc.lock, again only when it changed: it has thousands of lines and is asked for at every stage."""
    entries: dict[str, Any] = read_yaml(lock)["stages"]
    return entries


def _dvc(root: Path, *arguments: str) -> str:
    """Run DVC and return what it printed; VersioningError with its last line where it fails."""
    site = root / ".local" / "dvc"
    site.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(site)}
    command = [sys.executable, "-m", "dvc", *arguments]
    answer = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    if answer.returncode:
        lines = [line for line in answer.stderr.splitlines() if line.startswith("ERROR")] or [answer.stderr.strip()]
        raise VersioningError(f"dvc {arguments[0]}: {lines[-1].removeprefix('ERROR: ')}")
    return answer.stdout


def _git(root: Path, *arguments: str) -> str:
    answer = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    return answer.stdout if answer.returncode == 0 else ""


def _reasons(findings: list[Any]) -> Reasons:
    """Flatten one stage's findings of `dvc status --json`."""
    reasons: Reasons = {}
    for finding in findings:
        if isinstance(finding, str):
            reasons["command in dvc.yaml"] = finding
            continue
        for changes in finding.values():
            for what, how in changes.items():
                reasons |= how if isinstance(how, dict) else {what: how}
    return reasons


def _with_values(reasons: Reasons, entry: dict[str, Any], content: dict[str, Any]) -> Reasons:
    """Replace a changed section of params.yaml by the keys in it that changed, with their old and new values."""
    old = entry.get("params", {}).get(PARAMS, {})
    told: Reasons = {}
    for what, how in reasons.items():
        told |= _differences(what, old[what], _value(content, what)) if what in old else {what: how}
    return told


def _differences(key: str, old: Any, new: Any) -> Reasons:
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return {key: f"{old} -> {new}"} if old != new else {}
    inner = [name for name in old | new if old.get(name) != new.get(name)]
    return {
        path: how for name in inner for path, how in _differences(f"{key}.{name}", old.get(name), new.get(name)).items()
    }


def _definition(root: Path, stage: str, content: dict[str, Any]) -> dict[str, list[str]]:
    """Return a stage's dependencies and parameters as dvc.yaml lists them, its templates filled in."""
    kind, _, key = stage.partition("@")
    template = read_yaml(root / "dvc.yaml")["stages"][kind]
    item = content[template["foreach"].strip("${}")][key]

    def fill(text: str) -> str:
        return re.sub(r"\$\{(.+?)\}", lambda match: key if match[1] == "key" else str(_value(item, match[1][5:])), text)

    return {part: [fill(text) for text in template["do"][part]] for part in ("deps", "params")}


def _value(content: Any, path: str) -> Any:
    for step in path.split("."):
        content = content.get(step) if isinstance(content, dict) else None
    return content


def _signatures(path: Path) -> dict[str, tuple[int, int, int]]:
    """Return size, time of change and inode of a file, or of every file below a folder; nothing if it is gone."""
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    facts = {str(file): file.stat() for file in files if "__pycache__" not in file.parts}
    return {name: (fact.st_size, fact.st_mtime_ns, fact.st_ino) for name, fact in facts.items()}

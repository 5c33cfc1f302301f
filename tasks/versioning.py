"""The only file that speaks to DVC (by its command line) and to git: what is stale and why, what is recorded."""

import json
import os
import re
import subprocess
import sys
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from tasks.config import PARAMS, read_yaml
from tasks.errors import TransferError
from tasks.workspace import digest, remembered, sha256_of, write_json

LOCK, DEFINITIONS = "dvc.lock", "dvc.yaml"
FRESH = Path(".local/fresh.json")
"""Where it is kept what DVC found fresh, and how all that it depends on looked then."""
HOME = Path(__file__).resolve().parent.parent
"""Where this program lies."""
Reasons = dict[str, str]
"""Why a stage is stale: a path and how it changed (modified, new, deleted), or a key and its values (8 -> 12)."""


FEW = 10
"""Up to so many stages are named to DVC; beyond, it is faster at looking at all of them."""


MENDS = {
    "is not a git repository": "make it one, once: git init",
    "not inside of a DVC repository": "run from the project's folder",
    "dvc.lock' is invalid": "bring it back with git, or delete it: all stages run anew",
    "Unable to acquire lock": "wait for it and run again",
}
"""What to do, by what DVC says."""
LONGEST = 300
"""Characters that are shown of what DVC says."""
READ: dict[str, Any] = {"capture_output": True, "encoding": "utf-8", "errors": "backslashreplace"}
"""How a command's answer is read, whatever the language of the terminal."""


class Snapshot(NamedTuple):
    """Of some stages (`of`, a hash of their names) all that DVC looks at (`state`, a hash of it) at one moment."""

    of: str
    state: str


class VersioningError(TransferError):
    """DVC refused a command; its own last line says why."""


def status(root: Path, stages: list[str]) -> dict[str, Reasons]:
    """Return the stale ones among `stages`, each with its reasons. An unlisted stage is fresh.

    DVC is not asked again while nothing has changed since it last found all of `stages` fresh.
    """
    seen = _snapshot(root, stages)
    if _fresh(root, seen):
        return {}
    told = json.loads(_asked(root, tuple(stages), seen))
    report = {stage: found for stage, found in told.items() if stage in stages}
    if not report and _snapshot(root, stages) == seen:
        write_json(root / FRESH, remembered(root / FRESH) | {seen.of: seen.state})
    content = read_yaml(root / PARAMS)
    return {stage: _with_values(_reasons(found), recorded(root, stage), content) for stage, found in report.items()}


def unchanged(root: Path, stages: list[str]) -> bool:
    """Tell whether nothing changed since DVC found all of `stages` fresh."""
    return _fresh(root, _snapshot(root, stages))


def _fresh(root: Path, seen: Snapshot) -> bool:
    return bool(remembered(root / FRESH).get(seen.of) == seen.state)


@lru_cache(maxsize=1)
def _asked(root: Path, stages: tuple[str, ...], _seen: Snapshot) -> str:
    """Return what DVC answers, who is not asked again at once about the same stages in the same state."""
    return dvc(root, "status", "--json", *(stages if len(stages) <= FEW else ()))


def commit(root: Path, stage: str) -> None:
    """Record that `stage` ran: its dependencies, parameters and outputs as they are now."""
    dvc(root, "commit", "--force", "--quiet", stage)


def recorded(root: Path, stage: str) -> dict[str, Any]:
    """Return what dvc.lock holds for `stage`, such as "ingest@solar-cells"; empty if it never ran."""
    lock = root / LOCK
    return dict(read_yaml(lock)["stages"].get(stage, {})) if lock.exists() else {}


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
    definition = definition_of(stage, read_yaml(root / DEFINITIONS), content)
    found: dict[str, Any] = {key: _value(content, key) for key in definition["params"]}
    for dependency in definition["deps"]:
        found |= _signatures(root / dependency)
    return found


@cache
def code(stage: str, modality: str, *folders: str) -> str:
    """Return a hash of the code below `folders` ("tasks/neural/") that dvc.yaml lists for `stage` and a modality.

    It identifies what computes a result, as the stage's dependencies do.
    """
    anything = {kind: {"any": {"modality": modality}} for kind in ("datasets", "trainings")}
    listed = definition_of(f"{stage}@any", read_yaml(HOME / DEFINITIONS), anything)["deps"]
    return digest([(path, sha256_of(HOME / path)) for path in sorted(listed) if path.startswith(folders)])


def git_commit(root: Path) -> str | None:
    """Return the id of the commit checked out at `root`; None outside a repository or before its first commit."""
    return _git(root, "rev-parse", "--verify", "--quiet", "HEAD").strip() or None


def git_diff(root: Path) -> str:
    """Return what differs from that commit in the tracked files, as a patch; empty if nothing does."""
    return _git(root, "diff", "--no-color", "HEAD")


def dvc(root: Path, *arguments: str) -> str:
    """Run DVC's command line and return what it printed; VersioningError with its last line where it fails."""
    site = root / ".local" / "dvc"
    site.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(site)}
    command = [sys.executable, "-m", "dvc", *arguments]
    answer: subprocess.CompletedProcess[str] = subprocess.run(command, cwd=root, env=environment, check=False, **READ)
    if answer.returncode:
        lines = [line for line in answer.stderr.splitlines() if line.startswith("ERROR")] or [answer.stderr.strip()]
        said = " ".join(lines[-1].removeprefix("ERROR: ").split())[:LONGEST]
        mend = next((f"; {mend}" for words, mend in MENDS.items() if words in said), "")
        raise VersioningError(f"dvc {arguments[0]}: {said.partition(' Check the page')[0]}{mend}")
    return answer.stdout


def _git(root: Path, *arguments: str) -> str:
    try:
        answer: subprocess.CompletedProcess[str] = subprocess.run(["git", *arguments], cwd=root, check=False, **READ)
    except FileNotFoundError:  # no git on this machine: a run is then remembered without a commit
        return ""
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


def definition_of(stage: str, definitions: dict[str, Any], content: dict[str, Any]) -> dict[str, list[str]]:
    """Return the paths and parameters that dvc.yaml (`definitions`) lists for a stage, its templates filled in."""
    kind, _, key = stage.partition("@")
    template = definitions["stages"][kind]
    item = content[template["foreach"].strip("${}")][key]

    def fill(entry: Any) -> str:
        text = next(iter(entry)) if isinstance(entry, dict) else entry
        return re.sub(r"\$\{(.+?)\}", lambda match: key if match[1] == "key" else str(_value(item, match[1][5:])), text)

    parts = ("deps", "params", "outs", "metrics", "plots")
    return {part: [fill(entry) for entry in template["do"].get(part, [])] for part in parts}


def _snapshot(root: Path, stages: list[str]) -> Snapshot:
    """Identify the stages and everything whose change could make one of them stale."""
    content, definitions = read_yaml(root / PARAMS), read_yaml(root / DEFINITIONS)
    found = [definition_of(stage, definitions, content) for stage in stages]
    paths = {path for entry in found for part in ("deps", "outs", "metrics", "plots") for path in entry[part]}
    files = [PARAMS, DEFINITIONS, LOCK, *sorted(paths)]
    return Snapshot(digest(stages), digest([_signatures(root / path) for path in files]))


def _value(content: Any, path: str) -> Any:
    for step in path.split("."):
        content = content.get(step) if isinstance(content, dict) else None
    return content


def _signatures(path: Path) -> dict[str, tuple[int, int, int]]:
    """Return size, time of change and inode of a file, or of every file below a folder; nothing if it is gone."""
    if path.is_file():
        files = [str(path)]
    else:
        folders = (walked for walked in os.walk(path) if "__pycache__" not in walked[0])
        files = sorted(os.path.join(folder, name) for folder, _, names in folders for name in names)  # noqa: PTH118
    facts = ((name, os.stat(name)) for name in files)  # noqa: PTH116 - paths as objects take three times as long
    return {name: (fact.st_size, fact.st_mtime_ns, fact.st_ino) for name, fact in facts}

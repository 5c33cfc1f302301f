"""Where a run comes from: code, parameters, data and backbone, as they are at this moment."""

import io
import os
from pathlib import Path
from typing import Any, NamedTuple

from tasks import versioning
from tasks.config import PARAMS, read_yaml
from tasks.versioning import LOCK
from tasks.workspace import Workspace, sha256_of

FLOW_RUN = "TRANSFER_FLOW_RUN_ID"
FOLDER = "lineage"
DATA_STAGES = ("ingest", "preprocess", "extract")
SHOWN = ("data_path", "data_md5", "data_samples", "manifest_sha256", "git_commit", "git_diff_lines")
"""The tags that a registered version repeats of its run."""
DIGEST_LENGTH = 36
"""How many characters of a data set's digest MLflow keeps: an md5 of DVC fits."""


class Origin(NamedTuple):
    """What a run carries of its origin: tags, files (name to content), and the digest of its data."""

    tags: dict[str, str]
    files: dict[str, str]
    data_digest: str


def origin(workspace: Workspace, training: str) -> Origin:
    """Write down code, parameters, data, backbone and flow run that a training begins with."""
    root, sections = workspace.root, _sections(workspace, training)
    diff, entries = versioning.git_diff(root), _lock(workspace, DATA_STAGES, workspace.name)
    files = {"git.diff": diff, PARAMS: _yaml(sections), LOCK: _yaml(entries)}
    data = _data_tags(workspace, entries)
    return Origin(
        tags=_code_tags(root, diff) | data | _backbone_tags(sections),
        files={name: content for name, content in files.items() if content},
        data_digest=(data.get("data_md5") or data.get("manifest_sha256") or "unknown")[:DIGEST_LENGTH],
    )


def parameters(root: Path, training: str) -> dict[str, Any]:
    """Return a training's section of params.yaml; empty where there is no such file or section."""
    return dict(_params(root).get("trainings", {}).get(training, {}))


def lock_section(workspace: Workspace, training: str) -> str:
    """Return what dvc.lock holds of a training and the stages it rests on, as YAML; empty if nothing."""
    return _yaml(_lock(workspace, DATA_STAGES, workspace.name) | _lock(workspace, ("finetune",), training))


def _code_tags(root: Path, diff: str) -> dict[str, str]:
    commit, flow_run = versioning.git_commit(root), os.environ.get(FLOW_RUN)
    changed = sum(line.startswith(("+", "-")) and not line.startswith(("+++", "---")) for line in diff.splitlines())
    tags = {"git_diff_lines": str(changed)}
    if commit:
        tags |= {"git_commit": commit, "mlflow.source.git.commit": commit}
    return tags | ({"flow_run_id": flow_run} if flow_run else {})


def _data_tags(workspace: Workspace, entries: dict[str, Any]) -> dict[str, str]:
    """Name the raw data by path, and what was made of it, by DVC's hashes."""
    hashes = {path: md5 for entry in entries.values() for path, md5 in versioning.output_hashes(entry).items()}
    folders = {"data": workspace.raw, "prepared": workspace.prepared, "features": workspace.features}
    relative = {name: folder.relative_to(workspace.root).as_posix() for name, folder in folders.items()}
    tags = {f"{name}_md5": hashes[path] for name, path in relative.items() if path in hashes}
    return {"data_path": relative["data"]} | _manifest_tags(workspace) | tags


def _manifest_tags(workspace: Workspace) -> dict[str, str]:
    """Count and hash the samples; nothing where the raw data is not on this machine."""
    from pyarrow.parquet import read_metadata

    manifest = workspace.raw / "manifest.parquet"
    if not manifest.exists():
        return {}
    return {"data_samples": str(read_metadata(manifest).num_rows), "manifest_sha256": sha256_of(manifest)}


def _backbone_tags(sections: dict[str, Any]) -> dict[str, str]:
    names = {"backbone": "name", "backbone_sha256": "sha256", "backbone_licence": "licence"}
    backbones = [{"name": name, **entry} for name, entry in sections.get("backbones", {}).items()]
    return {tag: str(backbone[key]) for backbone in backbones for tag, key in names.items()}


def _params(root: Path) -> dict[str, Any]:
    path = root / PARAMS
    return read_yaml(path) if path.exists() else {}


def _sections(workspace: Workspace, training: str) -> dict[str, Any]:
    """Return the parts of params.yaml that a training rests on, shaped as that file is."""
    content = _params(workspace.root)
    dataset = content.get("datasets", {}).get(workspace.name)
    if dataset is None:
        return {}
    wanted = {"datasets": workspace.name, "trainings": training, "backbones": dataset["backbone"]}
    return {kind: {name: content[kind][name]} for kind, name in wanted.items() if name in content[kind]}


def _lock(workspace: Workspace, stages: tuple[str, ...], key: str) -> dict[str, Any]:
    entries = {f"{stage}@{key}": versioning.recorded(workspace.root, f"{stage}@{key}") for stage in stages}
    return {stage: entry for stage, entry in entries.items() if entry}


def _yaml(content: dict[str, Any]) -> str:
    from ruamel.yaml import YAML

    if not content:
        return ""
    stream = io.StringIO()
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.dump(content, stream)
    return stream.getvalue()
